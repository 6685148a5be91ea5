"""Speech processes that die, refuse, and are stopped."""

from __future__ import annotations

import asyncio

import pytest

from include.local_cloud.rendering import Renderer, RenderingFailed
from include.local_cloud.speech import SpeechRequest
from tests.local_cloud.deadly_speech import deadly_speech


def request(text: str) -> SpeechRequest:
    return SpeechRequest(
        text=text,
        text_type="text",
        voice_id="Joanna",
        language_code="en-US",
        gender="Female",
        engine="standard",
        output_format="mp3",
        sample_rate=22050,
    )


async def test_only_the_text_that_kills_its_process_fails() -> None:
    renderer = Renderer(render=deadly_speech)
    try:
        texts = ["one", "poison", "two"]
        made = await asyncio.gather(*(renderer.render(request(text)) for text in texts), return_exceptions=True)
        assert made[0] == b"one"
        assert isinstance(made[1], RenderingFailed)
        assert made[2] == b"two"
    finally:
        renderer.close()


async def test_a_refusal_names_its_kind_and_not_the_text() -> None:
    renderer = Renderer(render=deadly_speech, in_processes=False)
    try:
        with pytest.raises(RenderingFailed, match="ValueError") as failed:
            await renderer.render(request("refused"))
        assert "refused" not in str(failed.value)
    finally:
        renderer.close()
