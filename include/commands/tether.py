"""
Ties the life of a process to the life of the process that started it.

Everything that ``make run`` starts must go when it goes, even when it is killed
with SIGKILL and can tell nobody. Linux offers two means, and both are used:

* a *parent death signal* (``prctl(PR_SET_PDEATHSIG)``): the kernel kills a child as
  soon as its parent is gone. A fork clears it, so :func:`tether_forks` registers a
  hook that sets it anew in every child forked by Python: Airflow's executor
  workers, task runners, parsers and the triggerer's runner are all made that way.
* a *subreaper* (``PR_SET_CHILD_SUBREAPER``): whoever loses his parent is handed to
  the nearest ancestor that asked for it, which therefore can find all its
  descendants, however deep.

Elsewhere (macOS) these functions do nothing, and the keeper relies on the process
tree alone.

See prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_ON_LINUX = sys.platform.startswith("linux")
_libc = ctypes.CDLL(None, use_errno=True) if _ON_LINUX else None
_hooked = False
_forked_by_main_thread = True


def _prctl(option: int, value: int) -> None:
    if _libc is not None:
        _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def tether_forks() -> None:
    """Have the kernel kill every child that this process, or such a child, forks from now on."""
    global _hooked
    if _ON_LINUX and not _hooked:
        _hooked = True
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


def tether(*, parent: int) -> None:
    """
    End this process, and whatever it forks, when its parent ends.

    :param parent: the process id of the parent, as it was before the fork: if it is gone
        already, so is this process.
    """
    if not _ON_LINUX:
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    tether_forks()


def end_with_parent() -> None:
    """
    Be asked to end (SIGTERM) when the parent ends: somebody who kills ``make`` with SIGKILL
    wants what it started to go as well.
    """
    if _ON_LINUX and os.getppid() != 1:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _before_fork() -> None:
    global _forked_by_main_thread
    _forked_by_main_thread = threading.current_thread() is threading.main_thread()


def _after_fork_in_child() -> None:
    # The kernel means the parent *thread*: a child forked by a short-lived thread
    # would be killed as soon as that thread is done.
    if _forked_by_main_thread:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def become(user: str) -> None:
    """
    Go on as another user, if we are root; else as whoever we are.

    :param user: his name; empty for no change.
    """
    if not user or os.geteuid() != 0:
        return
    import pwd

    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir


def main() -> None:
    """
    Run a module, or a program as another user, tethered.

    ``python -m include.commands.tether PARENT MODULE [ARGUMENT...]``, or
    ``python -m include.commands.tether PARENT --program USER PROGRAM [ARGUMENT...]``.
    """
    parent, module, *arguments = sys.argv[1:]
    if module == "--program":
        user, program, *arguments = arguments
        become(user)
        # After that: with the user the kernel forgets whom to follow.
        tether(parent=int(parent))
        os.execvp(program, [program, *arguments])
    tether(parent=int(parent))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
