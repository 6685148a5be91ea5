"""Keep what is stored at Azure Speech below its limits: delete finished jobs that are of no more use, oldest first."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration import metrics
from narration.errors import NarrationError, PermanentNarrationError
from narration.hooks.aws_connection import failing_at_once
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_connection import AzureSpeechConnectionMixin
from narration.hooks.azure_errors import (
    AzureFault,
    AzureJobNotFoundError,
    AzureSpeechArgumentError,
    AzureSpeechAuthError,
    AzureSpeechError,
    AzureSpeechRefusedError,
)
from narration.operators.azure_request import truth
from narration.operators.azure_tally import Tally
from narration.synthesis.azure_retention import Kept, RetentionPolicy, StoredJob, kept_at_sight, oldest_first
from narration.threads import Threads

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.operators.azure_use import StoreUse

DEFAULT_TARGETS: Mapping[str, int] = {
    # The service deletes none of these by itself and refuses the 20,001st.
    SynthesisApi.LONG_AUDIO: 15_000,
    # No limit is documented, and the service deletes these when their time to live is over. But whoever looks for a
    # job by its name goes through the list, and ten pages are a tenth or a fifth of what one window takes.
    SynthesisApi.BATCH: 1_000,
    SynthesisApi.BATCH_PREVIEW: 1_000,
}
"""How many jobs may stay, in any state."""

ALL_APIS = tuple(api.value for api in SynthesisApi)

DELETING_AT_ONCE = 8
"""Deletions under way at once: enough for the rate of any of the APIs while an answer takes less than 0.8 s."""

_LOOKED_AT_ONCE = 200
_SHOW_PROGRESS_EVERY = 5.0
_FAILURES_IN_A_ROW = 10


class AzureSynthesisCleanupOperator(AzureSpeechConnectionMixin, BaseOperator):
    """
    Delete finished jobs at Azure Speech that are of no more use, oldest first, down to a target for each API.

    Deleting a job deletes its audio. So a job of this project (``narration-<job key>`` is its id or display name)
    goes only when the store that its order belongs to holds every clip of it, or knows that this job did not give it;
    :mod:`narration.synthesis.azure_retention` has the rule in full. Jobs that wait or run, that finished just now, or
    that are not this project's stay.

    Each list is read to its end before anything is deleted, because the service leaves entries out of the pages that
    follow a deletion. Deletions run side by side in one worker slot and take their turns from the hook's limit, which
    they share with everybody else who uses the resource. A task that was killed is simply run again.

    An API that refuses the resource (its region does not have it) is left out with a warning, as long as another one
    answers. Trouble with one API does not keep the others from being cleaned; the task fails after that.

    Returns, for each API, ``{"stored", "target", "deleted", "gone", "would_delete", "remaining", "kept": {reason: n},
    "refused": {reason: n}}``: ``gone`` were deleted by somebody else meanwhile, ``would_delete`` is a dry run's. An
    API that was left out has ``{"unavailable": why}``.

    .. seealso::
        "Remove previous requests" on the service's page on the Long Audio API (20,000 kept, only finished ones can be
        removed), and the schema of the list in the specification of v3.0 (collect ids before deleting).

    :param apis: Which APIs: a list of :class:`~narration.hooks.azure_api.SynthesisApi`, or their names with commas
        between them (templated; default: all three).
    :param targets: How many jobs may stay, by API (templated; default: :data:`DEFAULT_TARGETS`). 0 deletes all that
        is of no more use.
    :param storages: The stores that this project's clips are in: a list of URIs or paths, or one a line (templated).
        A job whose order none of them knows stays.
    :param storage_conn_id: Connection for stores at S3 that name none (templated).
    :param min_age: Seconds (or a timedelta) that a job stays after its end (templated).
    :param delete_uncollected: Also delete this project's jobs whose clips are not in a store. They were paid for, and
        are bought again when they are next needed (templated).
    :param delete_foreign: Also delete jobs that are not this project's (templated).
    :param is_dry_run: Say what would be deleted, and delete nothing (templated).
    :param azure_speech_conn_id: Airflow connection of the resource (templated).
    :param region: Such as ``eastus`` (templated; default: the connection's).
    """

    template_fields: Sequence[str] = (
        "apis",
        "azure_speech_conn_id",
        "delete_foreign",
        "delete_uncollected",
        "is_dry_run",
        "min_age",
        "region",
        "storage_conn_id",
        "storages",
        "targets",
    )
    ui_color = "#f5e3e0"

    def __init__(
        self,
        *,
        apis: Sequence[str] | str = ALL_APIS,
        targets: Mapping[str, int | str] | None = None,
        storages: Sequence[str] | str = (),
        storage_conn_id: str | None = None,
        min_age: float | str | timedelta = timedelta(hours=1),
        delete_uncollected: bool | str = False,
        delete_foreign: bool | str = False,
        is_dry_run: bool | str = False,
        azure_speech_conn_id: str = "azure_speech_default",
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.apis = apis
        self.targets = targets
        self.storages = storages
        self.storage_conn_id = storage_conn_id
        self.min_age = min_age.total_seconds() if isinstance(min_age, timedelta) else min_age
        self.delete_uncollected = delete_uncollected
        self.delete_foreign = delete_foreign
        self.is_dry_run = is_dry_run
        self.azure_speech_conn_id = azure_speech_conn_id
        self.region = region

    @failing_at_once()
    def execute(self, context: Context) -> dict[str, Any]:
        tallies = [Tally(api=api, policy=policy, is_dry_run=self._dry) for api, policy in self._policies().items()]
        uses = self._uses()
        unavailable: list[AzureFault] = []
        trouble: list[NarrationError] = []
        for tally in tallies:
            self._show_progress(context, tallies)
            try:
                tally.listed(self._list(tally.api))
            except (AzureSpeechAuthError, AzureSpeechRefusedError, AzureJobNotFoundError) as error:
                self.log.warning("%s is left out: %s", tally.api, error)
                tally.unavailable = str(error)
                unavailable.append(error)
                continue
            except NarrationError as error:
                tally.failed(error, log=self.log)
                trouble.append(error)
                continue
            try:
                self._clean(tally, uses=uses, context=context, tallies=tallies)
            except NarrationError as error:
                tally.failed(error, log=self.log)
                trouble.append(error)
            tally.report(self.log)
        for tally in tallies:
            if tally.headroom is not None:
                metrics.retention_headroom(api=tally.api.value, jobs=tally.headroom)
        self._show_progress(context, tallies)
        if len(unavailable) == len(tallies):
            raise unavailable[0]
        if trouble:
            # Another attempt is made if it may put any of this right; what it cannot mend fails the task after that.
            raise min(trouble, key=lambda error: isinstance(error, PermanentNarrationError))
        return {tally.api.value: tally.to_dict() for tally in tallies}

    def on_kill(self) -> None:
        self.log.warning("The cleaning was stopped. Nothing is lost: the next attempt lists what is left.")

    # -- what there is -------------------------------------------------------------------------------------------

    def _list(self, api: SynthesisApi) -> list[StoredJob]:
        """Read the whole list, and keep of each job only what matters here."""
        from narration.services.azure_common import stored_job

        return oldest_first(stored_job(job) for job in self.hook.list_jobs(api=api))

    def _uses(self) -> list[StoreUse]:
        from narration.operators.azure_use import StoreUse
        from narration.store import Store

        locations = self.storages.splitlines() if isinstance(self.storages, str) else self.storages
        given = [location.strip() for location in locations if location.strip()]
        if not given:
            self.log.warning("No storage is given, so no job of this project is known to be of no more use.")
        return [StoreUse(Store(location=each, conn_id=self.storage_conn_id or None)) for each in given]

    def _judged(
        self, jobs: Sequence[StoredJob], *, policy: RetentionPolicy, uses: Sequence[StoreUse]
    ) -> Generator[tuple[StoredJob, Kept | None]]:
        """Say of each job why it is kept, if it is. The stores are asked some way ahead of the deletions."""
        from narration.operators.azure_use import why_kept

        now = time.time()

        def judge(some: Sequence[StoredJob]) -> list[tuple[StoredJob, Kept | None]]:
            kept = {job.job_id: kept_at_sight(job, policy=policy, now=now) for job in some}
            asked = [job for job in some if kept[job.job_id] is None and job.order_id]
            if not policy.delete_uncollected:
                kept.update(zip((job.job_id for job in asked), why_kept(asked, uses=uses), strict=True))
            return [(job, kept[job.job_id]) for job in some]

        some = [jobs[start : start + _LOOKED_AT_ONCE] for start in range(0, len(jobs), _LOOKED_AT_ONCE)]
        with Threads(1) as ahead:
            following = [ahead.submit(judge, each) for each in some[:1]]
            for number in range(len(some)):
                judged = following.pop().result()
                following.extend(ahead.submit(judge, each) for each in some[number + 1 : number + 2])
                yield from judged

    # -- deleting ------------------------------------------------------------------------------------------------

    def _clean(self, tally: Tally, *, uses: Sequence[StoreUse], context: Context, tallies: Sequence[Tally]) -> None:
        under_way: dict[Future[bool], StoredJob] = {}
        shown = time.monotonic()
        judged = self._judged(tally.jobs, policy=tally.policy, uses=uses)
        deletable = self._deletable(judged, tally)
        with closing(judged), Threads(DELETING_AT_ONCE) as pool:
            try:
                while tally.excess > 0:
                    # No more are under way than have to go: the service may refuse one, and then another goes.
                    room = min(DELETING_AT_ONCE, tally.excess) - len(under_way)
                    for job in islice(deletable, room):
                        under_way[pool.submit(self._delete, tally, job)] = job
                    if not under_way:
                        break
                    for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                        self._count(tally, under_way.pop(done), done)
                    if time.monotonic() - shown >= _SHOW_PROGRESS_EVERY:
                        shown = time.monotonic()
                        self._show_progress(context, tallies)
            finally:
                for waiting in under_way:
                    waiting.cancel()

    @staticmethod
    def _deletable(judged: Iterator[tuple[StoredJob, Kept | None]], tally: Tally) -> Iterator[StoredJob]:
        """Give the next job that may be deleted; those before it are counted as kept."""
        for job, kept in judged:
            if kept is None:
                yield job
            else:
                tally.kept(job, kept)

    def _delete(self, tally: Tally, job: StoredJob) -> bool:
        return True if tally.is_dry_run else self.hook.delete_job(api=tally.api, job_id=job.job_id)

    def _count(self, tally: Tally, job: StoredJob, done: Future[bool]) -> None:
        """
        Count what came of one deletion.

        :raises AzureSpeechAuthError: the resource does not let this connection delete anything.
        :raises AzureSpeechError: the service has failed many deletions, one after the other.
        """
        try:
            tally.deleted(job, was_there=done.result())
        except AzureSpeechAuthError:
            raise
        except AzureFault as error:
            tally.refused(job, error)
            if isinstance(error, AzureSpeechError) and tally.refused_in_a_row >= _FAILURES_IN_A_ROW:
                raise

    def _show_progress(self, context: Context, tallies: Sequence[Tally]) -> None:
        """Show how far the cleaning is in the task's own state, which the UI and the REST API can read."""
        state = context.get("task_state_store")
        if state is not None:
            state.set("progress", {tally.api.value: tally.progress() for tally in tallies})

    # -- arguments -----------------------------------------------------------------------------------------------

    @property
    def _dry(self) -> bool:
        return truth(self.is_dry_run, name="is_dry_run")

    def _policies(self) -> dict[SynthesisApi, RetentionPolicy]:
        given = self.apis.split(",") if isinstance(self.apis, str) else self.apis
        apis = [_api(name.strip()) for name in given if name.strip()]
        if not apis:
            raise AzureSpeechArgumentError(f"No API is given in 'apis'; choose among {', '.join(SynthesisApi)}.")
        targets: dict[str, Any] = {
            **DEFAULT_TARGETS,
            **{_api(name): value for name, value in (self.targets or {}).items()},
        }
        return {
            api: RetentionPolicy(
                target=int(_number(targets[api], name=f"targets[{api.value!r}]")),
                min_age=_number(self.min_age, name="min_age"),
                delete_uncollected=truth(self.delete_uncollected, name="delete_uncollected"),
                delete_foreign=truth(self.delete_foreign, name="delete_foreign"),
            )
            for api in dict.fromkeys(apis)
        }


def _api(name: str) -> SynthesisApi:
    try:
        return SynthesisApi(name)
    except ValueError:
        raise AzureSpeechArgumentError(f"There is no API {name!r}; there are {', '.join(SynthesisApi)}.") from None


def _number(value: float | str, *, name: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise AzureSpeechArgumentError(f"{name} is {value!r}; it must be a number, 0 or more.")
    return number
