"""A book that is edited, what an edit of it may cost, and somebody who narrates it again and again."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.io import store as object_storage

from tests.azure_road import AzureBench, AzureRoad
from tests.conftest import CloudHandle
from tests.road import Bench, Road, generous

SERVICES = ("polly", "azure_batch", "azure_batch_preview", "azure_long_audio")


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A heading, and paragraphs without line ends."""

    heading: str
    paragraphs: tuple[str, ...]

    def replaced(self, number: int, *texts: str) -> Chapter:
        """Put other paragraphs, or none, in the place of one."""
        return replace(self, paragraphs=(*self.paragraphs[:number], *texts, *self.paragraphs[number + 1 :]))


@dataclass(frozen=True, kw_only=True)
class Book:
    """
    A book, as its manuscript is written.

    :param width: characters of a line.
    :param is_ssml: chapters are then marked, and their headings are not spoken.
    """

    chapters: tuple[Chapter, ...]
    width: int = 78
    is_ssml: bool = False

    @property
    def texts(self) -> list[str]:
        """What is spoken, in its order."""
        if self.is_ssml:
            return [text for chapter in self.chapters for text in chapter.paragraphs]
        return [text for chapter in self.chapters for text in (chapter.heading, *chapter.paragraphs)]

    def replaced(self, number: int, *chapters: Chapter) -> Book:
        """Put other chapters, or none, in the place of one."""
        return replace(self, chapters=(*self.chapters[:number], *chapters, *self.chapters[number + 1 :]))

    def write(self, path: Path) -> None:
        """Write the manuscript."""
        if not self.is_ssml:
            path.write_text("\n\n".join(textwrap.fill(text, self.width) for text in self.texts) + "\n")
            return
        lines = ["<speak>"]
        for each in self.chapters:
            lines.append(f'<mark name="chapter:{each.heading}"/>')
            lines.extend(f"<p>\n{textwrap.fill(text, self.width)}\n</p>" for text in each.paragraphs)
        path.write_text("\n".join([*lines, "</speak>", ""]))


def chapter(word: str, number: int, *, paragraphs: int) -> Chapter:
    return Chapter(
        heading=f"Chapter {number}: The {word}",
        paragraphs=tuple(
            f"The {word}, chapter {number}, part {part}: it goes on." for part in range(1, paragraphs + 1)
        ),
    )


def book(word: str, *, chapters: int = 3, paragraphs: int = 3, is_ssml: bool = False) -> Book:
    """A book of short paragraphs that no other test has."""
    return Book(
        chapters=tuple(chapter(word, number, paragraphs=paragraphs) for number in range(1, chapters + 1)),
        is_ssml=is_ssml,
    )


@dataclass(frozen=True, kw_only=True)
class Edition:
    """
    A narration as it was published.

    :param texts: of its paragraphs, as they are heard.
    :param chapters: their titles.
    :param planned: characters that the plan wanted to buy.
    :param result: what the run gave.
    """

    texts: list[str]
    chapters: list[str]
    planned: int
    result: dict[str, Any]


class Publisher:
    """
    Narrates manuscripts, and keeps the bills of all services together.

    :param road: through one of them.
    """

    def __init__(self, road: Road) -> None:
        self.road = road
        self.bench = road.bench
        self._runs = 0
        self._paid = self._bill()

    @property
    def word(self) -> str:
        return self.bench.word

    @property
    def service(self) -> str:
        return self.bench.service if isinstance(self.bench, AzureBench) else "polly"

    def cost(self, texts: set[str], *, is_ssml: bool = False) -> int:
        """Billable characters of ASCII paragraphs, by the vendors' words: Azure counts the tags, Polly does not."""
        around = len("<p></p>") if is_ssml and self.service != "polly" else 0
        return sum(len(text) + around for text in texts)

    def paid(self) -> dict[str, int]:
        """Characters that were billed since this was last asked, by service; no entry for nothing."""
        now = self._bill()
        before, self._paid = self._paid, now
        return {name: now[name] - before[name] for name in SERVICES if now[name] != before[name]}

    def narrate(self, manuscript: Book, **change: Any) -> Edition:
        """Publish a manuscript in a run of its own."""
        run = self._begin(manuscript)
        result = self.road.narrate(run, **change)
        name = result["narration_uri"].rsplit("/", 1)[1]
        manifest = self.bench.store.read_json("narrations", name, "manifest.json")
        return Edition(
            texts=[each["text"] for each in manifest["paragraphs"]],
            chapters=[each["title"] for each in manifest["chapters"]],
            planned=run.ti.xcoms["summary"]["characters_to_buy"],
            result=result,
        )

    def buy(self, manuscript: Book, **change: Any) -> int:
        """Do of a run what costs money; gives the characters that its plan wanted to buy."""
        run = self._begin(manuscript)
        self.road.buy(run, **change)
        return run.ti.xcoms["summary"]["characters_to_buy"]

    def _begin(self, manuscript: Book) -> Any:
        manuscript.write(self.road.document)
        self._runs += 1
        return self.bench.run(f"run-{self._runs}")

    def _bill(self) -> dict[str, int]:
        bill = self.bench.cloud._call("GET", "bill")
        return {name: bill.get(name, {}).get("characters", 0) for name in SERVICES}


@contextmanager
def published(cloud: CloudHandle, folder: Path, service: str) -> Iterator[Publisher]:
    """A publisher with an empty store, who narrates through one of the services."""
    object_storage._STORE_CACHE.clear()
    cloud.clear_faults()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", generous(cloud))
        if service == "polly":
            yield Publisher(Road(Bench(cloud=cloud, folder=folder)))
        else:
            bench = AzureBench(cloud=cloud, folder=folder, service=service)
            bench.connect(patch)
            yield Publisher(AzureRoad(bench))


@pytest.fixture
def publisher(request, tone_cloud, tmp_path) -> Iterator[Publisher]:
    with published(tone_cloud, tmp_path, request.param) as publisher:
        yield publisher


through_each = pytest.mark.parametrize("publisher", SERVICES, indirect=True)
through_azure = pytest.mark.parametrize("publisher", [name for name in SERVICES if name != "polly"], indirect=True)
