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
    :param options: whatever else the service lets shape the sound (style, rate, the exact output format), as pairs of
        name and value in the order of the names. Without any, clip keys are as if there were no such field.
    """

    service: str
    voice: str
    engine: str
    language_code: str | None
    audio_format: str
    sample_rate: int
    lexicons: tuple[Lexicon, ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    def option(self, name: str) -> str | None:
        """Give the value of one option, ``None`` if it is not set."""
        return dict(self.options).get(name)

    def to_dict(self) -> dict[str, Any]:
        """Give the profile as JSON types."""
        data = asdict(self)
        data["lexicons"] = [asdict(lexicon) for lexicon in self.lexicons]
        data["options"] = [list(pair) for pair in self.options]
        if not self.options:
            del data["options"]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VoiceProfile:
        """Read back what :meth:`to_dict` gave."""
        fields = dict(data)
        fields["lexicons"] = tuple(Lexicon(**lexicon) for lexicon in fields.get("lexicons", ()))
        fields["options"] = tuple((str(name), str(value)) for name, value in fields.get("options", ()))
        return cls(**fields)
