"""Settings from the environment, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.local_cloud.settings import DOCUMENTED, FAST, Settings, SettingsError


def test_nothing_set_means_fast_on_loopback() -> None:
    settings = Settings.from_environment({})
    assert (settings.host, settings.speech_port, settings.s3_port) == ("127.0.0.1", 8600, 8601)
    assert settings.preset is FAST


def test_everything_can_be_set() -> None:
    settings = Settings.from_environment(
        {
            "LOCAL_CLOUD_HOST": "0.0.0.0",
            "LOCAL_CLOUD_SPEECH_PORT": "1",
            "LOCAL_CLOUD_S3_PORT": "2",
            "LOCAL_CLOUD_PRESET": "documented",
            "LOCAL_CLOUD_STATE": "/somewhere",
            "LOCAL_CLOUD_POLLY_READINGS": "missing_bucket=fail_task, wrong_engine=ValidationException",
        }
    )
    assert (settings.host, settings.speech_port, settings.s3_port) == ("0.0.0.0", 1, 2)
    assert (settings.preset, settings.state) == (DOCUMENTED, Path("/somewhere"))
    assert settings.readings.missing_bucket == "fail_task"
    assert settings.readings.wrong_engine == "ValidationException"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOCAL_CLOUD_PRESET", "slow"),
        ("LOCAL_CLOUD_SPEECH_PORT", "http"),
        ("LOCAL_CLOUD_S3_PORT", "65536"),
        ("LOCAL_CLOUD_POLLY_READINGS", "moon=full"),
        ("LOCAL_CLOUD_POLLY_READINGS", "list_order=random"),
    ],
)
def test_a_wrong_value_is_named_with_its_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({name: value})


def test_both_presets_have_every_quota() -> None:
    assert set(FAST.polly_rates) == set(DOCUMENTED.polly_rates)
    assert set(FAST.polly_concurrency) == set(DOCUMENTED.polly_concurrency)


def test_readings_of_azure_are_set_like_those_of_polly() -> None:
    settings = Settings.from_environment({"LOCAL_CLOUD_AZURE_READINGS": "preview_unknown_job=404"})
    assert settings.azure_readings.preview_unknown_job == "404"
    assert settings.azure_readings.batch_unknown_get == "404"
    with pytest.raises(SettingsError, match="LOCAL_CLOUD_AZURE_READINGS names the reading 'weather'"):
        Settings.from_environment({"LOCAL_CLOUD_AZURE_READINGS": "weather=fine"})
    with pytest.raises(SettingsError, match="204 or 404"):
        Settings.from_environment({"LOCAL_CLOUD_AZURE_READINGS": "preview_unknown_job=500"})
