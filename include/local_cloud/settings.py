"""What can be set, and the two presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from include.local_cloud.azure.quotas import AzureQuotas
from include.local_cloud.azure.readings import AzureReadings

_Readings = TypeVar("_Readings", bound=Any)


class SettingsError(Exception):
    """A setting has a value that the local cloud cannot use; the message says which and what to put."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A token bucket: so many calls per second, so many at once after a rest."""

    per_second: float
    burst: float


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Quotas and latencies.

    Rates are per Region and keyed as the vendor counts them: by operation and
    engine, or by a group of operations that share one quota.

    :param queue_seconds: how long a Polly task stays ``scheduled``.
    :param working_seconds: how long it stays ``inProgress`` at the least, plus
        its billable characters divided by ``characters_per_second``.
    :param azure: limits and latencies of Azure Speech. The limits are the documented ones in both presets, since
        its clients have to live with them.
    """

    name: str
    polly_rates: Mapping[str, Rate]
    polly_concurrency: Mapping[str, int]
    queue_seconds: float
    working_seconds: float
    characters_per_second: float
    azure: AzureQuotas = field(default_factory=AzureQuotas)


def _polly_rates(rate: Rate) -> dict[str, Rate]:
    return dict.fromkeys(DOCUMENTED.polly_rates, rate)


# Quotas: the guide's page of limits (2026). The latencies are ours: the vendor
# promises none; field reports speak of some 15 seconds for a short text.
DOCUMENTED = Preset(
    name="documented",
    polly_rates={
        "StartSpeechSynthesisTask/standard": Rate(per_second=10, burst=12),
        "StartSpeechSynthesisTask/neural": Rate(per_second=10, burst=10),
        "StartSpeechSynthesisTask/long-form": Rate(per_second=1, burst=1),
        "StartSpeechSynthesisTask/generative": Rate(per_second=1, burst=1),
        "GetAndListSpeechSynthesisTasks": Rate(per_second=10, burst=10),
        "DescribeVoices": Rate(per_second=80, burst=100),
        "SynthesizeSpeech/standard": Rate(per_second=80, burst=100),
        "SynthesizeSpeech/neural": Rate(per_second=8, burst=10),
        "SynthesizeSpeech/long-form": Rate(per_second=8, burst=10),
        "SynthesizeSpeech/generative": Rate(per_second=8, burst=8),
        "Lexicons": Rate(per_second=5, burst=10),
    },
    polly_concurrency={"standard": 80, "neural": 18, "long-form": 26, "generative": 26},
    queue_seconds=4.0,
    working_seconds=8.0,
    characters_per_second=2_000.0,
)
FAST = Preset(
    name="fast",
    polly_rates=_polly_rates(Rate(per_second=1_000, burst=1_000)),
    polly_concurrency=dict.fromkeys(DOCUMENTED.polly_concurrency, 1_000),
    queue_seconds=0.0,
    working_seconds=0.0,
    characters_per_second=float("inf"),
    azure=AzureQuotas(median_seconds=0.0, slow_seconds=0.0),
)
PRESETS = {preset.name: preset for preset in (FAST, DOCUMENTED)}


@dataclass(frozen=True, kw_only=True)
class PollyReadings:
    """Where the vendor is silent or contradicts itself: the reading taken, the first one being the default."""

    missing_bucket: str = field(default="refuse", metadata={"values": ("refuse", "fail_task")})
    wrong_engine: str = field(
        default="EngineNotSupportedException",
        metadata={"values": ("EngineNotSupportedException", "ValidationException")},
    )
    malformed_task_id: str = field(
        default="InvalidTaskIdException", metadata={"values": ("InvalidTaskIdException", "ValidationException")}
    )
    list_order: str = field(default="oldest_first", metadata={"values": ("oldest_first", "newest_first")})
    ssml_entities: str = field(default="decoded", metadata={"values": ("decoded", "raw")})

    @classmethod
    def parse(cls, text: str) -> PollyReadings:
        """``missing_bucket=fail_task,list_order=newest_first`` -> readings; unknown names and values are refused."""
        return parse_readings(cls, text, setting="LOCAL_CLOUD_POLLY_READINGS")


def parse_readings(readings: type[_Readings], text: str, *, setting: str) -> _Readings:
    """``name=value,...`` -> readings.

    :param readings: a dataclass whose fields carry their ``values`` as metadata.
    :param setting: the environment variable, for the message.
    :raises SettingsError: for an unknown name or value.
    """
    known = {reading.name: reading.metadata["values"] for reading in fields(readings)}
    chosen: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition("=")
        if name not in known:
            raise SettingsError(f"{setting} names the reading {name!r}; there are {', '.join(known)}.")
        if value not in known[name]:
            raise SettingsError(f"{setting} sets {name} to {value!r}; it takes {' or '.join(known[name])}.")
        chosen[name] = value
    return readings(**chosen)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the command reads from its environment."""

    host: str = "127.0.0.1"
    speech_port: int = 8600
    s3_port: int = 8601
    preset: Preset = FAST
    state: Path = Path(".narration/local_cloud")
    readings: PollyReadings = PollyReadings()
    azure_readings: AzureReadings = field(default_factory=AzureReadings)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        preset = environment.get("LOCAL_CLOUD_PRESET") or FAST.name
        if preset not in PRESETS:
            raise SettingsError(f"LOCAL_CLOUD_PRESET is {preset!r}; the presets are {' and '.join(PRESETS)}.")
        return cls(
            host=environment.get("LOCAL_CLOUD_HOST") or cls.host,
            speech_port=_port(environment, "LOCAL_CLOUD_SPEECH_PORT", cls.speech_port),
            s3_port=_port(environment, "LOCAL_CLOUD_S3_PORT", cls.s3_port),
            preset=PRESETS[preset],
            state=Path(environment.get("LOCAL_CLOUD_STATE") or cls.state),
            readings=PollyReadings.parse(environment.get("LOCAL_CLOUD_POLLY_READINGS", "")),
            azure_readings=parse_readings(
                AzureReadings, environment.get("LOCAL_CLOUD_AZURE_READINGS", ""), setting="LOCAL_CLOUD_AZURE_READINGS"
            ),
        )


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SettingsError(f"{name} is {text!r}; put a port number from 1 to 65535.")
    return int(text)
