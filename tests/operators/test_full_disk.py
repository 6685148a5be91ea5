"""A worker whose disk is full, or a store that is: the task says what to do, nothing is lost and nothing paid twice."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from narration.errors import NarrationError, PermanentNarrationError
from narration.hooks.limits import shared_limiter
from tests.azure_road import AzureBench
from tests.road import Bench

_PAGE = 4096


class SmallDisk:
    """
    A file system of its own that holds next to nothing.

    :param folder: where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """
        Write until there is no room left.

        :param leave: bytes that are left.
        """
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * _PAGE)
            except OSError:
                file.truncate(max(0, file.tell() - leave))

    def make_room(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., SmallDisk]]:
    """Mounts one. Only root may, as in CI; it is the only way to have a disk that is really full."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = []

    def mount(folder: Path, *, bytes: int) -> SmallDisk:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={bytes}", "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return SmallDisk(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def temporary(small_disk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """The worker's temporary folder on a disk of 16 MB."""
    disk = small_disk(tmp_path / "worker", bytes=2**24)
    monkeypatch.setenv("TMPDIR", str(disk.folder))
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    # What counts calls keeps its file, and so does whoever comes after this test.
    shared_limiter.cache_clear()
    yield disk
    shared_limiter.cache_clear()


@pytest.fixture
def store_disk(small_disk: Any, bench: Bench) -> SmallDisk:
    """The store on a disk of 16 MB."""
    return small_disk(bench.folder / "store", bytes=2**24)


def refused(act: Callable[[], Any]) -> NarrationError:
    """What an attempt fails with: something that another attempt may put right."""
    with pytest.raises(NarrationError) as caught:
        act()
    assert not isinstance(caught.value, PermanentNarrationError)
    return caught.value


def bought(road: Any, run: Any, bench: Bench, *, paragraphs: int = 4) -> None:
    road.write(*(bench.text(number) for number in range(paragraphs)), chapters=2)
    for order in road.plan(run):
        bench.see_through(order, run)


class TestTheTemporaryFolder:
    @pytest.mark.parametrize("leave", [0, _PAGE, 5 * _PAGE])
    def test_that_is_full_stops_the_assembly_and_says_what_to_do(
        self, road: Any, run: Any, bench: Bench, temporary: SmallDisk, leave: int
    ) -> None:
        bought(road, run, bench, paragraphs=8)
        temporary.fill(leave=leave)

        error = refused(lambda: road.assemble(run))

        assert "No space left on device" in str(error)
        assert "TMPDIR" in str(error)
        assert str(temporary.folder) in str(error)
        assert not [*temporary.folder.rglob("*.mp3"), *temporary.folder.rglob("*.m4b")], (
            "what was half written takes the room of the next"
        )

    def test_with_room_again_the_next_attempt_publishes_and_buys_nothing(
        self, road: Any, run: Any, bench: Bench, temporary: SmallDisk
    ) -> None:
        bought(road, run, bench)
        paid = bench.billed
        temporary.fill()
        refused(lambda: road.assemble(run))
        temporary.make_room()

        result = road.publish(run, road.assemble(run), None)

        assert result["narration_uri"]
        assert bench.billed == paid

    def test_that_is_full_does_not_let_a_purchase_be_lost(self, run: Any, bench: Bench, temporary: SmallDisk) -> None:
        order = bench.stories(3)
        temporary.fill()

        error = refused(lambda: bench.operator(order).execute(run.context))
        temporary.make_room()

        bench.see_through(order, run)

        assert "Make room" in str(error)
        assert bench.bought == 3

    def test_that_is_full_does_not_let_azure_s_jobs_be_lost(
        self, azure_bench: AzureBench, temporary: SmallDisk
    ) -> None:
        bench, run = azure_bench, azure_bench.run("monday")
        order = bench.stories(2)
        deferred = bench.first_look(order, run)
        jobs = bench.bought
        temporary.fill()

        error = refused(lambda: bench.resume_until_done(order, run, deferred))
        temporary.make_room()
        bench.see_through(order, run)

        assert "Make room" in str(error)
        assert bench.bought == jobs
        assert bench.stored(order) == 2


class TestTheStore:
    def test_that_is_full_says_so_at_the_plan(self, road: Any, run: Any, bench: Bench, store_disk: SmallDisk) -> None:
        road.write(bench.text(1))
        store_disk.fill()

        error = refused(lambda: road.plan(run))

        assert "No space left on device" in str(error)
        assert str(store_disk.folder) in str(error)
        assert bench.bought == 0

    def test_that_is_full_before_a_purchase_buys_nothing(self, run: Any, bench: Bench, store_disk: SmallDisk) -> None:
        order = bench.stories(3)
        store_disk.fill()

        error = refused(lambda: bench.operator(order).execute(run.context))

        assert "No space left on device" in str(error)
        assert bench.bought == 0

    def test_that_is_full_when_the_audio_is_fetched_loses_nothing_and_pays_nothing_twice(
        self, run: Any, bench: Bench, store_disk: SmallDisk
    ) -> None:
        order = bench.stories(3)
        deferred = bench.first_look(order, run)
        bench.wait_for_jobs(3)
        store_disk.fill()

        error = refused(lambda: bench.resume_until_done(order, run, deferred))
        store_disk.make_room()
        bench.see_through(order, run)

        assert "No space left on device" in str(error)
        assert "Nothing that was paid for is lost" in str(error)
        assert bench.bought == 3
        assert bench.stored(order) == 3

    def test_that_is_full_at_the_end_keeps_the_clips(
        self, road: Any, run: Any, bench: Bench, store_disk: SmallDisk
    ) -> None:
        bought(road, run, bench)
        paid = bench.billed
        store_disk.fill()

        error = refused(lambda: road.assemble(run))
        store_disk.make_room()
        result = road.publish(run, road.assemble(run), None)

        assert "No space left on device" in str(error)
        assert result["narration_uri"]
        assert bench.billed == paid
