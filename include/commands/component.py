"""What runs inside one Airflow component that the keeper forked."""

from __future__ import annotations

import contextlib
import datetime
import importlib
import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Airflow's database, in its home.
DATABASE = "airflow.db"

_EVENT_LOOP_WAITS_SECONDS = 2.0

_COMMON = (
    "airflow",
    "airflow.cli.cli_parser",
    "airflow.jobs.job",
    "airflow.executors.local_executor",
    "airflow.api_fastapi.app",
)


def import_airflow() -> None:
    """Import what all components use, before they are forked."""
    preload(_COMMON)
    from airflow.models import import_all_models

    import_all_models()


def preload(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(module)


def run(arguments: Sequence[str]) -> None:
    """
    Be Airflow's own command, as if it had been typed.

    :param arguments: what would follow ``airflow``; ``prepare`` is ours (see :func:`prepare`).
    """
    if tuple(arguments) == ("prepare",):
        prepare()
        return
    _forget_checkout()
    if _on_sqlite():
        _make_do_with_one_machine(arguments)
    sys.argv = ["airflow", *arguments]
    from setproctitle import setproctitle

    setproctitle(" ".join(sys.argv))
    from airflow.__main__ import main

    main()


def _on_sqlite() -> bool:
    from airflow.configuration import conf

    return str(conf.get("database", "sql_alchemy_conn")).startswith("sqlite")


def _make_do_with_one_machine(arguments: Sequence[str]) -> None:
    """What SQLite and LocalExecutor need. With any other database Airflow is left as it is."""
    from sqlalchemy.engine import Engine

    _commit_without_flushing()
    lock_before_savepoints(Engine)
    if tuple(arguments[:1]) == ("api-server",):
        keep_event_loop_going(Engine, seconds=_EVENT_LOOP_WAITS_SECONDS)
    if tuple(arguments[:1]) == ("scheduler",):
        from airflow.executors.local_executor import LocalExecutor

        give_up_lost_tasks(LocalExecutor)


def _forget_checkout() -> None:
    """
    Take the checkout off the import path, where ``python -m`` put it.

    Airflow's components have ``plugins/`` and (parsing and working) ``dags/``. Were the
    checkout there too, a Dag could import from it here and fail everywhere else.
    """
    checkout = Path(__file__).resolve().parents[2]
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != checkout]


def _commit_without_flushing() -> None:
    """
    Have SQLite leave the flush of each commit to the operating system.

    Several processes take turns at writing this one file, and each holds the others up for as long as the disk takes.
    A commit survives the death of any process all the same; after a power cut the last ones may be missing, and then
    the tasks are done again, which costs nothing.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()


def lock_before_savepoints(engine: Any) -> None:
    """
    Have a transaction that begins with a savepoint take SQLite's lock at once.

    Python's driver begins none there. SQLite then lets the transaction read, and when it wants to write after another
    process has written meanwhile, refuses it without waiting: *database is locked*. ``airflow backfill create`` reads
    and writes behind a savepoint for each day, while the scheduler writes.

    :param engine: a SQLAlchemy engine, or the class for all of them.
    """
    from sqlalchemy import event

    @event.listens_for(engine, "savepoint")
    def about_to_begin(connection: Any, _: Any) -> None:
        driver = connection.connection.dbapi_connection
        if isinstance(driver, sqlite3.Connection) and not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def keep_event_loop_going(engine: Any, *, seconds: float) -> None:
    """
    Have the main thread wait only a moment for SQLite's lock, and all others as long as ever.

    Airflow 3.3 notes in its event loop who started, cleared or switched on what, and waits there until it may write.
    Another request of the same server that has written already can only commit in a later turn of that loop: both
    would wait for each other, and everybody else for them, until the waiting is given up after a minute. The request
    that is given up instead gets a 500 and may simply be repeated; it has done nothing yet.

    :param engine: a SQLAlchemy engine, or the class for all of them.
    :param seconds: how long the main thread, which runs the loop, waits.
    """
    from sqlalchemy import event

    @event.listens_for(engine, "before_cursor_execute")
    def about_to_execute(connection: Any, cursor: Any, *_: Any) -> None:
        if not isinstance(cursor, sqlite3.Cursor):
            return
        if "patience" not in connection.info:
            connection.info["patience"] = _patience(cursor.connection)
        in_loop = threading.current_thread() is threading.main_thread()
        wanted = round(seconds * 1000) if in_loop else connection.info["patience"]
        if connection.info.get("patience_now") != wanted:
            cursor.connection.execute(f"PRAGMA busy_timeout={wanted}").close()
            connection.info["patience_now"] = wanted


def _patience(connection: sqlite3.Connection) -> int:
    """How long a connection waits for a lock (milliseconds)."""
    with contextlib.closing(connection.execute("PRAGMA busy_timeout")) as cursor:
        return int(cursor.fetchone()[0])


def give_up_lost_tasks(executor: Any) -> None:
    """
    Have an executor let go of tasks that were queued for too long (``[scheduler] task_queued_timeout``).

    A worker of Airflow's LocalExecutor that is killed after it took a task and before the task began takes the
    knowledge of it along: the task stays queued and its place among the workers stays taken for as long as the
    scheduler lives, because this executor alone has no answer when the scheduler wants to queue it anew. Should the
    task be with a worker after all, only one of the two attempts is let in by the API server.

    :param executor: the class of the executor.
    """

    def revoke_task(self: Any, *, ti: Any) -> None:
        self.running.discard(ti.key)
        self.queued_tasks.pop(ti.key, None)

    executor.revoke_task = revoke_task


def prepare() -> None:
    """
    Bring the database up to date, tell it that all former components are dead, and make the project's pools.

    The second part is what makes a restart quick: a scheduler takes over the tasks of
    another only when that one's heartbeat has been missing for a minute, a triggerer
    likewise. Here the supervisor holds the lock on the state folder and has ended every
    process of an earlier run, so there is nothing to wait for.
    """
    from airflow import __version__, settings
    from airflow.jobs.job import Job, JobState
    from airflow.utils import db
    from airflow.utils.session import create_session
    from sqlalchemy import update

    stamp = Path(settings.AIRFLOW_HOME, "database-version")
    if not _is_current(Path(settings.AIRFLOW_HOME, DATABASE), stamp, __version__):
        db.upgradedb()
        stamp.write_text(__version__)
    now = datetime.datetime.now(tz=datetime.UTC)
    with create_session() as session:
        session.execute(
            update(Job).where(Job.end_date.is_(None)).values(state=JobState.FAILED, end_date=now),
            execution_options={"synchronize_session": False},
        )
    from include.commands.provide import make_pools

    make_pools()


def _is_current(database: Path, stamp: Path, version: str) -> bool:
    """Whether this version of Airflow made the tables. Asking Airflow itself takes seconds."""
    try:
        if stamp.read_text() != version:
            return False
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("SELECT version_num FROM alembic_version").fetchone())
    except (OSError, sqlite3.Error):
        return False


def main() -> None:
    """``python -m include.commands.component ARGUMENT...``: without the keeper's fork."""
    run(sys.argv[1:])


if __name__ == "__main__":
    main()
