"""
One attempt at one task, or one trigger: a process that does what Airflow would have it do, and may be killed.

What it is given and what it leaves is what Airflow keeps: the run, its parameters, XCom values, a deferral (class path,
arguments, method), the task's state. All of it passes as JSON. Nothing else outlives the process.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.crash.clock import live_in

if "CRASH_CLOCK" in os.environ:
    # Before anything is imported that may keep the real one.
    live_in(Path(os.environ["CRASH_CLOCK"]))

from tests.crash import points
from tests.crash.points import KillOrder, install, note_of, reach

POLL_SECONDS = 0.03
DAGS = ("narrate_polly", "narrate_azure_batch", "narrate_azure_long_audio")
_defaults: dict[str, dict[str, Any]] = {}
_IMPORTED_LATE = (
    *("aiobotocore.session", "anyio._backends._asyncio", "anyio.streams.tls", "av", "av.filter.loudnorm"),
    *("boto3.s3.inject", "encodings.cp437", "encodings.utf_8_sig", "httpx", "numpy"),
    *("airflow.providers.amazon.aws.fs.s3", "airflow.providers.amazon.aws.hooks.s3", "pysbd"),
    *("airflow.sdk.execution_time.cache", "airflow.sdk.execution_time.supervisor", "upath.implementations.local"),
)
_loaded: set[str] = set()
_save = os.replace


def preload() -> None:
    """Load Airflow, the library and what it needs, and read what AWS says of its services."""
    import functools
    import warnings

    import botocore.loaders
    import botocore.session
    from airflow.sdk import ObjectStoragePath

    warnings.simplefilter("ignore")
    # Most of a client's making is reading these descriptions.
    loader = botocore.loaders.create_loader()
    botocore.session.create_loader = functools.cache(lambda *_: loader)
    for name in (
        *(f"operators.{each}" for each in ("azure_cleanup", "azure_use", "collect", "purchasing", "road")),
        *(f"services.{each}" for each in ("azure_batch", "azure_long_audio", "polly", "registry")),
        *(f"audio.{each}" for each in ("assembly", "decoding", "measuring", "tags", "timeline")),
        *(f"hooks.{each}" for each in ("azure_results", "azure_speech", "azure_zip", "limits", "polly")),
        *(f"operators.{each}" for each in ("parameters_azure", "parameters_polly")),
        *("document.reading", "store", "synthesis.planning", "triggers.jobs"),
    ):
        importlib.import_module(f"narration.{name}")
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    # Looks through all providers for kinds of storage.
    ObjectStoragePath("file:///tmp").exists()
    session = botocore.session.get_session()
    for service in ("polly", "s3"):
        session.create_client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    for dag in DAGS:
        _defaults[dag] = _form(dag)
    _loaded.update(sys.modules)


def _form(dag: str) -> dict[str, Any]:
    """The parameters of a run for which nobody filled in the form."""
    from narration.operators.forms import form_of

    return {name: param.value for name, param in form_of(dag.removeprefix("narrate_")).items()}


def main(order: dict[str, Any]) -> None:
    """Do one step. The outcome is in a file when the process has ended, unless it was killed."""
    folder = Path(order["folder"])
    os.environ.update(order["environment"])
    logging.basicConfig(filename=folder / "log", level=logging.INFO, force=True)
    note = str(note_of(folder))
    install([KillOrder(**each, note=note) for each in order["kill"]])
    reach("begun")
    outcome = _outcome(order)
    reach({"deferred": "deferred", "event": "fired"}.get(outcome["kind"], "returned"))
    outcome["points"] = points.counted()
    outcome["imported"] = sorted(set(sys.modules) - _loaded)
    partial = folder / "outcome.part"
    partial.write_text(json.dumps(outcome))
    _save(partial, folder / "outcome")


def _outcome(order: dict[str, Any]) -> dict[str, Any]:
    from airflow.sdk.exceptions import TaskDeferred

    from narration.errors import PermanentNarrationError

    if order["step"] == "trigger":
        return {"kind": "event", "event": _event(order["trigger"])}
    ti = _TaskInstance(order.get("xcoms") or {})
    context = {
        "run_id": order["run_id"],
        "dag_run": SimpleNamespace(start_date=datetime.fromtimestamp(order["started"], UTC), run_after=None),
        "params": {**_defaults.get(order["dag"], {}), **order["params"]},
        "task_state_store": _StateStore(Path(order["state"])),
        "ti": ti,
    }
    try:
        value = STEPS[order["step"]](order, context)
    except TaskDeferred as deferred:
        path, kwargs = deferred.trigger.serialize()
        return {
            "kind": "deferred",
            "trigger": {"path": path, "kwargs": kwargs},
            "method": deferred.method_name,
            "kwargs": deferred.kwargs or {},
        }
    except Exception as error:
        logging.getLogger(__name__).exception("The attempt failed.")
        return {
            "kind": "failed",
            "error": f"{type(error).__module__}.{type(error).__qualname__}",
            "message": str(error),
            "permanent": isinstance(error, PermanentNarrationError) or not _is_ours(error),
        }
    return {"kind": "returned", "value": value, "xcoms": ti.xcoms}


def _is_ours(error: Exception) -> bool:
    """Whether somebody thought of it; a bug is not tried again until it passes."""
    from narration.errors import NarrationError

    return isinstance(error, NarrationError)


class _TaskInstance:
    dag_id, run_id, task_id, map_index = "books", "manual", "task", -1

    def __init__(self, others: dict[str, dict[str, Any]]) -> None:
        self.xcoms: dict[str, Any] = {}
        self._others = others

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: str, key: str = "return_value", **_: Any) -> Any:
        return self._others.get(task_ids, {}).get(key)


class _StateStore:
    """The task's own state: what is set is kept at once, whatever becomes of the attempt."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _read(self) -> dict[str, Any]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def get(self, key: str, default: Any = None) -> Any:
        return self._read().get(key, default)

    def set(self, key: str, value: Any, **_: Any) -> None:
        partial = self._path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({**self._read(), key: value}))
        _save(partial, self._path)

    def delete(self, key: str) -> None:
        left = {name: value for name, value in self._read().items() if name != key}
        self._path.write_text(json.dumps(left))


# -- what a step is --------------------------------------------------------------------------------------------------


def _event(trigger: dict[str, Any]) -> dict[str, Any]:
    module, _, name = trigger["path"].rpartition(".")

    async def first() -> dict[str, Any]:
        async for event in getattr(importlib.import_module(module), name)(**trigger["kwargs"]).run():
            return event.payload
        raise AssertionError(f"{trigger['path']} ended without an event")

    return asyncio.run(first())


def _read(order: dict[str, Any], context: Any) -> Any:
    from narration.operators.read import ReadDocumentOperator

    return ReadDocumentOperator(task_id="read", service=order["service"]).execute(context)


def _plan(order: dict[str, Any], context: Any) -> Any:
    from narration.operators.plan import PlanNarrationOperator

    operator = PlanNarrationOperator(task_id="plan", service=order["service"], document=order["document"])
    return operator.execute(context)


def _synthesizer(order: dict[str, Any]) -> Any:
    from narration.operators.synthesize import SynthesizeOrderOperator

    operator = SynthesizeOrderOperator(task_id="synthesize", order=order["order"])
    # Below what the operator accepts: Airflow's trouble with short deferrals is not what is looked into here.
    operator.poll_interval = POLL_SECONDS
    return operator


def _synthesize(order: dict[str, Any], context: Any) -> Any:
    return _synthesizer(order).execute(context)


def _resume(order: dict[str, Any], context: Any) -> Any:
    deferral = order["deferral"]
    return getattr(_synthesizer(order), deferral["method"])(context, order["event"], **deferral["kwargs"])


def _assemble(order: dict[str, Any], context: Any) -> Any:
    from narration.operators.assemble import AssembleNarrationOperator

    return AssembleNarrationOperator(task_id="assemble", service=order["service"], plan=order["plan"]).execute(context)


def _publish(order: dict[str, Any], context: Any) -> Any:
    from narration.operators.publish import PublishNarrationOperator

    operator = PublishNarrationOperator(
        task_id="publish", service=order["service"], assembled=order["assembled"], orders_task_id="synthesize"
    )
    return operator.execute(context)


def _cleanup(order: dict[str, Any], context: Any) -> Any:
    from narration.operators.azure_cleanup import ALL_APIS, AzureSynthesisCleanupOperator

    operator = AzureSynthesisCleanupOperator(
        task_id="cleanup",
        targets=dict.fromkeys(ALL_APIS, 0),
        storages=[order["storage"]],
        min_age=0,
    )
    return operator.execute(context)


STEPS = {
    "read": _read,
    "plan": _plan,
    "synthesize": _synthesize,
    "resume": _resume,
    "assemble": _assemble,
    "publish": _publish,
    "cleanup": _cleanup,
}
