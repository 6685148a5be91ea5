from __future__ import annotations

import io
import json
import zipfile

import pytest

from narration.hooks.azure_results import Boundary, open_results
from narration.hooks.azure_zip import AzureResultDamagedError, AzureResultUnsafeError, ResultLimits


def _zip(members, *, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, str | bytes) else json.dumps(content))
    return file


def _current(**change):
    """A result of api-version 2024-04-01, as its page shows it."""
    row = {
        "contents": ["The rainbow has seven colors."],
        "status": "Succeeded",
        "audioFileName": "0001.wav",
        "properties": {"sizeInBytes": "150000", "durationInMilliseconds": "3125"},
        **change,
    }
    return {"jobID": "7ab84171-9070-4d3b-88d4-1b8cc1cb928a", "status": "Succeeded", "results": [row]}


PREVIEW = {
    "jobID": "41b83de2-380d-45dc-91af-722b68cfdc8e",
    "status": "Succeeded",
    "results": [
        {
            "texts": ["<speak>The rainbow has seven colors.</speak>"],
            "status": "Succeeded",
            "billingDetails": {"CustomNeural": "0", "Neural": "33"},
            "audioFileName": "0001.wav",
            "properties": {"audioSize": "100000", "duration": "PT3.1S", "durationInTicks": "31250000"},
        }
    ],
}


class TestTheSummary:
    def test_a_row_of_the_current_api_says_what_became_of_its_input(self):
        with open_results(_zip({"summary.json": _current(), "0001.wav": b"audio", "0001.debug.json": "{}"})) as results:
            (row,) = results.rows

        assert results.status == "Succeeded"
        assert (row.position, row.contents, row.succeeded) == (0, ("The rainbow has seven colors.",), True)
        assert (row.audio_name, row.duration_seconds, row.billed_characters) == ("0001.wav", 3.125, None)

    def test_a_row_of_the_preview_also_says_what_was_billed(self):
        with open_results(_zip({"summary.json": PREVIEW, "0001.wav": b"audio"})) as results:
            (row,) = results.rows

        assert (row.billed_characters, row.duration_seconds) == (33, 3.125)

    def test_names_in_another_letter_case_are_understood(self):
        summary = {
            "JobID": "x",
            "Status": "Succeeded",
            "Results": [{"Status": "succeeded", "AudioFileName": "0001.WAV"}],
        }

        with open_results(_zip({"Summary.JSON": summary, "0001.wav": b"audio"})) as results:
            assert [row.audio_name for row in results.rows] == ["0001.wav"]

    def test_rows_come_in_the_order_of_the_inputs_whatever_the_order_of_the_file(self):
        rows = [
            {"status": "Succeeded", "audioFileName": f"{number:04}.wav", "contents": [str(number)]}
            for number in (3, 1, 2)
        ]
        members = {f"{number:04}.wav": b"audio" for number in (1, 2, 3)}

        with open_results(_zip({"summary.json": {"results": rows}, **members})) as results:
            assert [(row.position, row.contents) for row in results.rows] == [(0, ("1",)), (1, ("2",)), (2, ("3",))]

    def test_a_failed_input_keeps_its_place_and_its_reason(self):
        rows = [
            {"status": "Succeeded", "audioFileName": "0001.wav"},
            {"status": "Failed", "error": {"code": "InvalidSsml", "message": "no such voice"}},
            {"status": "Succeeded", "audioFileName": "0003.wav"},
        ]

        with open_results(_zip({"summary.json": {"results": rows}, "0001.wav": b"a", "0003.wav": b"c"})) as results:
            assert [row.succeeded for row in results.rows] == [True, False, True]
            assert results.rows[1].error == "InvalidSsml: no such voice"
            assert [row.position for row in results.rows] == [0, 1, 2]

    def test_a_reason_is_told_without_the_signature_that_it_quotes_and_cut(self):
        error = {"code": "X", "message": f"No access to https://a.example/c?sig=c2lnbmF0dXJl {'x' * 10_000}"}
        rows = [{"status": "Failed", "error": error}]

        with open_results(_zip({"summary.json": {"results": rows}})) as results:
            assert results.rows[0].error.startswith("X: No access to https://a.example/c xxx")
            assert len(results.rows[0].error) <= 601

    @pytest.mark.parametrize("number", ["1e999", "1" + "0" * 400, "NaN", "1e300"])
    def test_a_number_that_cannot_be_one_is_not_taken_for_one(self, number):
        summary = f"""{{"results": [{{"status": "Succeeded", "audioFileName": "0001.wav",
            "billingDetails": {{"Neural": {number}}}, "properties": {{"durationInTicks": {number}}}}}]}}"""

        with open_results(_zip({"summary.json": summary, "0001.wav": b"a"})) as results:
            assert (results.rows[0].billed_characters, results.rows[0].duration_seconds) == (None, None)

    def test_audio_that_the_summary_names_and_the_archive_lacks_is_no_success(self):
        with open_results(_zip({"summary.json": _current()})) as results:
            (row,) = results.rows

        assert not row.succeeded
        assert row.audio_name is None
        assert "'0001.wav', which is not in the archive" in row.error

    def test_a_status_that_is_neither_is_no_success(self):
        with open_results(_zip({"summary.json": _current(status="Skipped"), "0001.wav": b"a"})) as results:
            assert "'Skipped'" in results.rows[0].error

    @pytest.mark.parametrize(
        "summary",
        ["{not json", "[]", {"results": "none"}, {"results": [1]}, "[" * 100_000],
        ids=["no-json", "a-list", "no-results", "no-objects", "deeply-nested"],
    )
    def test_a_summary_that_is_none_is_damage(self, summary):
        with pytest.raises(AzureResultDamagedError, match="Download it again"):
            with open_results(_zip({"summary.json": summary, "0001.wav": b"a"})):
                pass

    def test_two_results_for_one_input_are_damage(self):
        rows = [{"status": "Succeeded", "audioFileName": "0001.wav"}] * 2

        with pytest.raises(AzureResultDamagedError, match="two results for one input"):
            with open_results(_zip({"summary.json": {"results": rows}, "0001.wav": b"a"})):
                pass


WORDS = [
    {"Text": "the", "AudioOffset": 38, "Duration": 153},
    {"Text": "rainbow", "AudioOffset": 201, "Duration": 326},
]


class TestBoundaries:
    def test_words_and_sentences_are_read_by_the_names_that_the_summary_gives(self):
        summary = _current(wordBoundaryFileName="0001.word.json", sentenceBoundaryFileName="0001.sentence.json")
        members = {"summary.json": summary, "0001.wav": b"a", "0001.word.json": WORDS, "0001.sentence.json": []}

        with open_results(_zip(members)) as results:
            (row,) = results.rows
            assert results.boundaries(row.word_boundary_name) == (
                Boundary(text="the", offset_ms=38, duration_ms=153),
                Boundary(text="rainbow", offset_ms=201, duration_ms=326),
            )
            assert results.boundaries(row.sentence_boundary_name) == ()

    def test_the_preview_keeps_them_beside_the_audio_without_naming_them(self):
        with open_results(_zip({"summary.json": PREVIEW, "0001.wav": b"a", "0001.word.json": WORDS})) as results:
            (row,) = results.rows

        assert (row.word_boundary_name, row.sentence_boundary_name) == ("0001.word.json", None)

    def test_a_sentence_file_that_the_service_left_out_is_no_failure(self):
        summary = _current(sentenceBoundaryFileName="0001.sentence.json")

        with open_results(_zip({"summary.json": summary, "0001.wav": b"a"})) as results:
            (row,) = results.rows
            assert row.succeeded
            assert results.boundaries(row.sentence_boundary_name) == ()

    @pytest.mark.parametrize("content", ['{"Text": "the"}', '[{"Text": "the"}]', "[1]", '["a"]', "null", "<html>"])
    def test_a_file_that_holds_something_else_is_damage(self, content):
        with open_results(_zip({"0001.word.json": content})) as results:
            with pytest.raises(AzureResultDamagedError):
                results.boundaries("0001.word.json")


class TestLongAudio:
    def test_without_a_summary_the_audio_is_in_natural_order(self):
        names = ["10.mp3", "9.mp3", "0002_a.wav", "0001_b.wav", "script.txt"]

        with open_results(_zip(dict.fromkeys(names, b"a"))) as results:
            assert results.audio_names == ("0001_b.wav", "0002_a.wav", "9.mp3", "10.mp3")
            assert not results.has_summary
            assert results.rows == ()

    def test_ten_thousand_inputs_keep_their_order(self):
        names = [f"{number:04}.wav" for number in (9_999, 10_000, 1_001, 1)]

        with open_results(_zip(dict.fromkeys(names, b""))) as results:
            assert results.audio_names == ("0001.wav", "1001.wav", "9999.wav", "10000.wav")

    def test_what_went_wrong_is_read_from_the_error_report(self):
        members = {"script.txt": b"x", "voicesynthesis_err.txt": "\ufeffThe voice is out of order.\r\n".encode()}

        with open_results(_zip(members)) as results:
            assert results.error_reports() == {"voicesynthesis_err.txt": "The voice is out of order."}
            assert results.audio_names == ()

    def test_a_report_is_told_without_the_signature_that_it_quotes_and_cut(self):
        report = f"No access to https://a.example/c?sig=c2lnbmF0dXJl {'x' * 70_000}".encode()

        with open_results(_zip({"1_err.txt": report})) as results:
            (found,) = results.error_reports().values()

        assert found.startswith("No access to https://a.example/c xxx")
        assert len(found) <= 601


class TestReading:
    def test_members_are_unpacked_whole(self):
        audio = bytes(range(256)) * 10_000
        target = io.BytesIO()

        with open_results(_zip({"0001.wav": audio})) as results:
            assert results.read("0001.wav") == audio
            assert results.copy("0001.wav", to=target) == len(audio)
        assert target.getvalue() == audio

    def test_a_member_that_is_not_there_is_said_to_be_missing(self):
        with (
            open_results(_zip({"0001.wav": b"a"})) as results,
            pytest.raises(AzureResultDamagedError, match=r"0002\.wav"),
        ):
            results.read("0002.wav")

    def test_the_file_stays_open_for_whoever_keeps_the_archive(self):
        file = _zip({"0001.wav": b"a"})

        with open_results(file):
            pass

        assert not file.closed

    def test_folders_are_no_members(self):
        with open_results(_zip({"audio/": b"", "audio/0001.wav": b"a"})) as results:
            assert results.names == ("audio/0001.wav",)


class TestDamage:
    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_an_archive_that_was_cut_off_can_be_downloaded_again(self, share):
        whole = _zip({"0001.wav": bytes(range(256)) * 500, "summary.json": _current()}).getvalue()

        with pytest.raises(AzureResultDamagedError, match=r"[Rr]un the task again|Download it again"):
            with open_results(io.BytesIO(whole[: int(len(whole) * share)])):
                pass

    def test_a_page_of_a_proxy_is_no_archive(self):
        with pytest.raises(AzureResultDamagedError, match="no zip"):
            with open_results(io.BytesIO(b"<html>Gateway timeout</html>" * 10)):
                pass

    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_bytes_that_were_altered_on_the_way_are_noticed(self, compression):
        data = bytearray(_zip({"0001.wav": bytes(range(256)) * 500}, compression=compression).getvalue())
        for position in range(100, 160):
            data[position] ^= 0xFF

        with open_results(io.BytesIO(bytes(data))) as results, pytest.raises(AzureResultDamagedError, match="damaged"):
            results.read("0001.wav")

    def test_a_compression_that_nobody_knows_is_damage(self):
        data = _zip({"0001.wav": b"audio"}).getvalue().replace(b"\x08\x00", b"\x63\x00")

        with open_results(io.BytesIO(data)) as results, pytest.raises(AzureResultDamagedError):
            results.read("0001.wav")

    def test_damage_is_worth_another_attempt_and_danger_is_not(self):
        from narration.errors import PermanentNarrationError

        assert not issubclass(AzureResultDamagedError, PermanentNarrationError)
        assert issubclass(AzureResultUnsafeError, PermanentNarrationError)


def _refused(file, limits=None):
    def unpack():
        with open_results(file, limits=limits) as results:
            for name in results.names:
                results.copy(name, to=io.BytesIO())

    with pytest.raises(AzureResultUnsafeError) as raised:
        unpack()
    return str(raised.value)


class TestDanger:
    @pytest.mark.parametrize(
        "name",
        [
            "../0001.wav",
            "audio/../../0001.wav",
            "..\\0001.wav",
            "/etc/passwd",
            "\\\\server\\share",
            "C:\\windows\\0001.wav",
            "c:0001.wav",
            "a//b.wav",
            "./0001.wav",
            "..",
            "bell\x07.wav",
            "x" * 256 + ".wav",
        ],
    )
    def test_a_name_that_does_not_stay_in_its_folder_is_refused(self, name):
        assert "result archive" in _refused(_zip({name: b"a"}))

    @pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010644], ids=["link", "device", "pipe"])
    def test_links_and_devices_are_refused(self, mode):
        entry = zipfile.ZipInfo("0001.wav")
        entry.create_system, entry.external_attr = 3, mode << 16
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(entry, "/etc/passwd")

        assert "link or a device" in _refused(file)

    @pytest.mark.parametrize("second", ["0001.wav", "0001.WAV"])
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_a_name_that_is_there_twice_is_refused(self, second):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("0001.wav", "one")
            archive.writestr(second, "other")

        assert "twice" in _refused(file)

    def test_more_members_than_a_job_can_have_are_refused(self):
        file = _zip({f"{number:04}.wav": b"" for number in range(11)})

        assert "11 members" in _refused(file, ResultLimits(members=10))

    def test_a_table_of_contents_without_end_is_refused_before_it_is_read(self):
        file = _zip({f"{number:04}.wav": b"" for number in range(50)})

        assert "table of contents" in _refused(file, ResultLimits(directory_bytes=1000))

    def test_a_bomb_is_refused_by_its_ratio(self):
        file = _zip({"0001.wav": bytes(20_000_000)})

        assert "times as many" in _refused(file, ResultLimits(ratio_from_bytes=1_000_000))

    def test_silence_may_pack_down_to_nothing(self):
        with open_results(_zip({"0001.wav": bytes(5_000_000)})) as results:
            assert len(results.read("0001.wav")) == 5_000_000

    def test_a_member_larger_than_a_file_may_be_is_refused(self):
        assert "more than 1,000 bytes" in _refused(_zip({"0001.wav": b"ab" * 501}), ResultLimits(member_bytes=1000))

    def test_many_members_that_are_too_much_together_are_refused(self):
        members = {f"{number:04}.wav": b"ab" * 100 for number in range(11)}

        assert "All files" in _refused(_zip(members), ResultLimits(total_bytes=2000))

    def test_a_bomb_that_lies_about_its_size_is_cut_short(self):
        data = bytearray(_zip({"0001.wav": bytes(5_000_000)}).getvalue())
        directory = data.rindex(b"PK\x01\x02")
        data[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
        data[22:26] = (1000).to_bytes(4, "little")
        target = io.BytesIO()

        with open_results(io.BytesIO(bytes(data))) as results, pytest.raises(AzureResultDamagedError):
            results.copy("0001.wav", to=target)

        assert len(target.getvalue()) <= 1000

    def test_members_that_share_the_same_bytes_are_refused(self):
        data = bytearray(_zip({"0001.wav": bytes(range(256)) * 20, "0002.wav": b"b"}).getvalue())
        directory = data.rindex(b"PK\x01\x02")
        data[directory + 20 : directory + 24] = len(data).to_bytes(4, "little")

        assert "claim" in _refused(io.BytesIO(bytes(data)))

    def test_an_encrypted_member_is_refused(self):
        data = bytearray(_zip({"0001.wav": b"audio"}).getvalue())
        data[data.rindex(b"PK\x01\x02") + 8] |= 1

        assert "encrypted" in _refused(io.BytesIO(bytes(data)))
