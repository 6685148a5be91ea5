"""
The local cloud as something that is killed and started again, on the same state and the same ports.

Its voice is espeak-ng's, twice as fast and so half as long to encode: still another sound for every text, by which
what is heard in a narration is told apart (:mod:`tests.crash.listening`).
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy

from include.local_cloud.azure.quotas import AzureQuotas, Window
from include.local_cloud.settings import FAST
from include.local_cloud.speech import SpeechRequest, render_speech

_RATE = 16_000
_VOICE = {"voice_id": "Joanna", "language_code": "en-US", "gender": "Female", "engine": "neural"}


def say(text: str, *, rate: int) -> numpy.ndarray:
    """What every service here says for a plain text: 16-bit samples."""
    request = SpeechRequest(text=text, text_type="text", output_format="pcm", sample_rate=_RATE, **_VOICE)
    spoken = numpy.frombuffer(render_speech(request), dtype="<i2").astype(float)
    # Twice as fast, at whatever rate.
    moments = numpy.arange(int(len(spoken) / 2 * rate / _RATE)) * (2 * _RATE / rate)
    return numpy.interp(moments, numpy.arange(len(spoken)), spoken).astype("<i2")


def speak(request: SpeechRequest) -> bytes:
    """Headerless audio, whatever the format: order ``pcm`` from Polly."""
    return say(request.text, rate=request.sample_rate).tobytes()


def preload() -> None:
    """Load what a cloud needs, before it is forked."""
    import moto.server  # noqa: F401

    import include.local_cloud.server  # noqa: F401

    say("Hello.", rate=_RATE)


def main(arguments: dict[str, Any]) -> None:
    """Serve until killed; says where in the file ``ready``."""
    from include.local_cloud.server import LocalCloud

    # So many calls a second that rates, which have tests of their own, slow nothing here.
    requests = {api: Window(requests=100_000, seconds=1) for api in AzureQuotas().requests}
    preset = replace(FAST, azure=replace(FAST.azure, requests=requests))
    cloud = LocalCloud(
        preset=preset,
        state=Path(arguments["state"]),
        speech_port=arguments["speech_port"],
        s3_port=arguments["s3_port"],
        render=speak,
    )
    cloud.start()
    partial = f"{arguments['ready']}.part"
    Path(partial).write_text(json.dumps({"speech_url": cloud.speech_url, "s3_url": cloud.s3_url}))
    os.replace(partial, arguments["ready"])
    import threading

    threading.Event().wait()
