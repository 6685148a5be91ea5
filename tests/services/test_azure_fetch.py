"""Pairing what is in a result with the clips that were bought: nothing is guessed."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_errors import AzureSpeechError, AzureSpeechRefusedError
from narration.hooks.azure_zip import AzureResultUnsafeError
from narration.services.azure_fetch import fetch_clips
from narration.services.base import AudioMissingError
from narration.synthesis.reconcile import Job, JobState

API = SynthesisApi.LONG_AUDIO


def archive(**members: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as package:
        for name, content in members.items():
            package.writestr(name.replace("__", "."), content)
    return data.getvalue()


class Downloads:
    """The results that arrive, one download after the other; the cloud does not make such ones."""

    def __init__(self, *results: bytes | Exception, has_result: bool = True) -> None:
        self.results = list(results)
        self.has_result = has_result

    def download(self, *, api, job_id, to, max_bytes=None) -> int:
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return to.write(result)

    def result_url(self, *, api, job_id) -> str:
        if not self.has_result:
            raise AzureSpeechRefusedError("Job 'j' is Succeeded and has no result to download.")
        return "https://host/result.zip"


def fetched(*results: bytes | Exception, clips: int = 3, extra: int = 0, **more) -> dict[str, bytes | str]:
    """What each clip got: its audio, or why there is none."""
    job = Job(job_id="j", clip_keys=tuple("abcdefgh"[:clips]), state=JobState.SUCCEEDED)
    found = fetch_clips(Downloads(*results, **more), api=API, job=job, extra_inputs=extra)
    return {clip.clip_key: clip.defect if clip.data is None else clip.data for clip in found}


def uncertain(result: bytes) -> set[bool]:
    job = Job(job_id="j", clip_keys=("a", "b", "c"), state=JobState.SUCCEEDED)
    return {clip.uncertain for clip in fetch_clips(Downloads(result), api=API, job=job)}


class TestLongAudio:
    def test_as_many_files_as_paragraphs_are_paired_in_their_order_whatever_their_names(self):
        result = archive(b9__wav="9", b10__wav="10", a__wav="a", script__txt="x")

        assert fetched(result) == {"a": b"a", "b": b"9", "c": b"10"}

    def test_the_audio_of_what_was_sent_for_its_length_alone_is_left_alone(self):
        result = archive(**{f"{number:04}__wav": str(number) for number in range(1, 6)})

        assert fetched(result, extra=2) == {"a": b"1", "b": b"2", "c": b"3"}

    def test_numbers_that_account_for_every_paragraph_say_which_one_failed(self):
        result = archive(**{"0001__wav": "1", "0002__err.txt": "too long a word", "0003__wav": "3"})

        assert fetched(result) == {"a": b"1", "b": "too long a word", "c": b"3"}

    def test_a_failure_among_the_extra_ones_is_nobody_s(self):
        result = archive(**{"0001__wav": "1", "0002__wav": "2", "0003__wav": "3", "0004__err.txt": "no"})

        assert fetched(result, extra=1) == {"a": b"1", "b": b"2", "c": b"3"}

    @pytest.mark.parametrize(
        "members",
        [
            {"0001__wav": "1", "0003__wav": "3"},
            {"0001__wav": "1", "0002__wav": "2"},
            {"first__wav": "1", "third__wav": "3", "err.txt": "the second one failed"},
            {f"000{number}__wav": "x" for number in range(1, 5)},
            {},
        ],
        ids=["gap", "end", "names", "too-many", "none"],
    )
    def test_without_proof_nothing_is_paired(self, members):
        result = archive(script__txt="x", **members)

        clips = fetched(result)

        assert set(clips) == {"a", "b", "c"}
        assert all("so it is not known which is which" in str(why) for why in clips.values())

    @pytest.mark.parametrize(("members", "expected"), [({"0001__wav": "1"}, True), ({"err.txt": "no"}, False)])
    def test_audio_that_is_there_and_of_which_nobody_knows_whose_it_is_is_told_from_none(self, members, expected):
        assert uncertain(archive(script__txt="x", **members)) == {expected}

    def test_a_paragraph_that_failed_is_not_in_doubt(self):
        assert uncertain(archive(**{"0001__wav": "1", "0002__err.txt": "no", "0003__wav": "3"})) == {False}

    def test_what_the_service_wrote_about_it_is_passed_on(self):
        clips = fetched(archive(**{"first__wav": "1", "voices.err.txt": "The second one failed."}))

        assert "it says: The second one failed." in str(clips["a"])


class TestBatchSynthesis:
    def summary(self, *names: str | None) -> str:
        rows = [
            {"contents": ["x"], "status": "Succeeded" if name else "Failed", "audioFileName": name or "", "error": "no"}
            for name in names
        ]
        for row in rows:
            if row["status"] == "Succeeded":
                del row["error"]
        return json.dumps({"jobID": "j", "status": "Succeeded", "results": rows})

    def test_the_summary_says_which_is_which(self):
        result = archive(
            **{"summary.json": self.summary("0001.wav", None, "0003.wav"), "0003__wav": "3", "0001__wav": "1"}
        )

        assert fetched(result) == {"a": b"1", "b": "no", "c": b"3"}

    def test_audio_that_the_summary_names_and_the_archive_lacks_is_a_defect_of_that_one(self):
        result = archive(
            **{"summary.json": self.summary("0001.wav", "0002.wav", "0003.wav"), "0001__wav": "1", "0003__wav": "3"}
        )

        clips = fetched(result)

        assert (clips["a"], clips["c"]) == (b"1", b"3")
        assert "0002.wav" in clips["b"]

    @pytest.mark.parametrize("count", [0, 2, 4])
    def test_a_summary_of_another_length_pairs_nothing(self, count):
        names = [f"{number:04}.wav" for number in range(1, count + 1)]
        result = archive(**{"summary.json": self.summary(*names), **dict.fromkeys(names, "x")})

        clips = fetched(result)

        assert all(f"{count} results for 3 inputs" in str(why) for why in clips.values())
        assert uncertain(result) == {count > 0}


class TestDamage:
    GOOD = archive(**{f"{number:04}__wav": str(number) * 100 for number in range(1, 4)})

    def damaged(self) -> bytes:
        at = self.GOOD.index(b"2" * 100)
        return self.GOOD[:at] + b"?" * 10 + self.GOOD[at + 10 :]

    def test_a_damaged_download_is_repeated_and_goes_on_where_it_broke_off(self):
        clips = fetched(self.damaged(), self.GOOD)

        assert [value[:1] for value in clips.values()] == [b"1", b"2", b"3"]

    def test_damage_that_stays_is_audio_that_is_missing(self):
        with pytest.raises(AudioMissingError, match="arrived damaged twice"):
            fetched(self.damaged(), self.damaged())

    def test_a_finished_job_without_a_result_is_audio_that_is_missing(self):
        with pytest.raises(AudioMissingError, match="no result to download"):
            fetched(AzureSpeechRefusedError("no result"), has_result=False)

    @pytest.mark.parametrize("error", [AzureSpeechRefusedError("too large"), AzureSpeechError("broke off")])
    def test_other_trouble_with_a_download_stays_what_it_is(self, error):
        with pytest.raises(type(error), match=str(error)):
            fetched(error)

    def test_a_path_that_leads_outside_is_refused_for_good(self):
        result = io.BytesIO()
        with zipfile.ZipFile(result, "w") as package:
            package.writestr("../../0001.wav", "x")

        with pytest.raises(AzureResultUnsafeError):
            fetched(result.getvalue())
