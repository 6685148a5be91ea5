"""The voices of a Long Audio request: which of them there are, and which may be used here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from include.local_cloud.azure.long_audio_errors import model_elsewhere, model_unknown, model_unusable
from include.local_cloud.azure.long_audio_form import ModelReference
from include.local_cloud.azure.voices import find_voice
from include.local_cloud.azure.voices_custom import CUSTOM_VOICES, CustomVoice


@dataclass(frozen=True, kw_only=True)
class Model:
    """A voice that can be used.

    :param id: custom voices only.
    :param heard: the public voice that speaks, the same as ``voice_name`` for public voices.
    """

    id: str | None
    voice_name: str
    heard: str

    def described(self) -> dict[str, str]:
        return ({"id": self.id} if self.id else {}) | {"voiceName": self.voice_name}


def resolve(references: Iterable[ModelReference], *, region: str) -> tuple[Model, ...]:
    """The voices that a request names.

    :raises AzureError: 404 for one that does not exist, 400 for one that cannot be used in the region.
    """
    return tuple(_resolve(reference, region=region) for reference in references)


def _resolve(reference: ModelReference, *, region: str) -> Model:
    custom = _custom(reference)
    if custom is not None:
        if custom.region not in {None, region}:
            raise model_elsewhere(custom.id)
        if not custom.deployed:
            raise model_unusable(custom.id)
        return Model(id=custom.id, voice_name=custom.voice_name, heard=custom.stand_in)
    voice = None if reference.id else find_voice(reference.voice_name or "")
    if voice is None:
        raise model_unknown(reference.id or reference.voice_name or "")
    return Model(id=None, voice_name=voice.name, heard=voice.name)


def _custom(reference: ModelReference) -> CustomVoice | None:
    for voice in CUSTOM_VOICES:
        if reference.id is not None:
            if reference.id.lower() == voice.id:
                return voice
        elif (reference.voice_name or "").lower() == voice.voice_name:
            return voice
    return None
