"""A client of the two batch APIs and of blob storage for tests, made of nothing but HTTP."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from typing import Any

import requests

from tests.local_cloud.cloud_helpers import Admin, eventually

KEY = "local-cloud-key"
VERSION = "2024-04-01"
VOICE = "en-US-JennyNeural"
# The sample of the preview's page, billed with 33 characters there, and that of its successor, with 29.
INDENTED = (
    f"<speak version='1.0' xml:lang='en-US'>\n\t\t\t\t<voice name='{VOICE}'>\n\t\t\t\t\tThe rainbow has seven"
    " colors.\n\t\t\t\t</voice>\n\t\t\t</speak>"
)
COMPACT = f"<speak version='1.0' xml:lang='en-US'><voice name='{VOICE}'>The rainbow has seven colors.</voice></speak>"
_numbers = itertools.count(1)


def ssml(text: str, *, voice: str = VOICE) -> str:
    return f"<speak version='1.0' xml:lang='en-US'><voice name='{voice}'>{text}</voice></speak>"


class Resource:
    """One Speech resource at a running cloud."""

    def __init__(self, url: str, *, key: str | None = KEY, headers: dict[str, str] | None = None) -> None:
        self.url = url
        self._session = requests.Session()
        if key is not None:
            self._session.headers["Ocp-Apim-Subscription-Key"] = key
        self._session.headers.update(headers or {})

    def __call__(self, method: str, path: str, **arguments: Any) -> requests.Response:
        url = path if path.startswith("http") else self.url + path
        return self._session.request(method, url, timeout=30, **arguments)


class Batch(Resource):
    """2024-04-01."""

    path = "/texttospeech/batchsyntheses"

    def call(self, method: str, path: str = "", **arguments: Any) -> requests.Response:
        parameters = {"api-version": VERSION} | arguments.pop("params", {})
        return self(method, self.path + path, params=parameters, **arguments)

    def put(
        self, job_id: str | None = None, *texts: str, headers: dict[str, str] | None = None, **members: Any
    ) -> requests.Response:
        """SSML, unless ``inputKind`` says otherwise."""
        contents = [{"content": text} for text in texts or (COMPACT,)]
        body = {"inputKind": "SSML", "inputs": contents} | members
        return self.call("PUT", f"/{job_id or new_id()}", json=body, headers=headers)

    def plain(self, job_id: str | None = None, *texts: str, **members: Any) -> requests.Response:
        config = {"voice": VOICE} | members.pop("synthesisConfig", {})
        return self.put(job_id, *(texts or ("Hello.",)), inputKind="PlainText", synthesisConfig=config, **members)

    def get(self, job_id: str) -> requests.Response:
        return self.call("GET", f"/{job_id}")

    def ended(self, answer: requests.Response) -> dict[str, Any]:
        """The accepted job once it has succeeded or failed."""
        assert answer.status_code == 201, answer.text
        return finished(lambda: self.get(answer.json()["id"]).json())


class Preview(Resource):
    """3.1-preview1."""

    path = "/api/texttospeech/3.1-preview1/batchsynthesis"

    def call(self, method: str, path: str = "", **arguments: Any) -> requests.Response:
        return self(method, self.path + path, **arguments)

    def post(self, *texts: str, **members: Any) -> requests.Response:
        inputs = [{"text": text} for text in texts or (INDENTED,)]
        body = {"displayName": "a test", "textType": "SSML", "inputs": inputs} | members
        return self.call("POST", json=body)

    def ended(self, answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code == 201, answer.text
        return finished(lambda: self("GET", answer.headers["Location"]).json())


def new_id() -> str:
    """An id that no other test uses."""
    return f"job-{next(_numbers):06}"


def finished(get: Any) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = get()
        return job if job["status"] in {"Succeeded", "Failed"} else None

    return eventually(look)


def bill(admin: Admin) -> dict[str, dict[str, int]]:
    """The bill, once the jobs of earlier tests are over: their characters are billed at their end."""

    def quiet() -> bool:
        jobs = admin.get("azure/jobs")["jobs"]
        going_on = [job for job in jobs if job["status"] in {"NotStarted", "Running"} and not job["seeded"]]
        return all("stuck_not_started" in job["faults"] for job in going_on)

    eventually(quiet)
    return admin.get("bill")


def download(job: dict[str, Any]) -> dict[str, bytes]:
    """Name -> content of everything in the result of a job."""
    # Without a session: a signed URL needs no key.
    answer = requests.get(job["outputs"]["result"], timeout=30)
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as package:
        assert package.testzip() is None
        return {name: package.read(name) for name in package.namelist()}


def summary(files: dict[str, bytes]) -> dict[str, Any]:
    return json.loads(files["summary.json"])


def wrapped(answer: requests.Response) -> tuple[int, str, str]:
    """Status, code and message of an error of 2024-04-01, whose code is also in a header."""
    error = answer.json()["error"]
    assert answer.headers["x-ms-error-code"] == error["code"]
    assert answer.headers["apim-request-id"]
    return answer.status_code, error["code"], error["message"]


def flat(answer: requests.Response) -> tuple[int, str, str]:
    """Status, code and message of an error of the preview."""
    body = answer.json()
    assert answer.headers["apim-request-id"]
    if "innerError" in body:
        assert body["innerError"]["message"] == body["message"]
    return answer.status_code, body["code"], body["message"]
