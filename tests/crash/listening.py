"""Is everything heard, in its order? The finished files held against what the service says for each text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy

from tests.crash.cloud import say

_ALIKE = 0.85
_SILENT = 0.03
_MARGIN_SECONDS = 0.03


@lru_cache(maxsize=512)
def expected(text: str, rate: int) -> numpy.ndarray:
    return say(text, rate=rate).astype(float)


def decoded(path: Path) -> numpy.ndarray:
    """All samples of a file."""
    with av.open(str(path)) as container:
        return numpy.concatenate([frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)])


def listen(published: dict[str, Any], texts: Sequence[str]) -> None:
    """
    Make sure that a published narration says these texts, each whole, in this order and nothing else.

    :param published: what the last task of the road returned.
    :param texts: every paragraph and heading of the document, in its order.
    :raises AssertionError: naming the file and the paragraph.
    """
    folder = Path(urlsplit(published["narration_uri"]).path)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [paragraph["text"] for paragraph in manifest["paragraphs"]] == list(texts)
    rate = manifest["audio"]["sample_rate"]
    for kind in ("mp3", "m4b"):
        sound = decoded(folder / manifest["audio"][kind])
        loudest = float(numpy.abs(sound).max())
        margin = round(_MARGIN_SECONDS * rate)
        end = 0
        for paragraph, text in zip(manifest["paragraphs"], texts, strict=True):
            reference = expected(text, rate)
            start = round(paragraph["start_seconds"] * rate)
            assert start >= end, f"{kind}: {text!r} begins before the one before it has ended"
            heard = sound[start : start + len(reference)]
            assert len(heard) >= len(reference) - margin, f"{kind}: {text!r} is cut off"
            alike = float(numpy.corrcoef(heard, reference[: len(heard)])[0, 1])
            assert alike > _ALIKE, f"{kind}: {text!r} is not what is heard in its place ({alike:.2f})"
            _silent(sound[end + margin : start - margin], loudest=loudest, where=f"{kind}: before {text!r}")
            end = start + len(reference)
        _silent(sound[end + margin :], loudest=loudest, where=f"{kind}: at the end")


def _silent(sound: numpy.ndarray, *, loudest: float, where: str) -> None:
    assert not len(sound) or float(numpy.abs(sound).max()) < _SILENT * loudest, f"{where} is a sound"
