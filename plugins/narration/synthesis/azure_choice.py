"""Is this voice, format and way of speaking something that Azure can do? Answered without asking Azure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from narration.errors import PermanentNarrationError
from narration.synthesis.azure_formats import DecodedFormat, decoded_format
from narration.synthesis.azure_voices import VOICES

#: Ways of speaking that batch synthesis applies to plain text, by the names of ``synthesisConfig``.
SPEAKING_OPTIONS = ("style", "styleDegree", "role", "rate", "pitch", "volume")
ROLES = (
    "Girl",
    "Boy",
    "YoungAdultFemale",
    "YoungAdultMale",
    "OlderAdultFemale",
    "OlderAdultMale",
    "SeniorFemale",
    "SeniorMale",
    "Narrator",
)
LOWEST_STYLE_DEGREE, HIGHEST_STYLE_DEGREE = 0.01, 2.0

_VOICE_NAME = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]+)+-[A-Za-z0-9]+(?::[A-Za-z0-9]+)?")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_NUMBER = r"\d+(?:\.\d+)?"
# Azure ignores a value that it does not understand, and the audio would go under the clip key of one that it did.
RATE = re.compile(rf"x-slow|slow|medium|fast|x-fast|[+-]{_NUMBER}%|{_NUMBER}")
PITCH = re.compile(rf"x-low|low|medium|high|x-high|[+-]{_NUMBER}(?:%|Hz|st)|{_NUMBER}Hz")
VOLUME = re.compile(rf"silent|x-soft|soft|medium|loud|x-loud|[+-]{_NUMBER}%?|{_NUMBER}")
_VALUES = {"rate": RATE, "pitch": PITCH, "volume": VOLUME}
_EXAMPLES = {"rate": "slow, 0.9 or -10.00%", "pitch": "high, +5.00% or -2st", "volume": "soft, 80 or +10.00%"}


class AzureChoiceError(PermanentNarrationError):
    """The voice profile asked for cannot be had from Azure; nothing was read or bought."""


def check_choice(
    *, voice: str, output_format: str, formats: Sequence[str], options: Mapping[str, str] | None = None
) -> DecodedFormat:
    """
    Refuse what Azure would refuse, or would ignore without a word.

    :param voice: short name; one that :data:`VOICES` does not have is left to the account's own list.
    :param output_format: Azure's name of it.
    :param formats: the output formats of the API.
    :param options: of :data:`SPEAKING_OPTIONS`, those that are set.
    :return: what the output format is to a decoder.
    :raises AzureChoiceError: naming what does not fit and what would.
    """
    if voice not in VOICES and not _VOICE_NAME.fullmatch(voice):
        raise AzureChoiceError(
            f"Azure has no voice {voice!r}.{near_names(voice, VOICES)} A voice has a name such as en-US-JennyNeural; "
            "the field Voice of the form lists them."
        )
    if output_format not in formats:
        raise AzureChoiceError(
            f"The output format {output_format!r} cannot be had from this API, or not be decoded. In the field Format "
            f"of the clips, choose one of {', '.join(formats)}."
        )
    options = options or {}
    for name, value in options.items():
        _check_option(name, value)
    if "styleDegree" in options and "style" not in options:
        raise AzureChoiceError(
            "A style degree is given without a style. Choose one in the field Style, or leave the field Style degree "
            "empty."
        )
    return decoded_format(output_format)


def _check_option(name: str, value: str) -> None:
    if name not in SPEAKING_OPTIONS:
        raise AzureChoiceError(f"There is no option {name!r}; there are {', '.join(SPEAKING_OPTIONS)}.")
    if name in _VALUES and not _VALUES[name].fullmatch(value):
        raise AzureChoiceError(
            f"{value!r} is not a {name} that Azure knows. Give the field {name.capitalize()}, for example, "
            f"{_EXAMPLES[name]}."
        )
    if name in ("style", "role") and not _WORD.fullmatch(value):
        raise AzureChoiceError(
            f"{value!r} is not the name of a {name}: the field {name.capitalize()} takes letters, digits and hyphens."
        )
    if name == "styleDegree":
        try:
            degree = float(value)
        except ValueError:
            degree = 0.0
        if not LOWEST_STYLE_DEGREE <= degree <= HIGHEST_STYLE_DEGREE:
            raise AzureChoiceError(
                f"The field Style degree is {value}; it goes from {LOWEST_STYLE_DEGREE} to {HIGHEST_STYLE_DEGREE:.0f}."
            )


def near_names(name: str, names: Mapping[str, object] | Sequence[str]) -> str:
    """Say which names come close to a mistyped one; nothing if none does."""
    by_lower = {known.lower(): known for known in names}
    near = [by_lower[found] for found in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(near)}?" if near else ""
