"""
What we estimate a paragraph to cost, held against what the local cloud bills for it.

The local cloud was written from the vendors' pages and shares no code with the estimates.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from include.local_cloud.azure.billing import PLAIN_TEXT, billable
from include.local_cloud.azure.billing import SSML as AZURE_SSML
from include.local_cloud.polly.ssml import billable_characters_of_ssml
from narration.document.model import DocumentError
from narration.synthesis import azure_rules, polly_rules
from narration.synthesis.polly_rules import PollyRules
from narration.synthesis.reconcile import JobState
from tests.conftest import BUCKET
from tests.services.azure_purchases import batch, bought
from tests.synthesis.billing_cases import SSML, TEXTS, documents, texts
from tests.synthesis.test_azure_rules import rules

CASES = [pytest.param(text, "text", id=name) for name, text in TEXTS.items()]
CASES += [pytest.param(text, "ssml", id=name) for name, text in SSML.items()]
# Azure's voices know tags that Polly's do not, and the other way round; these are of both.
POLLY = PollyRules(engine="neural", voice="Joanna")
AZURE = rules()
OPTIONS = settings(max_examples=300, deadline=None)


def in_bounds(count: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= count <= bounds[1]


class TestPolly:
    @pytest.mark.parametrize(("text", "text_type"), CASES)
    def test_the_estimate_is_what_the_service_counts_and_bills(self, bench, text, text_type):
        task = bench.cloud.client("polly").start_speech_synthesis_task(
            Text=text,
            TextType=text_type,
            OutputFormat="mp3",
            OutputS3BucketName=BUCKET,
            Engine="neural",
            VoiceId="Joanna",
        )["SynthesisTask"]

        assert POLLY.billable_characters(text, text_type) == task["RequestCharacters"] == bench.billed
        assert in_bounds(bench.billed, POLLY.character_bounds(text, text_type))

    @OPTIONS
    @given(documents)
    def test_ssml_of_any_kind_is_estimated_as_it_is_billed(self, document):
        assert polly_rules.billable_characters(document, "ssml") == billable_characters_of_ssml(
            document, entities="decoded"
        )

    @OPTIONS
    @given(documents)
    def test_whichever_way_the_service_counts_it_is_within_the_bounds(self, document):
        bounds = POLLY.character_bounds(document, "ssml")

        for reading in ("decoded", "raw"):
            assert in_bounds(billable_characters_of_ssml(document, entities=reading), bounds)
        assert in_bounds(POLLY.billable_characters(document, "ssml"), bounds)

    @OPTIONS
    @given(texts)
    def test_the_bounds_of_a_text_differ_by_what_is_beyond_the_bmp(self, text):
        beyond = sum(ord(character) > 0xFFFF for character in text)

        assert POLLY.character_bounds(text, "text") == (len(text), len(text) + beyond)
        assert POLLY.billable_characters(text, "text") == len(text)

    @pytest.mark.parametrize(
        ("ssml", "bounds"),
        [
            ("<speak>Hello</speak>", (5, 5)),
            ("<speak> Hello  <p>you</p> </speak>", (9, 12)),
            ("<speak>a &amp; b</speak>", (5, 9)),
            ("<speak>a<!-- b --></speak>", (1, 11)),
            ("<speak><![CDATA[ab]]></speak>", (0, 14)),
            ('<speak><sub alias="a > b">c</sub></speak>', (1, 5)),
            ("<speak>\U0001f600</speak>", (1, 2)),
        ],
    )
    def test_the_ends_of_the_bounds(self, ssml, bounds):
        assert POLLY.character_bounds(ssml, "ssml") == bounds


class TestAzure:
    @pytest.mark.parametrize("kind", ["text", "ssml"])
    def test_what_is_bought_is_billed_as_estimated(self, azure_bench, kind):
        cases = TEXTS if kind == "text" else SSML
        wanted = batch(azure_bench, *cases.values(), text_type=kind)

        (job,) = bought(azure_bench, wanted)

        assert job.state is JobState.SUCCEEDED, job.reason
        estimates = [AZURE.billable_characters(text, kind) for text in cases.values()]
        assert estimates == [clip.characters for clip in wanted.clips]
        assert azure_bench.billed == job.characters == sum(estimates)
        counted = {clip.clip_key: clip.characters for clip in azure_bench.adapter.fetch(job)}
        for name, clip in zip(cases, wanted.clips, strict=True):
            # Of the three, only the preview counts each input for itself.
            if counted[clip.clip_key] is not None:
                assert counted[clip.clip_key] == clip.characters, name

    @OPTIONS
    @given(texts)
    def test_text_of_any_kind_is_estimated_as_it_is_billed(self, text):
        assert AZURE.billable_characters(text, "text") == billable(AZURE.sent(text, "text"), kind=PLAIN_TEXT)

    @OPTIONS
    @given(documents)
    def test_ssml_of_any_kind_is_estimated_as_it_is_billed(self, document):
        sent = AZURE.sent(document, "ssml")

        assert AZURE.billable_characters(document, "ssml") == billable(sent, kind=AZURE_SSML)

    @OPTIONS
    @given(documents)
    def test_so_is_what_others_wrote_and_was_not_put_into_our_form(self, document):
        assert azure_rules.billable_characters(document, "ssml") == billable(document, kind=AZURE_SSML)

    @OPTIONS
    @given(documents)
    def test_whichever_way_the_service_counts_it_is_within_the_bounds(self, document):
        for sent in (document, AZURE.sent(document, "ssml")):
            bounds = azure_rules.character_bounds(sent, "ssml")
            for reading in ("collapsed", "literal"):
                assert in_bounds(billable(sent, kind=AZURE_SSML, white_space=reading), bounds)
            assert in_bounds(azure_rules.billable_characters(sent, "ssml"), bounds)

    @OPTIONS
    @given(texts)
    def test_the_bounds_of_a_text_differ_by_what_is_beyond_the_bmp_alone(self, text):
        fewest, most = AZURE.character_bounds(text, "text")

        assert fewest == AZURE.billable_characters(text, "text")
        assert (fewest == most) is all(ord(character) <= 0xFFFF for character in text)

    @pytest.mark.parametrize(
        ("text", "text_type", "bounds"),
        [
            ("Hello  世界", "text", (11, 11)),
            ("\U0001f600", "text", (1, 2)),
            ("\U00020000", "text", (2, 4)),
            ("<speak>a &amp; b</speak>", "ssml", (5, 9)),
            ("<speak>a  <break/>\n\tb</speak>", "ssml", (12, 14)),
            ("<speak><voice name='x'>a<!-- b --></voice></speak>", "ssml", (1, 11)),
            ("<speak><![CDATA[a & b]]></speak>", "ssml", (5, 17)),
            ('<speak><sub alias="&lt;">世</sub></speak>', "ssml", (23, 26)),
        ],
    )
    def test_the_ends_of_the_bounds(self, text, text_type, bounds):
        assert azure_rules.character_bounds(text, text_type) == bounds

    def test_what_is_not_ssml_has_no_bounds(self):
        with pytest.raises(DocumentError):
            AZURE.character_bounds("<speak>", "ssml")
