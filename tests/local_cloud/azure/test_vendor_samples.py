"""The calls of the vendor's own pages, as written there, with only host, key and file filled in.

Long Audio in Python with requests, batch synthesis (preview) with curl.
"""

from __future__ import annotations

import io
import json
import ntpath
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from include.local_cloud.server import LocalCloud
from tests.local_cloud.azure.long_audio_client import preset
from tests.local_cloud.cloud_helpers import eventually, spoken

KEY = "a-key-of-the-samples"
HEADER = {"Ocp-Apim-Subscription-Key": KEY}
LONG_AUDIO = "{}/api/texttospeech/v3.0/longaudiosynthesis"
BATCH = "{}/api/texttospeech/3.1-preview1/batchsynthesis"
# The page prints this for its example, whose text it does not show.
CHARACTERS = 3048


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(state=tmp_path_factory.mktemp("cloud"), render=spoken, preset=preset()) as running:
        yield running


@pytest.fixture
def host(cloud: LocalCloud) -> str:
    return cloud.speech_url


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A text in the way the page asks for it: UTF-8 with a byte-order mark, a paragraph on each line."""
    sentence = "The rainbow has seven colors. "
    paragraphs = [sentence * 4 + "\n"] * 25
    paragraphs.append("x" * (CHARACTERS - 25 * len(sentence * 4)))
    file = tmp_path / "input.txt"
    file.write_text("".join(paragraphs), encoding="utf-8-sig")
    return file


# Long Audio


def get_voices(host: str) -> Any:
    url = f"{LONG_AUDIO}/voices".format(host)
    response = requests.get(url, headers=HEADER)
    return json.loads(response.text)


def submit_synthesis(host: str, input_file_path: Path) -> requests.Response:
    voice_identities = [{"voicename": "en-US-AriaNeural"}]
    payload = {
        "displayname": "long audio synthesis sample",
        "description": "sample description",
        "locale": "en-US",
        "voices": json.dumps(voice_identities),
        "outputformat": "riff-16khz-16bit-mono-pcm",
        "concatenateresult": True,
    }
    filename = ntpath.basename(str(input_file_path))
    files = {"script": (filename, input_file_path.open("rb"), "text/plain")}
    return requests.post(LONG_AUDIO.format(host), payload, headers=HEADER, files=files)


def get_synthesis(url: str) -> Any:
    return json.loads(requests.get(url, headers=HEADER).text)


def get_files(host: str, request_id: str) -> requests.Response:
    return requests.get(f"{LONG_AUDIO}/{{}}/files".format(host, request_id), headers=HEADER)


def list_syntheses(host: str) -> requests.Response:
    return requests.get(f"{LONG_AUDIO}/".format(host), headers=HEADER)


def delete_synthesis(host: str, request_id: str) -> requests.Response:
    return requests.delete(f"{LONG_AUDIO}/{{}}/".format(host, request_id), headers=HEADER)


def test_the_python_client_of_the_long_audio_page_goes_through(host: str, script: Path) -> None:
    assert "en-US-AriaNeural" in {voice["voiceName"] for voice in get_voices(host)["values"]}

    submitted = submit_synthesis(host, script)
    assert submitted.status_code == 202
    url = submitted.headers["Location"]
    request_id = url.rpartition("/")[2]

    synthesis = eventually(lambda: (found := get_synthesis(url))["status"] == "Succeeded" and found)
    assert synthesis["models"] == [{"voiceName": "en-US-AriaNeural"}]
    assert synthesis["properties"]["outputFormat"] == "riff-16khz-16bit-mono-pcm"
    assert synthesis["properties"]["concatenateResult"] is True
    assert synthesis["properties"]["billableCharacterCount"] == CHARACTERS
    assert (synthesis["displayName"], synthesis["description"]) == ("long audio synthesis sample", "sample description")

    listed = list_syntheses(host)
    assert listed.status_code == 200
    assert listed.json()["values"] == [synthesis]

    files = get_files(host, request_id)
    assert files.status_code == 200
    text, result = files.json()["values"]
    assert (text["kind"], result["kind"]) == ("LongAudioSynthesisScript", "LongAudioSynthesisResult")
    assert requests.get(text["links"]["contentUrl"]).content == script.read_bytes()
    with zipfile.ZipFile(io.BytesIO(requests.get(result["links"]["contentUrl"]).content)) as package:
        names = package.namelist()
    assert [name for name in names if name.endswith(".wav")] == ["0001.wav"]

    deleted = delete_synthesis(host, request_id)
    assert deleted.status_code == 204
    assert list_syntheses(host).json() == {"values": []}


# Batch synthesis, preview

# Tabs, line ends and commas before brackets, as the page has them.
CREATE = """{
    "displayName": "batch synthesis sample",
    "description": "my ssml test",
    "textType": "SSML",
    "inputs": [
        {
            "text": "<speak version='1.0' xml:lang='en-US'>
\t\t\t\t<voice name='en-US-JennyNeural'>
\t\t\t\t\tThe rainbow has seven colors.
\t\t\t\t</voice>
\t\t\t</speak>",
        },
    ],
    "properties": {
        "outputFormat": "riff-24khz-16bit-mono-pcm",
        "wordBoundaryEnabled": false,
        "sentenceBoundaryEnabled": false,
        "concatenateResult": false,
        "decompressOutputFiles": false
    },
}"""


def curl(*arguments: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a call by curl."""
    ran = subprocess.run(
        ["curl", "-s", "-i", "--noproxy", "*", *arguments], check=True, capture_output=True, timeout=30
    )
    head, _, body = ran.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, body


def curl_json(*arguments: str, expect: int = 200) -> Any:
    status, _, body = curl(*arguments, "-H", f"Ocp-Apim-Subscription-Key: {KEY}")
    assert status == expect, body
    return json.loads(body)


def test_the_curl_calls_of_the_preview_page_go_through(host: str) -> None:
    batch = BATCH.format(host)
    created = curl_json("-X", "POST", "-H", "Content-Type: application/json", "-d", CREATE, batch, expect=201)

    assert created["textType"] == "SSML"
    assert created["properties"] == {
        "timeToLive": "P31D",
        "outputFormat": "riff-24khz-16bit-mono-pcm",
        "concatenateResult": False,
        "decompressOutputFiles": False,
        "wordBoundaryEnabled": False,
        "sentenceBoundaryEnabled": False,
    }
    assert (created["status"], created["displayName"], created["description"]) == (
        "NotStarted",
        "batch synthesis sample",
        "my ssml test",
    )

    def look() -> Any:
        found = curl_json("-X", "GET", f"{batch}/{created['id']}")
        return found["status"] == "Succeeded" and found

    synthesis = eventually(look)
    properties = synthesis["properties"]
    assert properties["billingDetails"] == {"customNeural": 0, "neural": 33}
    assert (properties["succeededAudioCount"], properties["failedAudioCount"]) == (1, 0)
    assert {"audioSize", "durationInTicks", "duration"} <= set(properties)

    listed = curl_json("-X", "GET", f"{batch}?skip=0&top=2")
    assert [job["id"] for job in listed["values"]] == [created["id"]]

    # The page sends the key along, which storage ignores.
    status, _, content = curl("-X", "GET", synthesis["outputs"]["result"], "-H", f"Ocp-Apim-Subscription-Key: {KEY}")
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        summary = json.loads(package.read("summary.json"))
        assert "0001.wav" in package.namelist()
    (result,) = summary["results"]
    assert result["billingDetails"] == {"CustomNeural": "0", "Neural": "33"}
    assert result["audioFileName"] == "0001.wav"
    assert result["texts"] == [
        "<speak version='1.0' xml:lang='en-US'>\n\t\t\t\t<voice name='en-US-JennyNeural'>\n"
        "\t\t\t\t\tThe rainbow has seven colors.\n\t\t\t\t</voice>\n\t\t\t</speak>"
    ]

    status, headers, _ = curl("-X", "DELETE", f"{batch}/{created['id']}", "-H", f"Ocp-Apim-Subscription-Key: {KEY}")
    assert status == 204
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(headers)


def test_the_page_of_the_preview_shows_this_error(host: str) -> None:
    answer = curl_json("-X", "GET", f"{BATCH.format(host)}?skip=0&top=200", expect=400)

    assert answer == {
        "code": "InvalidRequest",
        "message": "The top parameter should not be greater than 100.",
        "innerError": {
            "code": "InvalidParameter",
            "message": "The top parameter should not be greater than 100.",
        },
    }
