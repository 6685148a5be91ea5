"""Is this voice, engine, language, format and rate something that Polly can do? Answered without asking Polly."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from narration.errors import PermanentNarrationError
from narration.synthesis import polly_rules
from narration.synthesis.polly_voices import LANGUAGES, VOICES


class VoiceChoiceError(PermanentNarrationError):
    """The voice profile asked for cannot be had; nothing was read or bought."""


def check_choice(
    *,
    voice: str,
    engine: str,
    language_code: str | None,
    audio_format: str,
    sample_rate: int | None,
    lexicons: Sequence[str] = (),
) -> int:
    """
    Refuse a combination that Polly would refuse, and settle the sample rate.

    :param sample_rate: Hz; ``None`` for Polly's default for this format and engine.
    :return: the sample rate that takes effect, in Hz.
    :raises VoiceChoiceError: naming what does not fit and what would.
    """
    known = VOICES.get(voice)
    if known is None:
        near = difflib.get_close_matches(voice, VOICES, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise VoiceChoiceError(f"Polly has no voice {voice!r}.{hint} The field Voice of the form lists all of them.")
    if engine not in polly_rules.ENGINES:
        raise VoiceChoiceError(
            f"Polly has no engine {engine!r}. In the field Engine, choose one of {', '.join(polly_rules.ENGINES)}."
        )
    if engine not in known.engines:
        others = [v.voice_id for v in VOICES.values() if v.language_code == known.language_code and engine in v.engines]
        alternative = f", or in the field Voice one that does: {', '.join(others[:6])}" if others else ""
        raise VoiceChoiceError(
            f"{voice} does not speak with the {engine} engine. In the field Engine, choose {' or '.join(known.engines)}"
            f"{alternative}."
        )
    if language_code:
        if language_code not in LANGUAGES:
            raise VoiceChoiceError(
                f"Polly has no language {language_code!r}. Leave the field Language empty for the voice's own."
            )
        spoken = (known.language_code, *known.more_languages)
        if language_code not in spoken:
            raise VoiceChoiceError(
                f"{voice} does not speak {language_code}. Leave the field Language empty, or choose "
                f"{' or '.join(spoken)}."
            )
    if audio_format not in polly_rules.SAMPLE_RATES:
        raise VoiceChoiceError(
            f"Polly has no audio format {audio_format!r}. In the field Format of the clips, choose one of "
            f"{', '.join(polly_rules.SAMPLE_RATES)}."
        )
    rates = polly_rules.SAMPLE_RATES[audio_format]
    if sample_rate is not None and sample_rate not in rates:
        raise VoiceChoiceError(
            f"{audio_format} cannot be had at {sample_rate} Hz. In the field Sample rate (Hz), choose "
            f"{' or '.join(map(str, rates))}, or 'auto'."
        )
    if len(lexicons) > polly_rules.MAX_LEXICONS:
        raise VoiceChoiceError(
            f"Polly applies at most {polly_rules.MAX_LEXICONS} lexicons; the field Lexicons has {len(lexicons)}."
        )
    for name in lexicons:
        if not polly_rules.LEXICON_NAME.fullmatch(name):
            raise VoiceChoiceError(
                f"{name!r} is not a lexicon name: in the field Lexicons, one has 1 to 20 letters and digits."
            )
    if len(set(lexicons)) != len(lexicons):
        raise VoiceChoiceError("A lexicon is named twice in the field Lexicons.")
    return sample_rate or polly_rules.default_sample_rate(audio_format=audio_format, engine=engine)
