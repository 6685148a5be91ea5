"""The form of ``narrate_nightly``, and what it says in types that its tasks work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

from airflow.sdk import Param

from narration.inbox.errors import InboxError
from narration.inbox.layout import DEFAULT_FOLDERS, Interval, Layout
from narration.operators.form import storage_conn_id_param, storage_param
from narration.operators.parameters import configured

DEFAULT_PROFILE = "service: polly\nvoice: Joanna\nengine: neural\n"
LAYOUTS: tuple[Layout, ...] = ("modified", "date")
MOST_LATE_DAYS = 366
_DAY = timedelta(days=1)


def nightly_params() -> dict[str, Param]:
    """Give everything that a person may set for a run over an inbox."""
    layout = configured("inbox_layout", "modified")
    return {
        "inbox": Param(
            configured("inbox"),
            type="string",
            maxLength=2000,
            title="Inbox",
            description="Folder or URI that documents arrive in: a path that every worker sees, "
            "s3://bucket/prefix or abfs://container/prefix. AIRFLOW__NARRATION__INBOX sets the default.",
        ),
        "layout": Param(
            layout if layout in LAYOUTS else "modified",
            type="string",
            enum=list(LAYOUTS),
            values_display={
                "modified": "By time of modification",
                "date": "A folder for each day or hour",
            },
            title="How it is laid out",
            description="What decides which run a document belongs to: when it was last modified, or the dated folder "
            "that it lies in.",
        ),
        "folders": Param(
            configured("inbox_folders", DEFAULT_FOLDERS),
            type="string",
            maxLength=200,
            title="Names of dated folders",
            description="%Y-%m-%d for folders such as 2026-11-28, %Y/%m/%d/%H for one in another and one an "
            "hour. Only for dated folders.",
        ),
        "late_days": Param(
            7,
            type="integer",
            minimum=0,
            maximum=MOST_LATE_DAYS,
            title="Late arrivals (days)",
            description="Also narrate what came into the so many days before, after the runs of those days had looked. "
            "0: never.",
        ),
        "profile": Param(
            configured("inbox_profile") or DEFAULT_PROFILE,
            type="string",
            format="multiline",
            maxLength=20_000,
            title="Profile",
            description="How documents are narrated that have no profile of their own: a document emma.txt has it "
            "in emma.yaml, a folder and the inbox in profile.yaml. Each line is a name, a colon and a value; the names "
            "are those of the narrate_* forms: service, voice, outputs, budget and so on.",
        ),
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Since",
            description="Narrate what arrived from this moment on, instead of what arrived in the run's own interval.",
            section="This run",
        ),
        "until": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Until",
            description="The end of that time, not included. Empty, with Since: until now.",
            section="This run",
        ),
        "again": Param(
            False,
            type="boolean",
            title="Also those narrated already",
            description="Look at documents again that were narrated and did not change. It buys nothing that lies in "
            "the storage.",
            section="This run",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Read, plan and price the documents, and buy nothing.",
            section="This run",
        ),
        **storage_param(),
        **storage_conn_id_param(of="the inbox and the storage", more=" Who pays is in the profile."),
    }


@dataclass(frozen=True, kw_only=True)
class NightlyParameters:
    """
    What a person asked of a run over an inbox.

    :param since: where the time begins that is asked about instead of the run's data interval.
    :param profile: YAML, for documents without a profile of their own.
    """

    inbox: str
    layout: Layout
    folders: str
    late_days: int
    profile: str
    since: datetime | None
    until: datetime | None
    again: bool
    dry_run: bool
    storage: str
    storage_conn_id: str | None

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        """
        Read the fields of the form.

        :raises InboxError: if no inbox is set, or it names nothing, or a moment is none.
        """
        inbox = str(params["inbox"] or "").strip()
        if not inbox:
            raise InboxError(
                "No inbox is set. Give the parameter 'inbox' a folder or a URI such as s3://bucket/inbox, or set "
                "AIRFLOW__NARRATION__INBOX."
            )
        if not inbox.rpartition("://")[2].rpartition("@")[2].strip("/"):
            raise InboxError(
                f"The inbox {inbox} names no folder or bucket. Give the parameter 'inbox' one, such as /data/inbox or "
                "s3://bucket/inbox."
            )
        since, until = (_moment(params[name], name=name) for name in ("since", "until"))
        if until is not None and since is None:
            raise InboxError("The parameter 'until' needs 'since': from when on are documents to be narrated?")
        return cls(
            inbox=inbox,
            layout=params["layout"],
            folders=params["folders"],
            late_days=int(params["late_days"]),
            profile=params["profile"] or "",
            since=since,
            until=until,
            again=bool(params["again"]),
            dry_run=bool(params["dry_run"]),
            storage=params["storage"] or configured("storage"),
            storage_conn_id=params["storage_conn_id"] or None,
        )

    def interval(self, *, start: datetime | None, end: datetime | None, now: datetime) -> Interval:
        """
        Say which time this run is about.

        :param start: of the run's data interval; ``None`` if it has none, as a run that was started without a logical
            date: it is about the day before.
        :raises InboxError: if the time ends before it begins.
        """
        if self.since is not None:
            start, end = self.since, self.until or now
        elif start is None or end is None:
            start, end = now - _DAY, now
        if end < start:
            raise InboxError(f"The time from {start} to {end} ends before it begins. Check 'since' and 'until'.")
        return Interval(start=start, end=end)


def _moment(value: Any, *, name: str) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InboxError(
            f"The parameter {name!r} is {value!r}, which is no moment. Write 2026-11-28T06:00Z."
        ) from error
    if moment.tzinfo is None:
        raise InboxError(f"The parameter {name!r} is {value!r}, without a time zone. Write 2026-11-28T06:00Z.")
    return moment


def timezone_of(name: str) -> tzinfo:
    """
    Find the time zone whose days and hours dated folders are named by.

    :raises InboxError: if there is none of that name.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InboxError(
            f"There is no time zone {name!r}. Set AIRFLOW__NARRATION__NIGHTLY_TIMEZONE to a name such as Europe/Berlin."
        ) from error
