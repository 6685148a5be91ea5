"""A client of Long Audio for tests, made of nothing but HTTP."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import requests

from include.local_cloud.azure.quotas import SERVICES, AzureQuotas, Window
from include.local_cloud.settings import FAST, Preset
from tests.local_cloud.cloud_helpers import eventually

PATH = "/api/texttospeech/v3.0/longaudiosynthesis"
KEY = "local-cloud-key"
BOM = b"\xef\xbb\xbf"
VOICE = "en-US-AriaNeural"
# 21 characters each.
PARAGRAPH = "A paragraph of words."


def preset(**changes: Any) -> Preset:
    """Nobody waits, and no rate is limited unless the test says so."""
    plenty = dict.fromkeys(SERVICES, Window(requests=1_000_000, seconds=1))
    return replace(
        FAST, azure=AzureQuotas(**{"requests": plenty, "median_seconds": 0.0, "slow_seconds": 0.0} | changes)
    )


def plain(paragraphs: int = 20) -> str:
    """A script that is long enough: 21 characters a paragraph."""
    return "\r\n".join([PARAGRAPH] * paragraphs)


def ssml(text: str, *, voice: str = VOICE) -> str:
    return (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'
        f'<voice name="{voice}">{text}</voice></speak>'
    )


def refusal(answer: requests.Response) -> tuple[int, str, str, str]:
    """Status, both codes (the inner one may be missing) and the message of a flat error."""
    body = answer.json()
    inner = body.get("innerError", {"code": "", "message": body["message"]})
    assert inner["message"] == body["message"]
    return answer.status_code, body["code"], inner["code"], body["message"]


class LongAudio:
    """The API as one Speech resource sees it."""

    def __init__(self, url: str, *, key: str = KEY) -> None:
        self.url = url + PATH
        self._session = requests.Session()
        self._session.headers["Ocp-Apim-Subscription-Key"] = key

    def __call__(self, method: str, path: str = "", **arguments: Any) -> requests.Response:
        url = path if path.startswith("http") else self.url + path
        return self._session.request(method, url, timeout=30, **arguments)

    def create(self, text: str | bytes | None = None, *, voices: Any = VOICE, **fields: Any) -> requests.Response:
        """Submit text, with a byte-order mark unless it is bytes already."""
        content = text if isinstance(text, bytes) else BOM + (plain() if text is None else text).encode()
        entries = [{"voiceName": voices}] if isinstance(voices, str) else voices
        form = {"displayName": "a test", "locale": "en-US", "voices": json.dumps(entries)} | fields
        return self("POST", data=form, files={"script": ("script.txt", content, "text/plain")})

    def created(self, *arguments: Any, **fields: Any) -> str:
        """The id of a synthesis that was accepted."""
        answer = self.create(*arguments, **fields)
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"].rpartition("/")[2]

    def get(self, job_id: str) -> dict[str, Any]:
        answer = self("GET", f"/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ended(self, job_id: str) -> dict[str, Any]:
        """The synthesis once it has succeeded or failed."""

        def look() -> dict[str, Any] | None:
            job = self.get(job_id)
            return job if job["status"] in {"Succeeded", "Failed"} else None

        return eventually(look)

    def files(self, job_id: str, **parameters: Any) -> dict[str, dict[str, Any]]:
        """Kind -> file."""
        answer = self("GET", f"/{job_id}/files", params=parameters)
        assert answer.status_code == 200, answer.text
        return {file["kind"]: file for file in answer.json()["values"]}

    def script(self, job_id: str) -> bytes:
        return _download(self.files(job_id)["LongAudioSynthesisScript"])

    def result(self, job_id: str) -> dict[str, bytes]:
        """Name -> content of everything in the zip."""
        with zipfile.ZipFile(io.BytesIO(_download(self.files(job_id)["LongAudioSynthesisResult"]))) as package:
            return {name: package.read(name) for name in package.namelist()}


def _download(file: dict[str, Any]) -> bytes:
    # Without the session: a signed URL needs no key, and must never get one.
    answer = requests.get(file["links"]["contentUrl"], timeout=30)
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == file["properties"]["size"]
    return answer.content
