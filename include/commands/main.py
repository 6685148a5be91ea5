"""The commands themselves: ``run``, ``up``, ``cloud``, ``cluster``, ``airflow``."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from include.commands import report
from include.commands.component import DATABASE
from include.commands.errors import CommandError, Interrupted
from include.commands.follow import Follower, unfinished_run
from include.commands.parameters import for_the_dag, given_as_arguments, given_to_make, typed
from include.commands.preflight import disk_error
from include.commands.progress import Display, clock
from include.commands.rest import RestError
from include.commands.session import Session
from include.commands.settings import CHECKOUT, NARRATE, NIGHTLY, STATE, Layout, Ports, airflow_environment, uses_aws
from include.commands.supervisor import Signals
from include.commands.tether import end_with_parent

SAMPLES = CHECKOUT / "include" / "texts"

#: Settings of a shell that would lead to another Airflow's database or workers.
_OF_ANOTHER_AIRFLOW = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__EXECUTOR")


def main(arguments: Sequence[str]) -> int:
    """
    :param arguments: the command, then ``NAME=value`` as make takes them.
    :return: the exit code: 0 done, 1 something failed (and was said), 130 interrupted before it was done.
    """
    command = arguments[0] if arguments else ""
    commands = {"run": run, "up": up, "cloud": cloud, "cluster": cluster, "airflow": airflow}
    display = Display()
    try:
        with Signals():
            if "MAKELEVEL" in os.environ:
                end_with_parent()
            if command not in commands:
                raise CommandError(f"There is no command {command!r}.", remedy="make help lists what there is.")
            given = {**given_to_make(os.environ), **given_as_arguments(arguments[1:])}
            environment = {**os.environ, **given}
            return commands[command](given, environment, display)
    except Interrupted:
        display.say("Interrupted.")
        return 130
    except CommandError as error:
        display.say(f"\n{error.message}")
        if error.remedy:
            display.say(f"→ {error.remedy}")
    except RestError as error:
        display.say(f"\nAirflow refused: {error}")
        display.say("→ Correct what the message names; the form in Airflow's UI describes each parameter.")
    except OSError as error:
        problem = disk_error(error, folder=STATE)
        display.say(f"\n{problem.message}\n→ {problem.remedy}")
    except Exception as error:
        display.say(f"\nThis should not have happened: {type(error).__name__}: {error}")
        display.say(f"→ Please report it, with {_write_traceback()}")
    return 1


def _write_traceback() -> str:
    log = Layout(state=STATE).log("command")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return f"this:\n{traceback.format_exc()}"
    return str(log)


def _session(command: str, environment: Mapping[str, str], *, airflow: bool = True) -> Session:
    aws = airflow and uses_aws(environment)
    layout = Layout(state=STATE)
    return Session(
        command=f"make {command}",
        layout=layout.of_aws() if aws else layout,
        ports=Ports.from_environment(environment),
        environment=environment,
        aws=aws,
        airflow=airflow,
    )


def run(given: Mapping[str, str], environment: Mapping[str, str], display: Display) -> int:
    """Narrate one document, then leave the UI up."""
    parameters = for_the_dag(given, folder=Path.cwd())
    if not parameters.get("document"):
        parameters["document"] = str(sample())
    dag_id = _dag(given, environment)
    session = _session("run", environment)
    _check_cloud(session, environment, parameters, display)
    with _running(session, display):
        dag = session.await_dag(dag_id, on_tick=_ticker(display))
        conf = typed(parameters, schemas={name: value["schema"] for name, value in dag["params"].items()})
        run_id = unfinished_run(session, dag_id=dag_id, conf=conf)
        if run_id is None:
            run_id = session.api.trigger(dag_id, conf)
            display.say(f"Narrating {conf['document']}")
        else:
            display.say(f"Going on with the narration of {conf['document']} that was interrupted")
        outcome = Follower(session=session, dag_id=dag_id, run_id=run_id, display=display).follow()
        if outcome.state != "success":
            raise report.failed(outcome)
        display.say()
        display.say(report.success(outcome, local=not session.aws))
        if not _wants_exit(environment):
            _stay(session, display)
    return 0


def _dag(given: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """
    The Dag that narrates: ``DAG=``, or the one through Polly.

    :raises CommandError: when it is none of those that narrate a document, or cannot be had from the chosen cloud.
    """
    dag_id = given.get("DAG", "").strip() or NARRATE
    known = sorted(path.stem for path in (CHECKOUT / "dags").glob("narrate_*.py") if path.stem != NIGHTLY)
    if dag_id not in known:
        raise CommandError(
            f"There is no Dag {dag_id!r} that narrates a document.", remedy=f"DAG is {' or '.join(known)}."
        )
    if uses_aws(environment) and dag_id != NARRATE:
        raise CommandError(
            f"NARRATION_CLOUD=aws stands for Amazon Polly, and {dag_id} speaks through another service.",
            remedy=f"Leave NARRATION_CLOUD out to try {dag_id} on the local cloud; docs/azure.md says how a real "
            "account is used.",
        )
    return dag_id


def up(given: Mapping[str, str], environment: Mapping[str, str], display: Display) -> int:
    """Airflow and the local cloud, nothing started."""
    session = _session("up", environment)
    _check_cloud(session, environment, {}, display)
    with _running(session, display):
        session.await_dag(on_tick=_ticker(display))
        _stay(session, display)
    return 0


def cloud(given: Mapping[str, str], environment: Mapping[str, str], display: Display) -> int:
    """The local cloud alone."""
    session = _session("cloud", environment, airflow=False)
    with _running(session, display):
        display.say(f"Polly, Azure Speech  {session.ports.speech_url}   (bill: {session.ports.speech_url}/_local/bill)")
        display.say(f"S3                   {session.ports.s3_url}   (also SNS, SQS and STS)")
        display.say("Any AWS credentials will do, and any Azure key of 8 characters; the regions are us-east-1 and")
        display.say("eastus. Ctrl-C stops it.")
        _wait(session)
    return 0


def cluster(given: Mapping[str, str], environment: Mapping[str, str], display: Display) -> int:
    """The services of docker-compose.yaml as processes of this machine, nothing started."""
    from include.commands.cluster import ClusterPorts, ClusterSession

    wanted = Ports.from_environment(environment)
    session = ClusterSession(
        command="make cluster",
        layout=Layout(state=STATE / "cluster"),
        ports=ClusterPorts.free(airflow=wanted.airflow, speech=wanted.speech, s3=wanted.s3),
        environment=environment,
    )
    with _running(session, display):
        session.await_dag(on_tick=_ticker(display))
        display.say(
            f"Log in as {session.user} with AIRFLOW_ADMIN_PASSWORD, which stands in {session.layout.state}/.env"
        )
        _stay(session, display)
    return 0


def airflow(given: Mapping[str, str], environment: Mapping[str, str], display: Display) -> int:
    """Airflow's own command line, on the database of ``make up`` and ``make run``."""
    try:
        arguments = shlex.split(given.get("ARGS", ""))
    except ValueError as error:
        raise CommandError(
            f"ARGS cannot be taken apart: {error}.",
            remedy="""Write ARGS='…' with "…" inside, or the other way round.""",
        ) from error
    if not arguments:
        raise CommandError(
            "ARGS does not say what Airflow is to do.",
            remedy="For example: make airflow ARGS='backfill create --dag-id narrate_nightly --from-date 2026-01-01 "
            "--to-date 2026-01-31'",
        )
    aws = uses_aws(environment)
    layout = Layout(state=STATE).of_aws() if aws else Layout(state=STATE)
    if not (layout.airflow / DATABASE).is_file():
        raise CommandError("There is no Airflow here yet.", remedy="Start it: make up, and leave it running.")
    command = [sys.executable, "-m", "include.commands.component", *arguments]
    settings = airflow_environment(environment, layout=layout, ports=Ports.from_environment(environment), aws=aws)
    return subprocess.run(command, cwd=CHECKOUT, env=settings, check=False).returncode


def sample() -> Path:
    """The document that is narrated when none is named."""
    texts = sorted(SAMPLES.glob("*.txt"))
    if not texts:
        raise CommandError(
            f"There is no sample text in {SAMPLES}.", remedy="Name a document: make run DOCUMENT=path/to/book.txt"
        )
    return texts[0]


class _running(contextlib.AbstractContextManager["_running"]):
    """A session from its checks to its end, whatever happens in between."""

    def __init__(self, session: Session, display: Display) -> None:
        self._session = session
        self._display = display

    def __enter__(self) -> _running:
        self._session.check()
        begun = time.monotonic()
        try:
            self._session.start(on_tick=_ticker(self._display))
        except BaseException:
            self._stop(grace=1.0)
            raise
        what = "Airflow and the local cloud are" if not self._session.aws else "Airflow is"
        if not self._session.with_airflow:
            what = "The local cloud is"
        self._display.say(f"{what} up after {clock(time.monotonic() - begun)}.")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            if isinstance(error, RestError) and error.status == 0:
                self._explain_silence()
        finally:
            ended = kind is None or issubclass(kind, Interrupted)
            if ended:
                self._display.show("Stopping everything ...", key="stopping")
            self._stop(grace=8.0 if ended else 3.0)

    def _explain_silence(self) -> None:
        """
        :raises CommandError: when the server did not answer because it just died.
        """
        supervisor = self._session.supervisor
        if supervisor is not None:
            supervisor.wait_until(lambda: supervisor.died is not None, timeout=5, what="An answer from Airflow")
            supervisor.check()

    def _stop(self, *, grace: float) -> None:
        # A second Ctrl-C must not interrupt the clearing up; it is bounded in time.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._session.stop(grace=grace)
        self._display.say("Everything is stopped.")


def _ticker(display: Display) -> Callable[[str], None]:
    begun = time.monotonic()

    def tick(stage: str) -> None:
        display.show(f"{stage} · {clock(time.monotonic() - begun)}", key=stage)

    return tick


def _stay(session: Session, display: Display) -> None:
    display.say()
    display.say(f"Airflow's UI: {session.ports.ui_url}   (Ctrl-C stops everything)")
    with contextlib.suppress(Interrupted):
        _wait(session)


def _wait(session: Session) -> None:
    if session.supervisor is not None:
        session.supervisor.wait_until(lambda: False, timeout=float("inf"), what="", every=1.0)


def _wants_exit(environment: Mapping[str, str]) -> bool:
    value = environment.get("EXIT") or environment.get("NARRATION_EXIT") or ""
    return value.strip().lower() not in ("", "0", "no", "false")


def _check_cloud(
    session: Session, environment: Mapping[str, str], parameters: Mapping[str, str], display: Display
) -> None:
    """Say which cloud is going to be used, since one of them costs money, and what of the shell is not used."""
    for name in _OF_ANOTHER_AIRFLOW:
        if name in environment:
            display.say(
                f"{name} is set but not used: this Airflow is of one machine and keeps a SQLite database of its"
            )
            display.say("own in .narration. docs/cluster.md says how one with PostgreSQL is started.")
    if session.aws:
        bucket = parameters.get("output_bucket") or environment.get("AIRFLOW__NARRATION__POLLY_BUCKET")
        if not bucket:
            raise CommandError(
                "NARRATION_CLOUD=aws, but no bucket is named for Polly to write to.",
                remedy="Set AIRFLOW__NARRATION__POLLY_BUCKET (or OUTPUT_BUCKET=...) to one of yours.",
            )
        own = "AIRFLOW_CONN_AWS_DEFAULT" in environment
        credentials = "AIRFLOW_CONN_AWS_DEFAULT" if own else "the credentials that boto3 finds"
        display.say(f"Using real AWS with {credentials}: speech costs money.")
        return
    for name in ("AIRFLOW_CONN_AWS_DEFAULT", "AIRFLOW__NARRATION__STORAGE", "AIRFLOW__NARRATION__POLLY_BUCKET"):
        if name in environment:
            display.say(f"{name} is set but not used: this talks to the local cloud. NARRATION_CLOUD=aws uses it.")
