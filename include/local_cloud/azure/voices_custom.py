"""The custom neural voices that every resource of the local cloud owns: one to use, two that are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class CustomVoice:
    """A voice that somebody trained.

    :param deployed: whether its training has come to an end.
    :param region: where it was trained; ``None`` is wherever the resource is.
    :param stand_in: the public voice that is heard.
    """

    id: str
    voice_name: str
    locale: str = "en-US"
    gender: str = "Male"
    deployed: bool = True
    region: str | None = None
    stand_in: str = "en-US-ChristopherNeural"

    def as_model(self) -> dict[str, Any]:
        """The object in Long Audio's list of voices."""
        return {
            "id": self.id,
            "locale": self.locale,
            "voiceName": self.voice_name,
            "description": "",
            "gender": self.gender,
            "createdDateTime": "2020-05-21T05:25:40.243Z",
            "properties": {"publicAvailable": False},
        }


# The one that the vendor's page shows.
READY = CustomVoice(id="8fafd8cd-5f95-4a27-a0ce-59260f873141", voice_name="my custom neural voice")
UNFINISHED = CustomVoice(
    id="11111111-1111-4111-8111-111111111111", voice_name="my unfinished neural voice", deployed=False
)
# No Speech resource can be in this region, so that it is never the caller's.
ELSEWHERE = CustomVoice(
    id="22222222-2222-4222-8222-222222222222", voice_name="my neural voice elsewhere", region="elsewhere"
)
CUSTOM_VOICES = (READY, UNFINISHED, ELSEWHERE)
