"""Starting, watching and ending processes, whatever happens to whom."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from include.commands.errors import CommandError
from include.commands.processes import Mark, descendants
from include.commands.settings import CHECKOUT
from include.commands.supervisor import Supervisor, clean_up, recorded_processes, take_lock

Stage = Any
Wait = Callable[..., bool]


def running(supervisor: Supervisor, *, wait_for: Wait, processes: int) -> list[Mark]:
    """Everything below the keeper, once that many processes are there."""
    keeper = supervisor.pids["keeper"]
    assert wait_for(lambda: len(descendants(keeper)) >= processes)
    mark = Mark.of(keeper)
    assert mark is not None
    return [mark, *descendants(keeper)]


def test_everything_that_was_started_is_ended(stage: Stage, wait_for: Wait, all_gone: Wait) -> None:
    supervisor = stage.supervisor("obedient", "stubborn")
    supervisor.start()
    marks = running(supervisor, wait_for=wait_for, processes=4)
    supervisor.stop(grace=0.5)
    assert all_gone(marks)
    assert not stage.layout.record.exists()


def test_a_step_that_ends_by_itself_is_no_failure(stage: Stage, wait_for: Wait) -> None:
    supervisor = stage.supervisor("finishing", "obedient")
    supervisor.start()
    assert wait_for(lambda: "obedient" in supervisor.pids and "finishing" not in supervisor.pids)
    supervisor.check()
    assert stage.layout.log("finishing").read_text() == "done\n"


def test_a_process_that_dies_is_named_with_its_last_words_and_its_log(stage: Stage, wait_for: Wait) -> None:
    supervisor = stage.supervisor("obedient", "failing")
    supervisor.start()
    assert wait_for(lambda: supervisor.died is not None)
    with pytest.raises(CommandError) as caught:
        supervisor.check()
    assert "failing (process " in caught.value.message
    assert "ended with exit code 1" in caught.value.message
    assert "OSError: [Errno 28] No space left on device" in caught.value.message
    assert "free some space" in caught.value.remedy
    assert str(stage.layout.log("failing")) in caught.value.remedy


def test_a_process_that_is_killed_is_named_with_the_signal(stage: Stage, wait_for: Wait) -> None:
    supervisor = stage.supervisor("obedient")
    supervisor.start()
    assert wait_for(lambda: "obedient" in supervisor.pids)
    os.kill(supervisor.pids["obedient"], signal.SIGKILL)
    assert wait_for(lambda: supervisor.died is not None)
    with pytest.raises(CommandError, match="was ended by SIGKILL"):
        supervisor.check()


def test_waiting_ends_when_a_process_dies(stage: Stage) -> None:
    supervisor = stage.supervisor("failing")
    supervisor.start()
    with pytest.raises(CommandError, match="failing"):
        supervisor.wait_until(lambda: False, timeout=20, what="Starting")


def test_waiting_too_long_says_what_for(stage: Stage) -> None:
    supervisor = stage.supervisor("obedient")
    supervisor.start()
    with pytest.raises(CommandError, match="Starting Airflow took more than 0 seconds"):
        supervisor.wait_until(lambda: False, timeout=0.1, what="Starting Airflow")


def test_a_process_that_is_killed_on_purpose_can_be_started_again(stage: Stage, wait_for: Wait) -> None:
    supervisor = stage.supervisor("obedient", tolerate=frozenset({"obedient"}))
    supervisor.start()
    assert wait_for(lambda: "obedient" in supervisor.pids)
    first = supervisor.pids["obedient"]
    os.kill(first, signal.SIGKILL)
    assert wait_for(lambda: "obedient" not in supervisor.pids)
    supervisor.check()
    supervisor.restart("obedient")
    assert wait_for(lambda: supervisor.pids.get("obedient", first) != first)


def test_what_is_to_be_started_again_comes_back_by_itself_and_its_end_is_no_failure(
    stage: Stage, wait_for: Wait
) -> None:
    supervisor = stage.supervisor(components=[stage.component("obedient", restarts=True)])
    supervisor.start()
    assert wait_for(lambda: "obedient" in supervisor.pids)
    supervisor.settle()
    first = supervisor.pids["obedient"]
    os.kill(first, signal.SIGKILL)
    assert wait_for(lambda: supervisor.pids.get("obedient", first) != first)
    supervisor.check()


def test_what_dies_before_everything_is_up_is_a_failure_also_where_it_would_be_started_again(
    stage: Stage, wait_for: Wait
) -> None:
    supervisor = stage.supervisor(components=[stage.component("failing", restarts=True)])
    supervisor.start()
    assert wait_for(lambda: supervisor.died is not None)
    with pytest.raises(CommandError, match="No space left on device"):
        supervisor.check()


def test_what_is_held_stays_dead_until_it_is_restarted(stage: Stage, wait_for: Wait) -> None:
    supervisor = stage.supervisor(components=[stage.component("obedient", restarts=True)])
    supervisor.start()
    assert wait_for(lambda: "obedient" in supervisor.pids)
    supervisor.settle()
    supervisor.hold("obedient")
    os.kill(supervisor.pids["obedient"], signal.SIGKILL)
    assert wait_for(lambda: "obedient" not in supervisor.pids)
    assert not wait_for(lambda: "obedient" in supervisor.pids, within=2.5)
    supervisor.restart("obedient")
    assert wait_for(lambda: "obedient" in supervisor.pids)


def test_a_module_waits_for_the_step_before_it(stage: Stage, wait_for: Wait) -> None:
    supervisor = stage.supervisor(
        components=[stage.component("obedient", after="finishing"), stage.component("finishing")]
    )
    supervisor.start()
    assert wait_for(lambda: "obedient" in supervisor.pids)
    assert stage.layout.log("finishing").read_text() == "done\n"


def test_everybody_is_asked_in_his_turn_and_with_his_signal(stage: Stage, wait_for: Wait) -> None:
    wanted = {"first": (0, "SIGTERM"), "second": (1, "SIGTERM"), "third": (2, "SIGINT")}
    supervisor = stage.supervisor(
        components=[
            stage.component(
                "talkative",
                name=name,
                arguments=(name,),
                log=str(stage.layout.log(name)),
                stop_order=order,
                stop_signal=number,
            )
            for name, (order, number) in reversed(wanted.items())
        ]
    )
    supervisor.start()
    assert wait_for(
        lambda: all(stage.layout.log(name).exists() and stage.layout.log(name).read_text() for name in wanted)
    )
    supervisor.stop(grace=10)
    said = [stage.layout.log(name).read_text().split()[1:] for name in wanted]
    assert [(name, number) for name, number, _ in said] == [(name, number) for name, (_, number) in wanted.items()]
    assert [int(when) for _, _, when in said] == sorted(int(when) for _, _, when in said)


def test_a_program_is_run_by_the_user_who_is_named_and_ends_with_the_rest(
    stage: Stage, wait_for: Wait, all_gone: Wait
) -> None:
    program = stage.component("program", module="", program="/bin/sleep", arguments=("600",), user="nobody")
    supervisor = stage.supervisor(components=[program])
    supervisor.start()
    assert wait_for(lambda: "program" in supervisor.pids)
    process = psutil.Process(supervisor.pids["program"])
    assert wait_for(lambda: process.cmdline() == ["/bin/sleep", "600"])
    assert process.username() == ("nobody" if os.geteuid() == 0 else psutil.Process().username())
    mark = Mark.of(process.pid)
    os.kill(supervisor.pids["keeper"], signal.SIGKILL)
    assert all_gone([mark])
    supervisor.stop()


def test_the_death_of_the_keeper_is_noticed_and_leaves_nothing(stage: Stage, wait_for: Wait, all_gone: Wait) -> None:
    supervisor = stage.supervisor("obedient", "stubborn")
    supervisor.start()
    marks = running(supervisor, wait_for=wait_for, processes=4)
    os.kill(supervisor.pids["keeper"], signal.SIGKILL)
    assert wait_for(lambda: supervisor.died is not None)
    with pytest.raises(CommandError, match="keeper"):
        supervisor.check()
    supervisor.stop()
    assert all_gone(marks)


@pytest.fixture
def elsewhere(stage: Stage, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A supervisor in a process of its own, as ``make run`` is."""
    script = tmp_path / "supervise.py"
    components = [stage.component("obedient").to_dict(), stage.component("stubborn").to_dict()]
    script.write_text(
        textwrap.dedent(
            f"""
            import json, os, sys, time
            from pathlib import Path
            sys.path.insert(0, {str(CHECKOUT)!r})
            from include.commands.plan import Component
            from include.commands.settings import Layout
            from include.commands.supervisor import Supervisor
            supervisor = Supervisor(
                layout=Layout(state=Path({str(stage.layout.state)!r})),
                components=[Component.from_dict(data) for data in json.loads({json.dumps(components)!r})],
                environment=os.environ,
                facts={{"command": "make run", "url": "http://127.0.0.1:8080"}},
            )
            supervisor.start()
            time.sleep(600)
            """
        )
    )
    return subprocess.Popen([sys.executable, str(script)])


def everything_below(pid: int, *, wait_for: Wait) -> list[Mark]:
    """The keeper, the two stand-ins and the three descendants of the second."""
    assert wait_for(lambda: len(descendants(pid)) >= 5)
    return descendants(pid)


def test_sigkill_of_the_supervisor_leaves_nothing_running(
    elsewhere: subprocess.Popen[bytes], stage: Stage, wait_for: Wait, all_gone: Wait
) -> None:
    marks = everything_below(elsewhere.pid, wait_for=wait_for)
    elsewhere.kill()
    elsewhere.wait()
    assert all_gone(marks)
    assert not stage.layout.record.exists()


def test_sigkill_of_supervisor_and_keeper_together_leaves_nothing_running(
    elsewhere: subprocess.Popen[bytes], stage: Stage, wait_for: Wait, all_gone: Wait
) -> None:
    marks = everything_below(elsewhere.pid, wait_for=wait_for)
    keeper = next(mark for mark in marks if "include.commands.keeper" in mark.command)
    os.kill(keeper.pid, signal.SIGSTOP)  # so that it cannot clear up between the two signals
    elsewhere.kill()
    os.kill(keeper.pid, signal.SIGKILL)
    elsewhere.wait()
    if not sys.platform.startswith("linux"):
        clean_up(stage.layout)  # the kernel does not help there: it is left to the next start
    assert all_gone(marks)


def test_a_second_start_is_refused_and_names_the_first(stage: Stage, wait_for: Wait) -> None:
    first = stage.supervisor("obedient")
    first.start()
    assert wait_for(lambda: bool(recorded_processes(stage.layout)))
    with pytest.raises(CommandError) as caught:
        stage.supervisor("obedient").start()
    assert "make run is running already at http://127.0.0.1:8080" in caught.value.message
    assert f"kill {os.getpid()}" in caught.value.remedy


def test_the_state_folder_is_free_again_after_the_end(stage: Stage) -> None:
    supervisor = stage.supervisor("obedient")
    supervisor.start()
    supervisor.stop(grace=0)
    take_lock(stage.layout).close()


class TestLeftoversOfAnEarlierRun:
    """Processes that a record names although the run that wrote it is gone."""

    @pytest.fixture
    def leftover(self) -> Any:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        yield process
        process.kill()
        process.wait()

    def record(self, stage: Stage, mark: Mark) -> None:
        stage.layout.record.write_text(json.dumps({"processes": [mark.to_dict()]}))

    def test_are_ended(self, stage: Stage, leftover: subprocess.Popen[bytes]) -> None:
        mark = Mark.of(leftover.pid)
        assert mark is not None
        self.record(stage, mark)
        assert clean_up(stage.layout) == 1
        assert leftover.wait(timeout=5) == -signal.SIGKILL
        assert not stage.layout.record.exists()

    def test_are_left_alone_when_the_number_went_to_a_process_that_started_later(
        self, stage: Stage, leftover: subprocess.Popen[bytes]
    ) -> None:
        mark = Mark.of(leftover.pid)
        assert mark is not None
        self.record(stage, replace(mark, started=mark.started - 60))
        assert clean_up(stage.layout) == 0
        assert leftover.poll() is None

    def test_are_left_alone_when_the_program_is_another(self, stage: Stage, leftover: subprocess.Popen[bytes]) -> None:
        mark = Mark.of(leftover.pid)
        assert mark is not None
        self.record(stage, replace(mark, command=("/usr/bin/editor", "book.txt")))
        assert clean_up(stage.layout) == 0
        assert leftover.poll() is None

    def test_do_not_matter_when_the_record_is_damaged(self, stage: Stage) -> None:
        stage.layout.record.write_text('{"processes": [{"pid"')
        assert clean_up(stage.layout) == 0
