from __future__ import annotations

import pytest

from narration.hooks.azure_api import SynthesisApi
from narration.hooks.azure_jobs import AzureJob, iso_duration, items, next_link, parse_file, parse_job, timestamp

SIGNED = "https://storage.example/results.zip?se=2026&sig=c2lnbmF0dXJl"
LONG_AUDIO = {
    "models": [{"voiceName": "en-US-AriaNeural"}],
    "properties": {
        "outputFormat": "riff-16khz-16bit-mono-pcm",
        "concatenateResult": False,
        "totalDuration": "PT5M57.252S",
        "billableCharacterCount": 3048,
    },
    "id": "eb3d7a81-ee3e-4e9a-b725-713383e71677",
    "lastActionDateTime": "2021-01-14T11:12:27.240Z",
    "status": "Succeeded",
    "createdDateTime": "2021-01-14T11:11:02.557Z",
    "locale": "en-US",
    "displayName": "long audio synthesis sample",
    "description": "sample description",
}
PREVIEW = {
    "textType": "SSML",
    "properties": {
        "audioSize": 100000,
        "durationInTicks": 31250000,
        "succeededAudioCount": 1,
        "failedAudioCount": 0,
        "duration": "PT3.125S",
        "billingDetails": {"customNeural": 0, "neural": 33},
        "timeToLive": "P31D",
    },
    "outputs": {"result": SIGNED},
    "lastActionDateTime": "2022-11-05T14:00:32.523Z",
    "status": "Succeeded",
    "id": "41b83de2-380d-45dc-91af-722b68cfdc8e",
    "createdDateTime": "2022-11-05T14:00:31.523Z",
    "displayName": "batch synthesis sample",
    "description": "my test",
}
BATCH = {
    "id": "narration-1",
    "status": "Failed",
    "createdDateTime": "2024-03-12T07:23:18.0097387Z",
    "lastActionDateTime": "2024-03-12T07:23:20.0",
    "inputKind": "SSML",
    "customVoices": {},
    "properties": {
        "timeToLiveInHours": 168,
        "succeededAudioCount": 2,
        "failedAudioCount": 1,
        "durationInMilliseconds": 3125,
        "billingDetails": {"neuralCharacters": 29, "customNeuralCharacters": 4},
        "error": {"code": "InvalidModel", "message": "No such voice."},
    },
    "outputs": {"result": SIGNED},
}


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({"succeededAudioCount": float("inf")}, "succeeded_audios"),
        ({"failedAudioCount": float("nan")}, "failed_audios"),
        ({"durationInMilliseconds": 10**400}, "duration_seconds"),
        ({"billableCharacterCount": 1e300}, "billed_characters"),
    ],
)
def test_a_count_that_cannot_be_one_is_not_taken_for_one(properties, field):
    job = parse_job({"id": "1", "status": "Running", "properties": properties}, api=SynthesisApi.BATCH)

    assert getattr(job, field) is None


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"])
def test_a_time_that_stands_for_none_is_none(moment):
    assert timestamp(moment) is None


def test_a_job_that_is_nested_without_end_is_no_job():
    deep: dict = {}
    for _ in range(600):
        deep = {"a": deep}

    with pytest.raises(ValueError, match="nested too deeply"):
        parse_job({"id": "1", "status": "Running", "properties": deep}, api=SynthesisApi.BATCH)


def test_why_it_failed_shows_no_signature_and_no_book():
    error = {"code": "Bad sig=c2lnbmF0dXJl " + "y" * 1000, "message": f"No access to {SIGNED}. " + "x" * 10_000}

    job = parse_job({"id": "1", "status": "Failed", "properties": {"error": error}}, api=SynthesisApi.BATCH)

    assert job.error_message.startswith("No access to https://storage.example/results.zip ")
    assert "c2lnbmF0dXJl" not in job.error_code + job.error_message
    assert len(job.error_code) <= 101
    assert len(job.error_message) <= 601


def test_a_long_audio_job_is_read():
    job = parse_job(LONG_AUDIO, api=SynthesisApi.LONG_AUDIO)

    assert job == AzureJob(
        api=SynthesisApi.LONG_AUDIO,
        job_id="eb3d7a81-ee3e-4e9a-b725-713383e71677",
        status="Succeeded",
        display_name="long audio synthesis sample",
        description="sample description",
        created_at=1610622662.557,
        last_action_at=1610622747.24,
        billed_characters=3048,
        duration_seconds=357.252,
        raw=LONG_AUDIO,
    )
    assert job.is_finished
    assert not job.is_active


def test_a_preview_job_is_read():
    job = parse_job(PREVIEW, api=SynthesisApi.BATCH_PREVIEW)

    assert (job.billed_characters, job.succeeded_audios, job.failed_audios) == (33, 1, 0)
    assert job.duration_seconds == 3.125
    assert job.display_name == "batch synthesis sample"
    assert job.result_url == SIGNED


def test_a_2024_04_01_job_is_read_with_seven_digits_and_a_time_without_a_zone():
    job = parse_job(BATCH, api=SynthesisApi.BATCH)

    assert job.created_at == pytest.approx(1710228198.009738)
    assert job.last_action_at == 1710228200.0
    assert (job.error_code, job.error_message) == ("InvalidModel", "No such voice.")
    assert (job.billed_characters, job.failed_audios) == (33, 1)
    assert job.display_name is None
    assert job.is_finished


def test_the_case_of_the_keys_does_not_matter():
    shouted = {
        "ID": "x",
        "STATUS": "SUCCEEDED",
        "Properties": {"Error": None, "BillingDetails": {"Neural": "33"}, "SucceededAudioCount": "2"},
        "Outputs": None,
    }

    job = parse_job(shouted, api=SynthesisApi.BATCH_PREVIEW)

    assert (job.status, job.billed_characters, job.succeeded_audios) == ("Succeeded", 33, 2)


@pytest.mark.parametrize("status", ["NotStarted", "Running", "Reticulating"])
def test_a_job_counts_as_active_until_it_has_succeeded_or_failed(status):
    assert parse_job({"id": "x", "status": status}, api=SynthesisApi.BATCH).is_active


@pytest.mark.parametrize("body", [{}, {"id": "x"}, {"id": "", "status": "Running"}, {"status": "Running"}, [], "x"])
def test_what_is_not_a_job_is_not_taken_for_one(body):
    with pytest.raises(ValueError, match="the answer is JSON, but"):
        parse_job(body, api=SynthesisApi.BATCH)


def test_the_signed_url_is_in_no_representation():
    job = parse_job(PREVIEW, api=SynthesisApi.BATCH_PREVIEW)
    file = parse_file({"name": "voicesynthesis_waves.zip", "kind": "X", "links": {"contentUrl": SIGNED}})

    assert file.url == SIGNED
    assert "sig" not in repr(job) + repr(file)


def test_a_file_is_read():
    file = parse_file(
        {
            "name": "voicesynthesis_waves.zip",
            "kind": "LongAudioSynthesisResult",
            "properties": {"size": 9290000},
            "createdDateTime": "2021-01-14T11:12:27.226Z",
            "links": {"contentUrl": SIGNED},
        }
    )

    assert (file.kind, file.size, file.created_at) == ("LongAudioSynthesisResult", 9290000, 1610622747.226)


@pytest.mark.parametrize("page", [{"value": [{}]}, {"values": [{}]}, {"Values": [{}], "value": None}, [{}]])
def test_a_page_is_read_whatever_its_list_is_called(page):
    assert items(page) == [{}]


@pytest.mark.parametrize("page", [{}, {"value": {}}, {"values": ["x"]}, "x", None])
def test_what_is_not_a_page_is_not_taken_for_an_empty_one(page):
    with pytest.raises(ValueError, match="no page"):
        items(page)


@pytest.mark.parametrize(
    ("page", "link"),
    [({"nextLink": "a"}, "a"), ({"@nextLink": "b"}, "b"), ({"@nextlink": ""}, None), ({}, None), ([], None)],
)
def test_the_next_page_is_found_under_either_name(page, link):
    assert next_link(page) == link


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT5M57.252S", 357.252), ("PT1S", 1), ("P31D", 2678400), ("PT1H", 3600), ("P1DT2H3M4.5S", 93784.5)],
)
def test_durations_are_read(text, seconds):
    assert iso_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "5", None, 5, "P1M"])
def test_what_is_not_a_duration_is_none(text):
    assert iso_duration(text) is None


@pytest.mark.parametrize("text", ["", None, "yesterday", 5])
def test_what_is_not_a_time_is_none(text):
    assert timestamp(text) is None
