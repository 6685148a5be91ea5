from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from include.local_cloud.speech import SpeechRequest, SsmlError, render_speech
from include.local_cloud.speech_tempo import faster
from include.local_cloud.speech_voices import LANGUAGES, engine_voice

RATE = 16000
PLS = """<?xml version="1.0" encoding="UTF-8"?>
<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="{alphabet}" xml:lang="{lang}">
  <lexeme><grapheme>W3C</grapheme>{pronunciation}</lexeme>
</lexicon>"""


def request(text: str, **changes: object) -> SpeechRequest:
    given: dict = {
        "text": text,
        "text_type": "ssml" if text.startswith("<speak") else "text",
        "voice_id": "Joanna",
        "language_code": "en-US",
        "gender": "Female",
        "engine": "neural",
        "output_format": "pcm",
        "sample_rate": RATE,
    }
    return SpeechRequest(**{**given, **changes})


def samples(text: str, **changes: object) -> np.ndarray:
    return np.frombuffer(render_speech(request(text, **changes)), dtype="<i2")


def seconds(text: str, **changes: object) -> float:
    return samples(text, **changes).size / RATE


def spoken(content: str, **changes: object) -> np.ndarray:
    return samples(f"<speak>{content}</speak>", **changes)


def longest_silence(audio: np.ndarray) -> float:
    """Seconds of the longest stretch of near silence inside the speech."""
    loud = np.flatnonzero(np.abs(audio.astype(int)) > 100)
    return float(np.diff(loud).max()) / RATE


def pitch(audio: np.ndarray) -> float:
    """The strongest repetition between 60 and 400 Hz, over the whole clip."""
    signal = audio.astype(float)
    spectrum = np.fft.rfft(signal, 2 * signal.size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: signal.size]
    shortest, longest = RATE // 400, RATE // 60
    return RATE / (shortest + int(np.argmax(correlation[shortest:longest])))


def test_the_same_request_gives_the_same_samples_whatever_was_said_before() -> None:
    first = samples("It was a bright cold day in April.")
    spoken('A <prosody rate="slow" pitch="high">very</prosody> different text.', voice_id="Matthew", gender="Male")
    assert np.array_equal(first, samples("It was a bright cold day in April."))


def test_the_same_request_gives_the_same_bytes_in_another_process() -> None:
    source = (
        "import hashlib\n"
        "from include.local_cloud.speech import SpeechRequest, render_speech\n"
        "r = SpeechRequest(text='Good morning.', text_type='text', voice_id='Brian', language_code='en-GB',"
        " gender='Male', engine='standard', output_format='mp3', sample_rate=22050)\n"
        "print(hashlib.sha256(render_speech(r)).hexdigest())"
    )
    root = Path(__file__).parents[2]
    other = subprocess.run([sys.executable, "-c", source], cwd=root, capture_output=True, text=True, check=True)
    here = render_speech(
        request(
            "Good morning.",
            voice_id="Brian",
            language_code="en-GB",
            gender="Male",
            engine="standard",
            output_format="mp3",
            sample_rate=22050,
        )
    )
    assert other.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_voices_of_one_language_differ_from_each_other() -> None:
    names = ("Danielle", "Ivy", "Joanna", "Kendra", "Kimberly", "Salli", "Ruth")
    clips = [samples("How are you?", voice_id=name) for name in names]
    assert len({clip.tobytes() for clip in clips}) == len(names)


def test_women_speak_higher_than_men_and_children_higher_than_women() -> None:
    text = "We were away a year ago. We will all know more."
    man, woman, child = (
        pitch(samples(text, voice_id=voice, gender=gender))
        for voice, gender in (("Matthew", "Male"), ("Joanna", "Female"), ("Ivy", "Female"))
    )
    assert man < 150 < woman < child


@pytest.mark.parametrize("language_code", sorted(LANGUAGES))
def test_every_language_speaks(language_code: str) -> None:
    words = {
        "cmn-CN": "你好,世界",
        "yue-CN": "你好,世界",
        "ja-JP": "こんにちは せかい",
        "ko-KR": "안녕하세요",
        "hi-IN": "नमस्ते",
    }
    clip = samples(words.get(language_code, "Radio, kilometer, banana."), language_code=language_code)
    assert clip.size / RATE > 0.6
    assert np.abs(clip.astype(int)).max() > 3000


def test_all_of_pollys_languages_have_a_voice_and_an_unknown_one_falls_back() -> None:
    import boto3

    polly = boto3.client("polly", region_name="us-east-1")
    assert set(polly.meta.service_model.shape_for("LanguageCode").enum) <= set(LANGUAGES)
    assert engine_voice(voice_id="X", language_code="de-LU", gender="Male").language == "de"
    assert engine_voice(voice_id="X", language_code="xx-XX", gender="Male").language == "en-US"


def test_the_last_word_is_spoken_with_and_without_a_full_stop() -> None:
    for end in ("", "."):
        longer = seconds(f"We walked along the river to the bridge yesterday{end}")
        shorter = seconds(f"We walked along the river to the bridge{end}")
        assert longer - shorter > 0.35


def test_no_part_of_a_long_text_is_lost() -> None:
    sentence = "The pipeline reads the document and sends every paragraph away. "
    one = seconds(sentence)
    assert seconds(sentence * 120) == pytest.approx(120 * one, rel=0.06)


@pytest.mark.parametrize("text", ["Hello.", "Stop!", "<speak>Yes<break time='300ms'/>no</speak>", "\n\nLate.\n\n"])
def test_a_clip_begins_and_ends_in_silence(text: str) -> None:
    clip = samples(text).astype(int)
    assert np.abs(clip[: RATE // 40]).max() < 60
    assert np.abs(clip[-RATE // 20 :]).max() < 60
    # No step that would click.
    assert np.abs(np.diff(clip[: RATE // 20])).max() < 2500


@pytest.mark.parametrize("text", ["", " ", "\n\n", "...", "\x00", "<speak></speak>", "<speak> <p/> </speak>", "\ufeff"])
def test_a_text_with_nothing_to_say_is_a_moment_of_silence(text: str) -> None:
    clip = samples(text)
    assert 0.1 < clip.size / RATE < 1
    assert np.abs(clip.astype(int)).max() < 60


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b\x01200S c\x07",
        "[[h@l'oU]] [[[[ ]] ] [",
        "😀👩‍👩‍👧 \U0001f1eb\U0001f1f7 ok",
        "漢字かな交じり文 and English",
        "\ud800 lone \udfff",
        "ﷺ \u202e backwards \u2066",
        "x" * 5000,
        "9" * 400,
        "\U0010ffff\ufffe\ue000",
    ],
)
def test_no_input_is_too_strange(text: str) -> None:
    assert seconds(text) > 0.1
    assert (
        render_speech(request(text, output_format="json", speech_mark_types=("word", "sentence", "viseme"))) is not None
    )


def test_engine_commands_and_phonemes_in_the_text_are_not_obeyed() -> None:
    assert seconds("one \x01400Stwo three four five") == pytest.approx(seconds("one 400 Stwo three four five"), rel=0.1)
    assert not np.array_equal(samples("[[h@l'oU]]"), samples("hello"))


@pytest.mark.parametrize(("time", "length"), [("2s", 2.0), ("350ms", 0.35), ("0.75s", 0.75), ("30s", 10.0)])
def test_a_break_is_as_long_as_asked_and_at_most_ten_seconds(time: str, length: float) -> None:
    assert longest_silence(spoken(f'Alma<break time="{time}"/>Mater')) == pytest.approx(length, abs=0.1)


def test_a_break_after_a_sentence_takes_the_place_of_its_pause() -> None:
    assert longest_silence(spoken('Alma.<break time="1s"/> Mater.')) == pytest.approx(1.0, abs=0.1)


def test_consecutive_breaks_add_up() -> None:
    clip = spoken('Alma <break time="600ms"/> <break time="900ms"/> Mater')
    assert longest_silence(clip) == pytest.approx(1.5, abs=0.1)


def test_breaks_at_the_ends_are_kept() -> None:
    plain, padded = spoken("Alma").size, spoken('<break time="1s"/>Alma<break time="2s"/>').size
    assert (padded - plain) / RATE == pytest.approx(3.0, abs=0.01)


def test_break_strengths_grow_and_none_is_none() -> None:
    lengths = [spoken(f'Alma <break strength="{s}"/> Mater').size for s in ("none", "medium", "strong", "x-strong")]
    assert lengths == sorted(set(lengths))


def test_paragraphs_pause_longer_than_sentences_and_an_empty_line_is_a_paragraph() -> None:
    sentences = longest_silence(spoken("<s>Alma</s><s>Mater</s>"))
    paragraphs = longest_silence(spoken("<p>Alma</p><p>Mater</p>"))
    assert 0.25 < sentences < paragraphs < 0.9
    assert longest_silence(samples("Alma\n\nMater")) == pytest.approx(paragraphs, abs=0.05)
    assert longest_silence(samples("Alma\nMater")) < 0.2


def test_prosody_changes_pace_pitch_and_volume() -> None:
    text = "We were away a year ago."
    plain = spoken(text)
    assert spoken(f'<prosody rate="70%">{text}</prosody>').size > plain.size * 1.2
    assert spoken(f'<prosody rate="fast">{text}</prosody>').size < plain.size * 0.85
    assert pitch(spoken(f'<prosody pitch="+30%">{text}</prosody>')) > pitch(plain) * 1.15
    loudness = [
        np.abs(spoken(f'<prosody volume="{volume}">{text}</prosody>').astype(int)).mean()
        for volume in ("silent", "-12dB", "medium", "+5dB")
    ]
    assert loudness == sorted(loudness)
    assert loudness[0] < 3


def test_prosody_ends_where_its_element_ends() -> None:
    inside = spoken('<prosody rate="50%">one two</prosody> three four five six seven').size
    throughout = spoken('<prosody rate="50%">one two three four five six seven</prosody>').size
    assert inside < throughout * 0.8


def test_a_longest_duration_is_kept() -> None:
    text = "This sentence would take about three seconds to say in full."
    limited = spoken(f'<prosody amazon:max-duration="1500ms">{text}</prosody>').size / RATE
    assert limited == pytest.approx(1.5 + 0.17, abs=0.1)
    assert spoken(f'<prosody amazon:max-duration="9s">{text}</prosody>').size == spoken(text).size


@pytest.mark.parametrize("milliseconds", [20_000, 2_000, 1_000, 700, 400, 300, 200, 60, 20, 1, 0])
def test_a_longest_duration_is_kept_down_to_a_fifth_of_the_normal_one(milliseconds: int) -> None:
    text = "This sentence would take about three seconds to say in full."
    whole = spoken(text).size / RATE - 0.17
    limited = spoken(f'<prosody amazon:max-duration="{milliseconds}ms">{text}</prosody>').size / RATE - 0.17
    assert limited == pytest.approx(min(whole, max(milliseconds / 1000, whole / 5)), abs=0.06)


def test_many_short_stretches_together_keep_their_longest_duration() -> None:
    words = " ".join(
        f'<prosody pitch="{"high" if n % 2 else "low"}">word</prosody><break time="1ms"/>' for n in range(9)
    )
    whole = spoken(words).size / RATE
    limited = spoken(f'<prosody amazon:max-duration="{round(whole * 300)}ms">{words}</prosody>').size / RATE
    assert limited == pytest.approx(whole * 0.3 + 0.15, abs=0.12)


def test_faster_speech_keeps_its_pitch_and_its_level() -> None:
    text = "We will all roam our own way, one more mile, no more."
    slow = spoken(text)
    fast = spoken(f'<prosody amazon:max-duration="{round(slow.size / RATE * 400)}ms">{text}</prosody>')
    assert pitch(fast) == pytest.approx(pitch(slow), rel=0.15)
    assert np.abs(fast.astype(int)).mean() == pytest.approx(np.abs(slow.astype(int)).mean(), rel=0.3)


@pytest.mark.parametrize("length", [0, 1, 7, 300, 4000, 22_050])
@pytest.mark.parametrize("scale", [1.0, 1.0001, 1.7, 2.0, 3.7, 5.0])
def test_faster_is_shorter_to_the_sample(length: int, scale: float) -> None:
    noise = np.random.RandomState(1).randint(-32_768, 32_768, length).astype(np.int16)
    assert faster(noise, scale).size == round(length / scale)


def test_substitutes_are_spoken() -> None:
    alias = spoken('<sub alias="World Wide Web Consortium">W3C</sub>')
    assert np.array_equal(alias, spoken("World Wide Web Consortium"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('<say-as interpret-as="digits">1234</say-as>', "1 2 3 4"),
        ('<say-as interpret-as="ordinal">21</say-as>', "21st"),
        ('<say-as interpret-as="fraction">3/4</say-as>', "3 quarters"),
        ('<say-as interpret-as="unit">5ft</say-as>', "5 feet"),
        ('<say-as interpret-as="date" format="mdy">9/3/2025</say-as>', "September 3rd, 2025"),
        ('<say-as interpret-as="time">1\'21"</say-as>', "1 minute 21 seconds"),
        ('<say-as interpret-as="telephone">555-0100</say-as>', "5 5 5, 0 1 0 0"),
        ('<say-as interpret-as="cardinal">1234</say-as>', "1234"),
    ],
)
def test_say_as_is_spoken_in_words(content: str, words: str) -> None:
    assert np.array_equal(spoken(content), spoken(words))


def test_letters_are_named() -> None:
    assert spoken('<say-as interpret-as="characters">dog</say-as>').size > spoken("dog").size * 1.05


def test_phonemes_are_spoken_in_both_alphabets() -> None:
    ipa = spoken('<phoneme alphabet="ipa" ph="pɪˈkɑːn">tomato soup</phoneme>')
    assert np.array_equal(ipa, spoken("""<phoneme alphabet="x-sampa" ph='pI"kA:n'>tomato soup</phoneme>"""))
    assert ipa.size < spoken("tomato soup").size


def test_phonemes_without_a_counterpart_leave_the_text_as_it_is() -> None:
    unknown = spoken('<phoneme alphabet="x-amazon-pinyin" ph="bao2">soup</phoneme>')
    assert np.array_equal(unknown, spoken("soup"))


def test_other_languages_whispering_and_emphasis_are_audible() -> None:
    assert not np.array_equal(spoken('<lang xml:lang="fr-FR">Paris</lang>'), spoken("Paris"))
    assert not np.array_equal(spoken('<amazon:effect name="whispered">Paris</amazon:effect>'), spoken("Paris"))
    assert spoken('<emphasis level="strong">Paris</emphasis>').size > spoken("Paris").size


def test_entities_comments_and_character_data_are_text() -> None:
    assert np.array_equal(spoken("you &amp; me"), spoken("you <!-- not me --><![CDATA[&]]> me"))


def test_titles_do_not_end_a_sentence() -> None:
    assert longest_silence(samples("Mr. Smith met Dr. Jones.")) < 0.2


@pytest.mark.parametrize("text", ["<speak>one <p>two</speak>", "<speak>", "<speak>&nbsp;</speak>", "<speak/>x"])
def test_malformed_ssml_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(SsmlError, match="line 1"):
        render_speech(request(text))


def test_a_document_type_is_refused() -> None:
    bomb = '<!DOCTYPE speak [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><speak>&b;</speak>'
    with pytest.raises(SsmlError, match="document type"):
        render_speech(request(bomb, text_type="ssml"))


def test_a_lexicon_alias_is_spoken_in_its_language_only() -> None:
    alias = "<alias>World Wide Web Consortium</alias>"
    english, german = (PLS.format(alphabet="ipa", lang=lang, pronunciation=alias) for lang in ("en-US", "de-DE"))
    expected = samples("The World Wide Web Consortium met.")
    assert np.array_equal(samples("The W3C met.", lexicons=(english,)), expected)
    assert np.array_equal(samples("The W3C met.", lexicons=(german,)), samples("The W3C met."))


def test_a_lexicon_matches_whole_words_with_their_capitals() -> None:
    lexicon = PLS.format(alphabet="ipa", lang="en-US", pronunciation="<alias>consortium</alias>")
    for text in ("The w3c met.", "The W3CX met."):
        assert np.array_equal(samples(text, lexicons=(lexicon,)), samples(text))


def test_a_lexicon_phoneme_is_spoken() -> None:
    lexicon = PLS.format(alphabet="ipa", lang="en-US", pronunciation="<phoneme>pɪˈkɑːn</phoneme>")
    assert samples("W3C", lexicons=(lexicon,)).size < samples("W3C").size


def test_the_first_of_two_lexicons_counts() -> None:
    first, second = (
        PLS.format(alphabet="ipa", lang="en-US", pronunciation=f"<alias>{alias}</alias>")
        for alias in ("consortium", "committee")
    )
    assert np.array_equal(samples("The W3C met.", lexicons=(first, second)), samples("The consortium met."))
