"""Books for the end-to-end tests: written, narrated, and listened to."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import av
import numpy
import pytest

from narration.audio.decoding import decode_clip
from narration.store import SUFFIXES

_WORDS = (
    "harbour",
    "lantern",
    "window",
    "letter",
    "river",
    "morning",
    "captain",
    "garden",
    "silver",
    "thunder",
    "castle",
)
_WORDS += (
    "candle",
    "meadow",
    "journey",
    "whisper",
    "forest",
    "bridge",
    "island",
    "winter",
    "kitchen",
    "shadow",
    "engine",
)


def write_book(path: Path, *, seed: int, chapters: int, paragraphs: int, repeated: str = "") -> list[str]:
    """Write a book of its own for each seed, and return the distinct texts that a narrator speaks."""
    dice = random.Random(seed)
    lines, spoken = [], []
    for chapter in range(1, chapters + 1):
        # Not the plain "Chapter 1", which the next book would find in the store.
        spoken.append(f"Chapter {chapter}. Of Book {seed}")
        lines += [spoken[-1], ""]
        for number in range(1, paragraphs + 1):
            words = " ".join(dice.choices(_WORDS, k=dice.randint(6, 16)))
            spoken.append(f"In book {seed} it is written, at place {number} of {chapter}: {words}.")
            lines += [spoken[-1], ""]
        if repeated:
            spoken.append(repeated)
            lines += [repeated, ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return list(dict.fromkeys(spoken))


def characters(texts: list[str]) -> int:
    return sum(map(len, texts))


def decoded(path: Path) -> numpy.ndarray:
    with av.open(str(path)) as container:
        return numpy.concatenate([frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)])


def listen(store: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Hold both files against the clips: every paragraph where the manifest says, and silence between them."""
    folder = store / "narrations" / Path(result["narration_uri"]).name
    manifest = json.loads((folder / "manifest.json").read_text())
    rate = manifest["audio"]["sample_rate"]
    for kind in ("mp3", "m4b"):
        path = folder / manifest["audio"][kind]
        sound = decoded(path)
        with av.open(str(path)) as container:
            header = container.duration / av.time_base
            marks = [chapter["start"] * float(chapter["time_base"]) for chapter in container.chapters()]
        assert header == pytest.approx(manifest["audio"]["duration_seconds"], abs=0.05)
        assert len(sound) / rate == pytest.approx(header, abs=0.05)
        if kind == "m4b":
            assert marks == pytest.approx([chapter["start_seconds"] for chapter in manifest["chapters"]], abs=0.05)
        end = 0.0
        loudest = float(numpy.abs(sound).max())
        for paragraph in manifest["paragraphs"]:
            key = paragraph["clip_key"]
            facts = json.loads((store / "clips" / key[:2] / f"{key}.json").read_text())
            audio = (store / "clips" / key[:2] / f"{key}.{SUFFIXES[facts['audio_format']]}").read_bytes()
            clip = decode_clip(audio, audio_format=facts["audio_format"], sample_rate=rate).astype(float)
            start = round(paragraph["start_seconds"] * rate)
            heard = sound[start : start + len(clip)]
            likeness = numpy.corrcoef(heard, clip[: len(heard)])[0, 1]
            assert likeness > 0.9, f"{kind}: {paragraph['place']} is not what is heard there ({likeness:.2f})"
            margin = round(0.03 * rate)
            between = sound[round(end * rate) + margin : start - margin]
            assert len(between) == 0 or numpy.abs(between).max() < 0.02 * loudest, f"{kind}: a sound between paragraphs"
            end = paragraph["end_seconds"]
    return manifest


def succeeded(airflow: Any, dag_id: str, run_id: str, *, timeout: float = 300) -> dict[str, Any]:
    """Wait for a run; what it published. Not one of its tasks may have failed."""
    run = airflow.wait(dag_id, run_id, timeout=timeout)
    states = {(ti["task_id"], ti["map_index"]): ti["state"] for ti in airflow.task_instances(dag_id, run_id)}
    assert run["state"] == "success", states
    assert set(states.values()) <= {"success", "skipped"}
    return airflow.xcom(dag_id, run_id, "publish")
