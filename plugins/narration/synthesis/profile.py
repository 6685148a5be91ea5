"""The voice profile: everything about a voice that shapes the sound of a paragraph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """
    One pronunciation lexicon as it stands at the service.

    :param name: its name at the service.
    :param sha256: hash of its content; a changed lexicon changes the sound, so it changes the clip key.
    """

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class VoiceProfile:
    """
    How paragraphs are to sound.

    Every field is the value that takes effect, never "the default": a default written out later, or changed by
    the service, must not give the same words another clip key by accident, or another sound the same one.

    :param service: the service that speaks, for example ``polly``.
    :param voice: the service's voice id.
    :param engine: the service's engine.
    :param language_code: the language asked for; ``None`` leaves it to the voice.
    :param audio_format: a format of :mod:`narration.audio.formats`.
    :param sample_rate: samples per second of the clips.
    :param lexicons: lexicons in the order in which they apply.
    """

    service: str
    voice: str
    engine: str
    language_code: str | None
    audio_format: str
    sample_rate: int
    lexicons: tuple[Lexicon, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the profile as JSON types."""
        data = asdict(self)
        data["lexicons"] = [asdict(lexicon) for lexicon in self.lexicons]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VoiceProfile:
        """Read back what :meth:`to_dict` gave."""
        fields = dict(data)
        fields["lexicons"] = tuple(Lexicon(**lexicon) for lexicon in fields.get("lexicons", ()))
        return cls(**fields)
