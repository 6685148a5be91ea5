"""How fast a book is assembled, and how much memory that takes.

Claim: joining a book, encoding it to MP3 and to M4B, and verifying both by decoding them to the end costs about one
CPU second for each minute of audio, spread evenly over the cores, and stays under 200 MB of memory for 13 hours.
``times_real_time`` is what comes of that on this machine; it falls if other work has the cores (see ``load_average``).

The clips are MP3 files on disk, as Polly delivers them, decoded while the book is assembled. Their sound is made up,
but it costs an encoder what speech costs it: a voiced tone with moving pitch and formants, hissing consonants, and
short gaps. (Silence, or a plain sine, encodes much faster and would flatter the figure.)

Run: ``.venv/bin/python benchmarks/assemble.py --hours 13``
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))

import numpy as np

from narration.audio.assembly import Tags, assemble
from narration.audio.decoding import decode_clip
from narration.audio.timeline import Pauses, Piece, build_timeline, master_sample_rate

DISTINCT_CLIPS = 40


def speech_like(*, seconds: float, rate: int, seed: int) -> np.ndarray:
    """Make up a sound with the structure of speech: syllables, pitch, formants, consonants, gaps between phrases."""
    random = np.random.default_rng(seed)
    samples = int(seconds * rate)
    time_axis = np.arange(samples) / rate

    def wander(*, low: float, high: float, per_second: float) -> np.ndarray:
        points = random.uniform(low, high, max(2, int(seconds * per_second) + 2))
        return np.interp(time_axis, np.linspace(0, seconds, points.size), points)

    pitch = wander(low=90, high=180, per_second=3)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = [wander(low=low, high=high, per_second=5) for low, high in ((300, 800), (900, 2200), (2300, 3200))]
    voiced = np.zeros(samples)
    for harmonic in range(1, 26):
        frequency = harmonic * pitch
        gain = sum(np.exp(-(((frequency - formant) / 150) ** 2)) for formant in formants) + 0.02
        voiced += gain * np.sin(harmonic * phase)
    syllables = np.clip(wander(low=-0.4, high=1.0, per_second=9), 0, 1)
    hiss = np.clip(wander(low=-1.5, high=1.0, per_second=9), 0, 1)
    phrases = (wander(low=0, high=1, per_second=1.2) > 0.2).astype(float)
    sound = (voiced * syllables + random.normal(0, 0.25, samples) * hiss) * phrases
    return np.rint(sound / np.abs(sound).max() * 16_000).astype(np.int16)


def encode_mp3(samples: np.ndarray, *, rate: int) -> bytes:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="mono")
        stream.bit_rate = 48_000
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def make_clips(*, count: int, seconds: float, rate: int, folder: Path) -> dict[str, int]:
    """Write clips of various lengths around the given one, and return the decoded length of each in samples."""
    facts: dict[str, int] = {}
    for index in range(count):
        length = seconds * (0.6 + 0.8 * index / count)
        data = encode_mp3(speech_like(seconds=length, rate=rate, seed=index), rate=rate)
        key = f"clip-{index}"
        (folder / key).write_bytes(data)
        facts[key] = decode_clip(data, audio_format="mp3", sample_rate=rate).size
    return facts


def run(*, hours: float, paragraphs: int, chapters: int, rate: int, verify: str, folder: Path) -> dict[str, Any]:
    """Assemble a made-up book and return the figures."""
    seconds = hours * 3600 / paragraphs
    # In a process of its own, so that the peak memory measured below is that of assembling alone.
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        count = min(DISTINCT_CLIPS, paragraphs)
        facts = pool.submit(make_clips, count=count, seconds=seconds, rate=rate, folder=folder).result()
    keys = sorted(facts)
    pieces = [
        Piece(
            clip_key=keys[index % len(keys)],
            chapter=index * chapters // paragraphs,
            samples=facts[keys[index % len(keys)]],
            sample_rate=rate,
        )
        for index in range(paragraphs)
    ]
    timeline = build_timeline(pieces, pauses=Pauses(), sample_rate=master_sample_rate([rate]))
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    encoded_at: list[float] = []
    cpu_before, started = time.process_time(), time.perf_counter()
    report = assemble(
        timeline,
        pieces=pieces,
        load_clip=lambda key: decode_clip((folder / key).read_bytes(), audio_format="mp3", sample_rate=rate),
        mp3_path=folder / "book.mp3",
        m4b_path=folder / "book.m4b",
        tags=Tags(title="Benchmark", language="en"),
        chapter_titles=[f"Chapter {number + 1}" for number in range(chapters)],
        progress=lambda share: encoded_at.append(time.perf_counter()),
        verify="full" if verify == "full" else "headers",
    )
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu_before
    verifying = encoded_at[-1] - encoded_at[-2] if len(encoded_at) > 1 else 0.0
    return {
        "audio_hours": round(report.duration_seconds / 3600, 2),
        "sample_rate": timeline.sample_rate,
        "paragraphs": paragraphs,
        "chapters": len(timeline.chapters),
        "wall_seconds": round(elapsed, 1),
        "of_which_verifying": round(verifying, 1),
        "cpu_seconds": round(cpu, 1),
        "times_real_time": round(report.duration_seconds / elapsed, 1),
        "mp3_mb": round(report.mp3_bytes / 1e6, 1),
        "m4b_mb": round(report.m4b_bytes / 1e6, 1),
        "memory_before_mb": round(memory_before),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0, help="length of the book (default: 1)")
    parser.add_argument("--paragraphs", type=int, default=0, help="default: 154 per hour, as in a novel")
    parser.add_argument("--chapters", type=int, default=61)
    parser.add_argument("--sample-rate", type=int, default=24000, help="of the clips, in Hz")
    parser.add_argument("--verify", choices=("full", "headers"), default="full")
    arguments = parser.parse_args()
    paragraphs = arguments.paragraphs or max(1, round(arguments.hours * 154))
    with tempfile.TemporaryDirectory() as folder:
        figures = run(
            hours=arguments.hours,
            paragraphs=paragraphs,
            chapters=min(arguments.chapters, paragraphs),
            rate=arguments.sample_rate,
            verify=arguments.verify,
            folder=Path(folder),
        )
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
