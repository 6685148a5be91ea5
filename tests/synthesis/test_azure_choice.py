from __future__ import annotations

import pytest

from narration.audio.formats import CLIP_FORMATS
from narration.errors import PermanentNarrationError
from narration.synthesis.azure_choice import AzureChoiceError, check_choice
from narration.synthesis.azure_formats import (
    BATCH_FORMATS,
    DEFAULT_FORMAT,
    LONG_AUDIO_FORMATS,
    decoded_format,
    describe,
)
from narration.synthesis.azure_locales import LOCALES
from narration.synthesis.azure_voices import VOICES

GOOD = {"voice": "en-US-JennyNeural", "output_format": DEFAULT_FORMAT, "formats": BATCH_FORMATS, "options": {}}


def test_a_good_choice_gives_what_a_decoder_has_to_know():
    decoded = check_choice(**GOOD)

    assert (decoded.audio_format, decoded.sample_rate) == ("mp3", 24000)
    assert check_choice(**{**GOOD, "options": {"style": "sad", "styleDegree": "1.5", "pitch": "+5%"}}) == decoded


def test_a_voice_that_is_newer_than_the_table_is_left_to_the_account_s_own_list():
    check_choice(**{**GOOD, "voice": "en-US-NewestMultilingualNeural"})
    check_choice(**{**GOOD, "voice": "en-US-Ava:DragonHDLatestNeural"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voice": "Jenny"}, "no voice 'Jenny'.*name such as en-US-JennyNeural"),
        ({"voice": "en_us_jennyneural"}, "no voice 'en_us_jennyneural'. Did you mean en-US-JennyNeural"),
        (
            {"output_format": "webm-24khz-16bit-mono-opus"},
            "cannot be had from this API, or not be decoded. .*choose one",
        ),
        (
            {"output_format": "audio-48khz-192kbitrate-mono-mp3", "formats": LONG_AUDIO_FORMATS},
            "cannot be had from this API",
        ),
        (
            {"options": {"rate": "quick"}},
            "'quick' is not a rate that Azure knows. Give the field Rate, for example, slow, 0.9",
        ),
        ({"options": {"pitch": "up"}}, "'up' is not a pitch"),
        ({"options": {"volume": "11 please"}}, "'11 please' is not a volume"),
        ({"options": {"style": "very sad!"}}, "not the name of a style"),
        ({"options": {"style": "sad", "styleDegree": "3"}}, "Style degree is 3; it goes from 0.01 to 2"),
        ({"options": {"style": "sad", "styleDegree": "much"}}, "Style degree is much"),
        ({"options": {"styleDegree": "1"}}, "given without a style"),
        ({"options": {"accent": "Irish"}}, "no option 'accent'; there are style"),
    ],
)
def test_what_azure_would_refuse_or_ignore_is_refused_with_what_would_fit(change, message):
    with pytest.raises(AzureChoiceError, match=message) as refused:
        check_choice(**{**GOOD, **change})
    assert isinstance(refused.value, PermanentNarrationError)


class TestFormats:
    @pytest.mark.parametrize("name", sorted({*BATCH_FORMATS, *LONG_AUDIO_FORMATS}))
    def test_every_format_on_offer_can_be_decoded_at_its_rate(self, name):
        decoded = decoded_format(name)

        assert decoded.sample_rate in CLIP_FORMATS[decoded.audio_format].sample_rates
        assert describe(name)

    @pytest.mark.parametrize(
        ("name", "audio_format", "rate"),
        [
            ("riff-16khz-16bit-mono-pcm", "wav", 16000),
            ("riff-22050hz-16bit-mono-pcm", "wav", 22050),
            ("riff-8khz-8bit-mono-mulaw", "wav", 8000),
            ("audio-48khz-192kbitrate-mono-mp3", "mp3", 48000),
            ("ogg-16khz-16bit-mono-opus", "ogg_opus", 48000),
        ],
    )
    def test_the_rate_is_what_the_decoder_gives(self, name, audio_format, rate):
        decoded = decoded_format(name)

        assert (decoded.audio_format, decoded.sample_rate) == (audio_format, rate)

    def test_what_has_no_such_name_is_refused(self):
        with pytest.raises(ValueError, match="not an output format"):
            decoded_format("mp3")

    def test_the_default_is_the_same_for_both_so_that_moving_buys_nothing_again(self):
        assert DEFAULT_FORMAT in BATCH_FORMATS
        assert DEFAULT_FORMAT in LONG_AUDIO_FORMATS
        assert set(LONG_AUDIO_FORMATS) - {"riff-16khz-16bit-mono-pcm"} <= set(BATCH_FORMATS)

    def test_a_format_is_described_for_people(self):
        assert describe(DEFAULT_FORMAT) == "MP3, 24 kHz, 160 kbit/s"
        assert describe("riff-22050hz-16bit-mono-pcm") == "WAV, lossless, 22050 Hz"
        assert describe("ogg-24khz-16bit-mono-opus") == "Ogg Opus, 24 kHz"


class TestVoices:
    def test_each_has_a_locale_with_a_name_and_a_gender(self):
        assert len(VOICES) > 400
        for voice in VOICES.values():
            assert voice.locale in LOCALES
            assert voice.gender in ("female", "male")
            assert voice.short_name.startswith(f"{voice.locale}-")

    def test_a_label_says_who_speaks(self):
        assert VOICES["en-GB-RyanNeural"].label.startswith("English (United Kingdom): Ryan (male; chat, cheerful")
        assert VOICES["fi-FI-NooraNeural"].label == "Finnish (Finland): Noora (female)"
