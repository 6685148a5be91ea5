from __future__ import annotations

import json
from datetime import timedelta

import pytest

from narration.document.model import DocumentError
from narration.errors import PermanentNarrationError
from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_jobs import AzureJob
from narration.operators.azure_request import (
    SynthesisRequest,
    check_inputs,
    check_script,
    check_synthesis_id,
    hours_of,
    input_kind_of,
    truth,
)
from narration.operators.azure_texts import read_inputs, read_script


def _request(**change):
    given = {
        "api": SynthesisApi.BATCH,
        "arguments": {"inputs": ["Hello."], "synthesis_config": {"voice": "en-US-JennyNeural"}},
        "payer": ("azure_speech_default", None),
        "asker": ("books", "scheduled__2026-11-21T00:00:00+00:00", "speak", -1),
        **change,
    }
    return SynthesisRequest(**given)


def _job(**facts):
    return AzureJob(api=SynthesisApi.BATCH, job_id="j-1", status="Running", **facts)


CONTAINER = "https://mine.blob.core.windows.net/audio?sp=racwdl&sig="


class TestTheKey:
    def test_another_attempt_has_the_same_one(self):
        assert _request().key == _request().key

    @pytest.mark.parametrize(
        "change",
        [
            {"api": SynthesisApi.BATCH_PREVIEW},
            {"arguments": {"inputs": ["Hello?"]}},
            {"payer": ("another", None)},
            {"payer": ("azure_speech_default", "westus")},
            {"asker": ("books", "another run", "speak", -1)},
            {"asker": ("books", "scheduled__2026-11-21T00:00:00+00:00", "speak", 0)},
        ],
        ids=["api", "content", "connection", "region", "run", "map index"],
    )
    def test_what_makes_it_another_purchase_changes_it(self, change):
        assert _request(**change).key != _request().key

    def test_a_fresh_signature_of_the_same_container_does_not(self):
        first, second = (
            _request(arguments={"inputs": ["Hello."], "properties": {"destinationContainerUrl": CONTAINER + signature}})
            for signature in ("one", "two")
        )

        assert first.key == second.key

    @pytest.mark.parametrize(
        ("more", "is_the_same"),
        [
            ({"description": "Another one."}, True),
            ({"custom_properties": {"shelf": "8"}}, True),
            ({"properties": {"outputFormat": "riff", "timeToLiveInHours": 24}}, True),
            ({"properties": {"outputFormat": "riff", "timeToLive": "PT24H"}}, True),
            ({"properties": {"outputFormat": "ogg", "timeToLiveInHours": 168}}, False),
            ({"custom_voices": {"Emma": "id"}}, False),
        ],
    )
    def test_what_only_describes_the_job_and_how_long_it_is_kept_are_no_part_of_it(self, more, is_the_same):
        given = {
            "inputs": ["Hello."],
            "description": "One.",
            "custom_properties": {"shelf": "7"},
            "properties": {"outputFormat": "riff", "timeToLiveInHours": 168},
        }

        assert (_request(arguments=given).key == _request(arguments={**given, **more}).key) is is_the_same

    def test_who_asks_is_no_part_of_what_is_asked_for(self):
        assert _request().content_key == _request(asker=("other", "run", "task", 3)).content_key


class TestTheName:
    @pytest.mark.parametrize(
        "asker",
        [
            ("books", "r", "speak", -1),
            ("b" * 250, "r", "s" * 250, 1023),
            ("größe", "r", "Überschrift 1", 0),
            ("группа", "r", "задача", -1),
            ("a.b_c-", "r", "task_group.task", -1),
        ],
    )
    @pytest.mark.parametrize("number", [1, 5])
    def test_an_id_derived_from_anybody_is_one_that_azure_takes(self, asker, number):
        job_id = _request(asker=asker).job_id(number)

        check_synthesis_id(job_id)
        assert len(job_id) <= 64

    def test_an_id_says_whose_it_is_and_which_try(self):
        assert _request().job_id(1).startswith("books.speak-")
        assert _request().job_id(2) == f"{_request().job_id(1)}-2"

    def test_a_name_carries_the_key_and_is_recognised_by_it(self):
        request, other = _request(), _request(arguments={"inputs": ["Other."]})

        for name in ("Emma", ""):
            job = _job(display_name=request.display_name(name))
            assert request.is_named_in(job)
            assert not other.is_named_in(job)
        assert request.display_name("Emma").startswith("Emma [")
        assert request.display_name("").startswith("books.speak [")

    def test_a_job_without_a_name_is_nobody_s(self):
        assert not _request().is_named_in(_job())
        assert not _request().is_described_in(_job())

    def test_a_description_carries_what_was_asked_for(self):
        request = _request()

        for text in ("For Emma.", None):
            assert request.is_described_in(_job(description=request.description(text)))
        assert not request.is_described_in(_job(description="For Emma."))

    @pytest.mark.parametrize("synthesis_id", ["ab", "-abc", "abc-", "a b c", "a" * 65, "größe", "abc\n"])
    def test_an_id_that_azure_would_refuse_is_refused(self, synthesis_id):
        with pytest.raises(PermanentNarrationError, match="3 to 64"):
            check_synthesis_id(synthesis_id)


class TestInputs:
    @pytest.mark.parametrize(
        ("inputs", "said"),
        [
            ([], "no inputs"),
            (["fine", " \n"], "Input 2 of 2 is empty"),
            (["fine", 7], "Input 2 of 2 is no text but 7"),
            (["x"] * 10_001, "10,001 inputs; one job takes 10,000"),
        ],
    )
    def test_those_that_give_no_audio_are_named(self, inputs, said):
        with pytest.raises(PermanentNarrationError, match=said):
            check_inputs(inputs, api=SynthesisApi.BATCH)

    def test_the_preview_takes_fewer(self):
        check_inputs(["x"] * 1_000, api=SynthesisApi.BATCH_PREVIEW)
        with pytest.raises(PermanentNarrationError, match="one job takes 1,000"):
            check_inputs(["x"] * 1_001, api=SynthesisApi.BATCH_PREVIEW)


class TestTheScript:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("x" * 399, "399 characters without its line breaks; Long Audio takes more than 400"),
            ("x" * 400, "400 characters"),
            ("x" * 400 + "\n", "400 characters without its line breaks"),
            ("x" * 200 + "\r\n \r\n" + "x" * 200, "400 characters"),
            ("paragraph\n" * 10_000, "10,000 paragraphs; Long Audio takes fewer than 10,000"),
            (" \n", "empty"),
        ],
    )
    def test_a_size_that_long_audio_does_not_take_is_refused(self, text, said):
        with pytest.raises(PermanentNarrationError, match=said):
            check_script(text, is_ssml=False)

    def test_the_smallest_and_the_largest_pass(self):
        check_script("x" * 401, is_ssml=False)
        check_script("paragraph\n\n" * 9_999, is_ssml=False)

    def test_the_billable_characters_of_ssml_are_left_to_the_service(self):
        check_script("<speak>short</speak>", is_ssml=True)


class TestReading:
    def _read(self, **change):
        return read_inputs(
            **{
                "inputs": None,
                "inputs_file": None,
                "split_paragraphs": False,
                "storage_conn_id": None,
                **change,
            }
        )

    def test_one_text_is_one_input_unless_its_paragraphs_are_to_be(self):
        text = "One.\r\nStill one.\r\n \r\nTwo.\n\n\n"

        assert self._read(inputs=text) == [text]
        assert self._read(inputs=text, split_paragraphs=True) == ["One.\nStill one.", "Two."]

    def test_a_list_may_be_written_as_the_apis_write_it(self):
        assert self._read(inputs=["One.", {"content": "Two."}, {"text": "Three."}]) == ["One.", "Two.", "Three."]

    def test_a_file_is_read_without_its_byte_order_marks(self, tmp_path):
        (tmp_path / "emma.txt").write_bytes(b"\xef\xbb\xbf\xef\xbb\xbfEmma Woodhouse.")

        assert self._read(inputs="", inputs_file=str(tmp_path / "emma.txt")) == ["Emma Woodhouse."]

    def test_a_json_file_holds_a_list_of_inputs(self, tmp_path):
        (tmp_path / "inputs.json").write_text(json.dumps(["One.", {"content": "Two."}]))

        assert self._read(inputs_file=str(tmp_path / "inputs.json")) == ["One.", "Two."]

    @pytest.mark.parametrize("content", ["{}", '"text"', "[not json"])
    def test_a_json_file_without_a_list_is_refused(self, tmp_path, content):
        (tmp_path / "inputs.json").write_text(content)

        with pytest.raises(PermanentNarrationError, match=r"inputs\.json"):
            self._read(inputs_file=str(tmp_path / "inputs.json"))

    @pytest.mark.parametrize("given", [{}, {"inputs": "a", "inputs_file": "b"}, {"inputs": ["a"], "inputs_file": "b"}])
    def test_both_or_neither_is_refused(self, given):
        with pytest.raises(PermanentNarrationError, match="either inputs or inputs_file, and not both"):
            self._read(**given)

    @pytest.mark.parametrize("given", [{"text": "", "text_file": None}, {"text": "a", "text_file": "b"}])
    def test_both_or_neither_of_a_script_is_refused_in_its_own_words(self, given):
        with pytest.raises(PermanentNarrationError, match="either text or text_file, and not both"):
            read_script(**given, storage_conn_id=None)

    @pytest.mark.parametrize("split_paragraphs", [True, False])
    @pytest.mark.parametrize("inputs", [5, {"content": "One."}], ids=["number", "mapping"])
    def test_what_is_no_text_is_refused(self, inputs, split_paragraphs):
        with pytest.raises(PermanentNarrationError, match=r"inputs is no text, but of the type (int|dict)"):
            self._read(inputs=inputs, split_paragraphs=split_paragraphs)

    def test_a_file_in_another_encoding_is_refused_with_the_place(self, tmp_path):
        (tmp_path / "emma.txt").write_bytes("Emma et les élèves".encode("latin-1"))

        with pytest.raises(DocumentError, match="line 1"):
            read_script(text=None, text_file=str(tmp_path / "emma.txt"), storage_conn_id=None)


class TestValues:
    @pytest.mark.parametrize(("value", "hours"), [(168, 168), ("24", 24), (timedelta(days=31), 744), (1.0, 1)])
    def test_a_time_to_live_is_whole_hours(self, value, hours):
        assert hours_of(value) == hours

    @pytest.mark.parametrize("value", [0, 745, "soon", 1.5, timedelta(minutes=90), -1, "nan", "inf", None, []])
    def test_any_other_time_to_live_is_refused(self, value):
        with pytest.raises(PermanentNarrationError, match="744"):
            hours_of(value)

    @pytest.mark.parametrize(
        ("value", "read"), [(True, True), ("True", True), ("false", False), ("", False), (None, False)]
    )
    def test_a_yes_or_no_may_come_from_a_template(self, value, read):
        assert truth(value, name="x") is read

    def test_a_word_that_is_neither_is_refused(self):
        with pytest.raises(PermanentNarrationError, match="word_boundary_enabled is 'maybe'"):
            truth("maybe", name="word_boundary_enabled")

    def test_kinds_of_input_in_any_letter_case_and_no_others(self):
        assert [input_kind_of(kind) for kind in ("plaintext", "Ssml", "text")] == ["PlainText", "SSML", "PlainText"]
        for kind in ("html", None):
            with pytest.raises(PermanentNarrationError, match=f"input_kind is {kind!r}"):
                input_kind_of(kind)
