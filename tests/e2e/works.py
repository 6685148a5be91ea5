"""Narrations that are under way during a test: documents, and backfills of documents that overlap."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.books import characters, listen, write_book
from tests.e2e.moments import patiently

OVER = ("success", "failed")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """
    A way to have a document narrated.

    :param service: as the bill names it.
    :param conf: what its run is started with, besides the document.
    :param stall: the fault of the local cloud that has one job take its time.
    """

    service: str
    dag_id: str
    conf: dict[str, Any] = field(default_factory=dict)
    stall: dict[str, Any]


KINDS = (
    Kind(service="polly", dag_id="narrate_polly", stall={"kind": "object_late"}),
    Kind(
        service="azure_batch",
        dag_id="narrate_azure_batch",
        conf={"api_version": "2024-04-01"},
        stall={"kind": "stuck_not_started"},
    ),
    Kind(
        service="azure_batch_preview",
        dag_id="narrate_azure_batch",
        conf={"api_version": "3.1-preview1"},
        stall={"kind": "stuck_not_started"},
    ),
    Kind(service="azure_long_audio", dag_id="narrate_azure_long_audio", stall={"kind": "stuck_not_started"}),
)
BACKFILLED = tuple(
    Kind(service=kind.service, dag_id=f"narrate_by_day_{kind.service}", stall=kind.stall) for kind in KINDS[:2]
)


@dataclass(kw_only=True)
class Work:
    """
    One or several runs that narrate the same document, or documents that overlap.

    :param runs: what each run is to narrate: its paragraphs, in order.
    """

    name: str
    kind: Kind
    conf: dict[str, Any]
    runs: dict[str, list[str]] = field(default_factory=dict)
    finished: bool = False
    clears: int = 0

    @property
    def texts(self) -> list[str]:
        """All different paragraphs: what is to be paid for."""
        return list(dict.fromkeys(text for texts in self.runs.values() for text in texts))

    @property
    def characters(self) -> int:
        return characters(self.texts)

    def instances(self, airflow: Any) -> dict[str, list[dict[str, Any]]]:
        """The task instances of each run."""
        return {
            run_id: patiently(lambda run_id=run_id: airflow.task_instances(self.kind.dag_id, run_id))
            for run_id in self.runs
        }

    def states(self, airflow: Any) -> dict[str, str]:
        """The state of each run."""
        return {
            run_id: patiently(lambda run_id=run_id: airflow.api.run(self.kind.dag_id, run_id))["state"]
            for run_id in self.runs
        }

    def verify(self, airflow: Any) -> None:
        """Listen to what each run has published: its document's paragraphs, all of them, in order."""
        heard: set[str] = set()
        for run_id, texts in self.runs.items():
            result = airflow.xcom(self.kind.dag_id, run_id, "publish")
            assert result is not None, f"{self.name}: {run_id} published nothing"
            if result["narration_uri"] not in heard:
                manifest = listen(airflow.store, result)
                spoken = [paragraph["text"] for paragraph in manifest["paragraphs"]]
                assert spoken == texts, f"{self.name}: what is heard is not what is written"
                own = characters(list(dict.fromkeys(texts)))
                assert manifest["billed_characters"] == result["billed_characters"] == own
            heard.add(result["narration_uri"])


class Desk:
    """
    Writes documents of its own and has them narrated.

    :param folder: where the documents lie.
    :param dice: the only source of chance.
    """

    def __init__(self, *, airflow: Any, folder: Path, dice: random.Random) -> None:
        self._airflow = airflow
        self._folder = folder
        self._dice = dice
        # No two tests of a session write the same book.
        self._number = dice.randrange(10**6, 10**9)
        self._day = date(2026, 1, 1)

    def _stall(self, kind: Kind) -> None:
        """Have a job take longer than the others, so that somebody waits."""
        body = {"service": kind.service, "count": 1, "seconds": self._dice.randint(4, 12), **kind.stall}
        patiently(lambda: self._airflow.session.cloud.request("POST", "/_local/faults", body=body))

    def narrate(self, kind: Kind, *, runs: int = 1) -> Work:
        """Start so many runs of a new document at the same moment."""
        self._number += 1
        path = self._folder / f"book-{self._number}.txt"
        texts = write_book(path, seed=self._number, chapters=2, paragraphs=self._dice.randint(10, 20))
        conf = {**kind.conf, "document": str(path), "paragraphs_per_order": self._dice.randint(8, 25)}
        if self._dice.random() < 0.7:
            self._stall(kind)
        work = Work(name=f"{kind.service}, {path.stem}", kind=kind, conf=conf)
        for _ in range(runs):
            self.again(work, texts)
        return work

    def again(self, work: Work, texts: list[str] | None = None) -> None:
        """Start another run of the same document."""
        run_id = self._airflow.trigger(work.kind.dag_id, work.conf)
        work.runs[run_id] = work.texts if texts is None else texts

    def backfill(self, kind: Kind, *, days: int = 3) -> Work:
        """Start a backfill over so many days; the document of each holds that of the day before."""
        self._number += 1
        self._stall(kind)
        begin = self._day
        self._day += timedelta(days=days)
        folder = self._folder / f"journal-{self._number}"
        folder.mkdir()
        journal: dict[str, list[str]] = {}
        for number in range(days):
            chapters = [
                write_book(folder / "chapter", seed=self._number * 100 + earlier, chapters=1, paragraphs=12)
                for earlier in range(number + 1)
            ]
            day = str(begin + timedelta(days=number))
            journal[day] = [text for chapter in chapters for text in chapter]
            (folder / f"{day}.txt").write_text("\n\n".join(journal[day]), encoding="utf-8")
        conf = {"document": f"{folder}/{{{{ ds }}}}.txt", "paragraphs_per_order": self._dice.randint(8, 25)}
        self._airflow.backfill(kind.dag_id, first=min(journal), last=max(journal), conf=conf, at_once=2)
        runs = patiently(lambda: self._airflow.api.runs(kind.dag_id))
        by_day = {str(run["logical_date"])[:10]: run["dag_run_id"] for run in runs}
        return Work(
            name=f"backfill of {kind.service}, {folder.name}",
            kind=kind,
            conf=conf,
            runs={by_day[day]: texts for day, texts in journal.items()},
        )
