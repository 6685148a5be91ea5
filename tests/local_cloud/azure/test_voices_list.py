"""The voices list over HTTP."""

from __future__ import annotations

import pytest
import requests

from include.local_cloud.azure.voices import voices_list
from include.local_cloud.server import LocalCloud


@pytest.mark.parametrize("path", ["/cognitiveservices/voices/list", "/tts/cognitiveservices/voices/list"])
def test_the_list_is_a_bare_array_on_either_path(cloud: LocalCloud, path: str) -> None:
    headers = {"Ocp-Apim-Subscription-Key": "local-cloud-key"}
    answer = requests.get(cloud.speech_url + path, headers=headers, timeout=30)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == voices_list()


@pytest.mark.parametrize("headers", [{}, {"Ocp-Apim-Subscription-Key": "revoked-01234567"}])
def test_the_list_needs_a_key(cloud: LocalCloud, headers: dict[str, str]) -> None:
    answer = requests.get(f"{cloud.speech_url}/cognitiveservices/voices/list", headers=headers, timeout=30)

    assert answer.status_code == 401


def test_the_list_can_fail_to_order(cloud: LocalCloud, admin: object) -> None:
    admin.order("error_500", service="azure_voices")  # type: ignore[attr-defined]
    headers = {"Ocp-Apim-Subscription-Key": "local-cloud-key"}
    url = f"{cloud.speech_url}/cognitiveservices/voices/list"

    assert requests.get(url, headers=headers, timeout=30).status_code == 500
    assert requests.get(url, headers=headers, timeout=30).status_code == 200
