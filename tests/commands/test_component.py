"""What our own start of Airflow changes: how long its processes wait at SQLite, and tasks that died with a worker."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from include.commands.component import give_up_lost_tasks, keep_event_loop_going, lock_before_savepoints

PATIENCE = 20


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "airflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE log (event TEXT)")
    connection.close()
    return path


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    """An engine with one connection, which all threads take turns at using."""
    made = create_engine(f"sqlite:///{database}?timeout={PATIENCE}&check_same_thread=false", poolclass=StaticPool)
    keep_event_loop_going(made, seconds=0.2)
    yield made
    made.dispose()


def write(engine: Engine, event: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO log VALUES (:event)"), {"event": event})


def written(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        found = [event for (event,) in connection.execute("SELECT event FROM log")]
    connection.close()
    return found


def test_the_event_loop_gives_up_soon_what_another_request_of_its_own_holds(engine: Engine, database: Path) -> None:
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()

    with pytest.raises(OperationalError, match="locked"):
        write(engine, "from the loop")

    assert time.monotonic() - begun < PATIENCE / 4
    holder.execute("ROLLBACK")
    holder.close()
    write(engine, "asked again")
    assert written(database) == ["asked again"]


def test_other_threads_wait_on_even_with_a_connection_that_the_event_loop_has_used(
    engine: Engine, database: Path
) -> None:
    write(engine, "from the loop")
    holder = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, lambda: holder.execute("COMMIT"))

    with ThreadPoolExecutor(1) as pool:
        release.start()
        pool.submit(write, engine, "from a thread").result(timeout=PATIENCE)

    release.join()
    holder.close()
    assert written(database) == ["from the loop", "from a thread"]


def test_a_task_that_died_with_its_worker_before_it_began_gives_its_place_back() -> None:
    from airflow.executors.local_executor import LocalExecutor
    from airflow.models.taskinstancekey import TaskInstanceKey

    class Executor(LocalExecutor):
        pass

    give_up_lost_tasks(Executor)
    lost, other = (TaskInstanceKey("dag", "task", "run", 1, number) for number in (0, 1))
    executor = Executor(parallelism=4)
    executor.running = {lost, other}

    executor.revoke_task(ti=SimpleNamespace(key=lost))

    assert executor.running == {other}
    assert executor.slots_available == 3


@pytest.mark.parametrize("locked_first", [False, True])
def test_a_transaction_that_begins_with_a_savepoint_may_write_after_others_have_written(
    database: Path, *, locked_first: bool
) -> None:
    made = create_engine(f"sqlite:///{database}?timeout={PATIENCE}")
    if locked_first:
        lock_before_savepoints(made)
    other = sqlite3.connect(database, isolation_level=None, timeout=0.05)

    def read_and_write() -> None:
        with made.begin() as connection, connection.begin_nested():
            connection.execute(text("SELECT * FROM log")).all()
            try:
                other.execute("INSERT INTO log VALUES ('from the scheduler')")
            except sqlite3.OperationalError:
                assert locked_first
            connection.execute(text("INSERT INTO log VALUES ('from the backfill')"))

    if locked_first:
        read_and_write()
        assert written(database) == ["from the backfill"]
    else:
        # What the listener is for: SQLite does not even wait.
        with pytest.raises(OperationalError, match="locked"):
            read_and_write()
    other.close()
    made.dispose()


def test_savepoints_of_other_databases_and_inside_a_transaction_are_left_alone(database: Path) -> None:
    made = create_engine(f"sqlite:///{database}")
    lock_before_savepoints(made)

    with made.begin() as connection:
        connection.execute(text("INSERT INTO log VALUES ('before')"))
        with connection.begin_nested():
            connection.execute(text("INSERT INTO log VALUES ('behind')"))
        with connection.begin_nested() as savepoint:
            connection.execute(text("INSERT INTO log VALUES ('rolled back')"))
            savepoint.rollback()
        assert written(database) == []
    made.dispose()

    assert written(database) == ["before", "behind"]
