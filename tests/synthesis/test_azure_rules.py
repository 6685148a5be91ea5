from __future__ import annotations

import json

import pytest

from narration.document.model import Chapter, Document, DocumentError, Paragraph
from narration.document.ssml import parse_ssml
from narration.synthesis.azure_rules import (
    MAX_INPUT_BYTES,
    AzureRules,
    billable_characters,
    locale_of,
    script_characters,
    voices_in,
)
from narration.synthesis.planning import plan_narration
from narration.synthesis.profile import VoiceProfile

SPEAK = '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'
MSTTS = 'xmlns:mstts="http://www.w3.org/2001/mstts"'
JENNY = '<voice name="en-US-JennyNeural">'


def profile(**change) -> VoiceProfile:
    return VoiceProfile(
        **{
            "service": "azure",
            "voice": "en-US-JennyNeural",
            "engine": "neural",
            "language_code": None,
            "audio_format": "mp3",
            "sample_rate": 24000,
            "options": (("output_format", "audio-24khz-160kbitrate-mono-mp3"),),
            **change,
        }
    )


def rules(*, long_audio: bool = False, **change) -> AzureRules:
    return AzureRules(profile=profile(**change), long_audio=long_audio)


class TestTheBill:
    @pytest.mark.parametrize(
        ("ssml", "characters"),
        [
            pytest.param(
                "<speak version='1.0' xml:lang='en-US'><voice name='en-US-JennyNeural'>The rainbow has seven colors."
                "</voice></speak>",
                29,
                id="the-page-of-2024-04-01",
            ),
            pytest.param(
                "<speak version='1.0' xml:lang='en-US'>\n\t\t\t\t<voice name='en-US-JennyNeural'>\n\t\t\t\t\tThe "
                "rainbow has seven colors.\n\t\t\t\t</voice>\n\t\t\t</speak>",
                33,
                id="the-page-of-the-preview",
            ),
        ],
    )
    def test_the_vendor_s_own_examples_come_to_what_the_vendor_prints(self, ssml, characters):
        assert billable_characters(ssml, "ssml") == characters

    def test_markup_is_billed_except_for_speak_and_voice(self):
        assert billable_characters('<speak>Hi<break time="1s"/>you</speak>', "ssml") == 5 + len('<break time="1s"/>')
        assert billable_characters('<speak><voice name="x"><p>Hi</p></voice></speak>', "ssml") == len("<p>Hi</p>")

    def test_han_ideographs_count_twice_and_no_other_script_does(self):
        assert billable_characters("你好", "text") == 4
        assert billable_characters("かな カナ 한글 ½", "text") == len("かな カナ 한글 ½")
        assert (
            billable_characters('<speak><sub alias="你">A</sub></speak>', "ssml") == len('<sub alias="你">A</sub>') + 1
        )

    def test_plain_text_counts_by_code_points_with_its_spaces(self):
        assert billable_characters("a  b 🎉", "text") == 6

    def test_an_entity_counts_as_it_is_written(self):
        assert billable_characters("<speak>Fish &amp; chips</speak>", "ssml") == len("Fish &amp; chips")

    def test_what_is_wrapped_around_a_paragraph_is_free(self):
        assert rules().billable_characters("<speak>Hello.</speak>", "ssml") == len("Hello.")


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("text", "sent"),
        [
            ("One line.", "One line."),
            ("Two\nlines\r\nhere", "Two lines here"),
            ("tab\tand\u2028separator", "tab and separator"),
            ("\ufeffbell\x07 and half a \ud800 pair", "bell and half a  pair"),
        ],
    )
    def test_plain_text_goes_on_one_line_without_what_has_no_sound(self, text, sent):
        assert rules().sent(text, "text") == sent

    def test_ssml_gets_what_azure_insists_on(self):
        assert rules().sent("<speak><p>Hello.</p></speak>", "ssml") == f"{SPEAK}{JENNY}<p>Hello.</p></voice></speak>"

    def test_the_author_s_language_is_kept(self):
        sent = rules().sent('<speak xml:lang="de-DE">Guten Tag.</speak>', "ssml")

        assert 'xml:lang="de-DE"' in sent

    def test_the_author_s_voice_is_kept_and_the_rest_gets_that_of_the_profile(self):
        sent = rules().sent('<speak>He said: <voice name="en-US-GuyNeural">Hello.</voice> And left.</speak>', "ssml")

        assert sent == (
            f'{SPEAK}{JENNY}He said: </voice><voice name="en-US-GuyNeural">Hello.</voice>'
            f"{JENNY} And left.</voice></speak>"
        )
        assert voices_in(sent) == ("en-US-JennyNeural", "en-US-GuyNeural")

    def test_background_audio_stands_beside_the_voice(self):
        sent = rules().sent('<speak><mstts:backgroundaudio src="https://a/b.wav"/>Hello.</speak>', "ssml")

        assert sent.endswith(f'<mstts:backgroundaudio src="https://a/b.wav"/>{JENNY}Hello.</voice></speak>')

    @pytest.mark.parametrize("declared", ["", MSTTS, MSTTS.replace("http:", "https:")])
    def test_the_prefix_that_everybody_uses_is_declared_whether_the_author_did_or_not(self, declared):
        text = f'<speak {declared}><mstts:express-as style="sad">Oh.</mstts:express-as></speak>'

        sent = rules().sent(text, "ssml")

        assert MSTTS in sent
        assert parse_ssml(sent, source="x").nsmap["mstts"] == "http://www.w3.org/2001/mstts"

    def test_marks_are_left_out_because_nobody_hears_them(self):
        assert (
            rules().sent('<speak>One <mark name="x"/>two.</speak>', "ssml") == f"{SPEAK}{JENNY}One two.</voice></speak>"
        )

    def test_every_paragraph_is_one_line(self):
        text = '<speak><sub alias="a\nb">x</sub>\n<p>y</p></speak>'

        assert "\n" not in rules().sent(text, "ssml")

    def test_the_locale_is_in_the_voice_s_name(self):
        assert [locale_of(v) for v in ("en-US-JennyNeural", "zh-CN-sichuan-YunxiNeural")] == ["en-US", "zh-CN-sichuan"]


class TestObjections:
    @pytest.mark.parametrize(
        ("ssml", "objection"),
        [
            ('<speak><amazon:effect name="drc">x</amazon:effect></speak>', "<amazon:effect> is Amazon Polly's"),
            ("<speak><w role='amazon:VB'>read</w></speak>", "does not know <w>"),
            ('<speak><p><voice name="en-US-GuyNeural">x</voice></p></speak>', "<voice> stands inside <p>"),
            ("<speak><voice>x</voice></speak>", "a <voice> has no name"),
            ('<speak><p>x<mstts:backgroundaudio src="a"/></p></speak>', "stands inside <p>"),
        ],
    )
    def test_what_azure_refuses_is_named(self, ssml, objection):
        (found,) = rules().objections(ssml, "ssml")

        assert objection in found

    def test_what_azure_has_is_accepted(self):
        ssml = (
            '<speak><p><s>One <emphasis level="strong">two</emphasis> <break time="1s"/></s></p>'
            '<prosody rate="slow"><lang xml:lang="de-DE">drei</lang></prosody> <sub alias="four">4</sub> '
            '<say-as interpret-as="date">1/2</say-as> <phoneme alphabet="ipa" ph="x">y</phoneme> <mark name="m"/>'
            '<mstts:express-as style="sad">six</mstts:express-as><audio src="https://a/b.wav">seven</audio>'
            '<math xmlns="http://www.w3.org/1998/Math/MathML"><mi>x</mi></math></speak>'
        )

        assert list(rules().objections(ssml, "ssml")) == []
        assert list(rules().objections("<speak> is plain text here", "text")) == []

    @pytest.mark.parametrize("tag", ["audio", "lexicon"])
    def test_long_audio_does_not_leave_out_a_tag_without_a_word(self, tag):
        ssml = f'<speak><{tag} src="https://a/b"/>x</speak>'

        assert list(rules().objections(ssml, "ssml")) == []
        (found,) = rules(long_audio=True).objections(ssml, "ssml")
        assert f"leaves <{tag}> out" in found
        assert "narrate_azure_batch" in found

    def test_long_audio_refuses_background_audio_before_the_service_fails_on_it(self):
        ssml = '<speak><mstts:backgroundaudio src="https://a/b"/>x</speak>'

        assert list(rules().objections(ssml, "ssml")) == []
        assert "narrate_azure_batch" in next(rules(long_audio=True).objections(ssml, "ssml"))

    def test_ways_of_speaking_are_for_plain_text_and_ssml_is_told_so(self):
        spoken = rules(options=(("output_format", "x"), ("rate", "slow"), ("style", "sad")))

        assert list(spoken.objections("Hello.", "text")) == []
        assert "rate, style can be set for plain text only" in next(spoken.objections("<speak>x</speak>", "ssml"))

    def test_what_is_not_well_formed_is_an_objection_and_not_a_crash(self):
        assert "line 1" in next(rules().objections("<speak><p>x</speak>", "ssml"))

    @pytest.mark.parametrize(
        ("text", "text_type"),
        [
            ("\ufeff", "text"),
            ("\x7f", "text"),
            ("\u200b \u2060", "text"),
            ("<speak/>", "ssml"),
            ('<speak><mark name="x"/></speak>', "ssml"),
            ('<speak><voice name="en-US-AriaNeural">\u200b</voice></speak>', "ssml"),
        ],
    )
    def test_a_paragraph_of_which_nothing_could_be_sent_is_refused(self, text, text_type):
        assert "no words that could be sent" in next(rules().objections(text, text_type))

    @pytest.mark.parametrize(
        ("text", "text_type"), [("7", "text"), ("***", "text"), ('<speak><break time="1s"/></speak>', "ssml")]
    )
    def test_what_may_be_heard_is_left_to_the_service(self, text, text_type):
        assert list(rules().objections(text, text_type)) == []


class TestSizes:
    def test_an_input_is_measured_as_it_stands_in_the_request(self):
        for text in ("Hello “world”", '"quoted"\\', "你好", "🎉"):
            body = json.dumps({"content": text}, ensure_ascii=False).encode()
            assert rules().size(text, "text") == len(body) - len('{"content": }')

    def test_the_wrapping_counts(self):
        assert rules().size("<speak>x</speak>", "ssml") > len(SPEAK)

    def test_a_paragraph_too_long_for_one_input_is_split_at_sentences(self):
        text = " ".join(["The quick brown fox jumps over the lazy dog."] * 3000)
        document = Document(title="T", source="t", chapters=(Chapter(title="C", paragraphs=(Paragraph(text=text),)),))

        pieces = plan_narration(document, profile=profile(), rules=rules(), pauses={}).paragraphs

        assert len(pieces) == 3
        assert all(rules().size(piece.clip.text, "text") <= MAX_INPUT_BYTES for piece in pieces)

    def test_all_objections_of_a_document_come_at_once_before_anything_is_bought(self):
        bad = Paragraph(text="<speak><w>x</w></speak>", text_type="ssml", line=3)
        document = Document(title="T", source="t.ssml", chapters=(Chapter(title="C", paragraphs=(bad, bad)),))

        with pytest.raises(DocumentError, match=r"(?s)2 paragraph.*line 3 of t\.ssml.*does not know <w>"):
            plan_narration(document, profile=profile(), rules=rules(), pauses={})


def test_a_script_s_length_is_that_of_its_text_or_what_its_ssml_bills():
    assert script_characters("你好", "text") == 2
    assert script_characters(f"{SPEAK}{JENNY}你好<break/></voice></speak>", "ssml") == 4 + len("<break/>")


def test_the_three_apis_give_a_paragraph_the_same_input_and_so_the_same_clip():
    for text, kind in (("Hello.", "text"), ("<speak>Hello.</speak>", "ssml")):
        assert rules().sent(text, kind) == rules(long_audio=True).sent(text, kind)
