"""Speech makers that misbehave, in a module that a speech process can import."""

from __future__ import annotations

import os
import time

from include.local_cloud.speech import SpeechRequest


def deadly_speech(request: SpeechRequest) -> bytes:
    """Dies of one text, refuses another, and takes its time over the rest."""
    if request.text == "poison":
        os._exit(1)
    if request.text == "refused":
        raise ValueError(f"cannot say {request.text}")
    time.sleep(0.2)
    return request.text.encode()
