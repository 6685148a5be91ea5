from __future__ import annotations

import pytest

from narration.errors import PermanentNarrationError
from narration.synthesis.polly_choice import VoiceChoiceError, check_choice

GOOD = {"voice": "Joanna", "engine": "neural", "language_code": None, "audio_format": "mp3", "sample_rate": None}


def test_a_good_choice_gives_the_rate_that_takes_effect():
    assert check_choice(**GOOD) == 24000
    assert check_choice(**{**GOOD, "engine": "standard"}) == 22050
    assert check_choice(**{**GOOD, "sample_rate": 8000}) == 8000
    assert check_choice(**{**GOOD, "voice": "Kajal", "language_code": "hi-IN", "lexicons": ("names",)}) == 24000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voice": "Joana"}, "no voice 'Joana'. Did you mean Joanna"),
        ({"voice": "Xyzzy"}, "The field Voice of the form lists all"),
        ({"engine": "quantum"}, "no engine 'quantum'.*Engine, choose one of standard, neural, long-form, generative"),
        ({"voice": "Maxim"}, "Maxim does not speak with the neural engine. In the field Engine, choose standard"),
        (
            {"engine": "long-form"},
            "Joanna does not speak with the long-form engine.*, or in the field Voice one that does: Danielle",
        ),
        ({"language_code": "xx-XX"}, "no language 'xx-XX'. Leave the field Language empty"),
        ({"language_code": "de-DE"}, "Joanna does not speak de-DE. Leave the field Language empty, or choose en-US"),
        ({"audio_format": "flac"}, "no audio format 'flac'"),
        ({"audio_format": "pcm", "sample_rate": 24000}, "pcm cannot be had at 24000 Hz.*choose 8000 or 16000"),
        ({"lexicons": ("a", "b", "c", "d", "e", "f")}, "at most 5 lexicons; the field Lexicons has 6"),
        ({"lexicons": ("not-a-name",)}, "'not-a-name' is not a lexicon name: .* 1 to 20 letters and digits"),
        ({"lexicons": ("a", "a")}, "named twice"),
    ],
)
def test_a_choice_that_polly_would_refuse_is_refused_with_what_would_fit(change, message):
    with pytest.raises(VoiceChoiceError, match=message) as refused:
        check_choice(**{**GOOD, **change})
    assert isinstance(refused.value, PermanentNarrationError)
