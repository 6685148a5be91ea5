"""Ask Azure, before anything is bought, whether the account's region offers the voice and what it can express."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_speech import AzureSpeechHook
from narration.synthesis.azure_choice import AzureChoiceError, check_choice, near_names
from narration.synthesis.profile import VoiceProfile

AZURE = "azure"
"""The service in a voice profile: its three APIs speak with the same voices, so their clips are the same."""
ENGINE = "neural"

_MOST_NAMED = 12


def azure_profile(
    hook: AzureSpeechHook,
    *,
    api: SynthesisApi,
    voice: str,
    output_format: str,
    formats: Sequence[str],
    options: Mapping[str, str] | None = None,
) -> VoiceProfile:
    """
    Make the voice profile that takes effect, as the account's region really offers it.

    :raises AzureChoiceError: if the region does not offer it, naming the remedy.
    """
    given = dict(options or {})
    decoded = check_choice(voice=voice, output_format=output_format, formats=formats, options=given)
    offered = {name.lower(): entry for entry in hook.list_voices(api=api) if (name := _name(entry))}
    entry = offered.get(voice.lower())
    if entry is None:
        names = [_name(each) for each in offered.values()]
        same = sorted(name for name in names if name.startswith(voice.rpartition("-")[0] + "-"))
        others = f" For this locale it has {', '.join(same[:_MOST_NAMED])}." if same else ""
        raise AzureChoiceError(
            f"The region of connection {hook.azure_speech_conn_id!r} does not offer the voice {voice!r} "
            f"({len(names)} others).{near_names(voice, names)}{others}"
        )
    name = _name(entry)
    for option, listed in (("style", _listed(entry, "StyleList", "styles")), ("role", _roles(entry))):
        if option in given and given[option] not in listed:
            has = f"it has {', '.join(listed)}" if listed else "it has none; leave the field empty"
            raise AzureChoiceError(f"{name} has no {option} {given[option]!r}: {has}.")
    return VoiceProfile(
        service=AZURE,
        voice=name,
        engine=ENGINE,
        language_code=None,
        audio_format=decoded.audio_format,
        sample_rate=decoded.sample_rate,
        options=tuple(sorted({"output_format": output_format, **given}.items())),
    )


def _name(entry: Mapping[str, Any]) -> str:
    """The short name in an entry of either list: that of the region, or Long Audio's own."""
    return str(entry.get("ShortName") or entry.get("voiceName") or "")


def _roles(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return _listed(entry, "RolePlayList", "roles")


def _listed(entry: Mapping[str, Any], field: str, property_name: str) -> tuple[str, ...]:
    if field in entry:
        return tuple(map(str, entry[field] or ()))
    listed = (entry.get("properties") or {}).get(property_name) or ()
    return tuple(str(each.get("name")) for each in listed)
