"""What the processes of a machine share on its disk, and what is said when that disk does not do it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from narration.errors import NarrationError


class DiskError(NarrationError):
    """The disk of this machine does not take what is to be written; another machine may."""


@contextmanager
def writing(what: str) -> Iterator[None]:
    """
    Say of a disk that is full what it was that did not fit.

    :param what: what is being written, such as ``The result of job 1``.
    :raises DiskError: instead of any :class:`OSError`.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(what, error) from error


def disk_error(what: str, error: OSError) -> DiskError:
    """Give the words for what could not be written, as in :func:`writing`."""
    return DiskError(
        f"{what} cannot be written to the disk of this machine ({error.strerror or type(error).__name__}). Make "
        "room there, or point TMPDIR to a larger disk, and run the task again: nothing is bought anew."
    )


def shared_folder() -> Path:
    """
    Give the folder in which the processes of one user of this machine share counts and short cuts.

    The temporary folder is everybody's, so anybody could have made the folder first, or a link that leads elsewhere:
    only a folder that is the user's own is used.

    :raises DiskError: it is somebody else's, it is no folder, or it cannot be made.
    """
    user = os.geteuid()
    folder = Path(tempfile.gettempdir()) / f"narration-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == user:
            if found.st_mode & 0o077:
                folder.chmod(0o700)
            return folder
        why = "it is a link or a file" if not stat.S_ISDIR(found.st_mode) else "it belongs to somebody else"
    except OSError as error:
        why = error.strerror or type(error).__name__
    raise DiskError(
        f"{folder}, which the processes of this machine share, cannot be used ({why}). Remove it, it is made anew; or "
        "set TMPDIR to a folder of your own."
    )
