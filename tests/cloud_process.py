"""
A local cloud in a process of its own, because a process can hold only one and some tests start theirs.

``python -m tests.cloud_process speech`` is the real one; with ``tones`` it speaks in tones, which is quicker, for tests
that are about money and not about sound. It says where it listens, and ends with its input.
``LOCAL_CLOUD_…_READINGS`` hold.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys

from include.local_cloud.server import LocalCloud
from include.local_cloud.settings import Settings
from include.local_cloud.speech import SpeechRequest


def tone(request: SpeechRequest) -> bytes:
    """Headerless audio as long as the text plausibly takes, whatever the format: order ``pcm`` to have it accepted."""
    samples = int(request.sample_rate * (0.3 + len(request.text) / 15))
    period = [round(9000 * math.sin(2 * math.pi * number / 40)) for number in range(40)]
    return struct.pack("<40h", *period) * (samples // 40)


def main(voice: str) -> None:
    """Serve until the input ends."""
    settings = Settings.from_environment(os.environ)
    readings = {"readings": settings.readings, "azure_readings": settings.azure_readings}
    with LocalCloud(preset="fast", **readings, **({"render": tone} if voice == "tones" else {})) as cloud:
        print(json.dumps({"speech_url": cloud.speech_url, "s3_url": cloud.s3_url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
