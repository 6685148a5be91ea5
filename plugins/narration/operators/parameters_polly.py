"""What the form of ``narrate_polly`` has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from narration.operators.parameters import NarrationParameters, common_fields, configured
from narration.synthesis.polly_choice import check_choice


@dataclass(frozen=True, kw_only=True)
class PollyParameters(NarrationParameters):
    """
    What a person asked of Amazon Polly.

    :param sample_rate: Hz; ``None`` for Polly's default.
    :param output_bucket: bucket that Polly writes into.
    :param aws_conn_id: connection that pays; it also opens S3 locations.
    """

    engine: str
    language_code: str | None
    output_format: str
    sample_rate: int | None
    lexicons: tuple[str, ...]
    output_bucket: str
    aws_conn_id: str

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        common = common_fields(params)
        rate = str(params["sample_rate"])
        parameters = cls(
            **common,
            service="polly",
            voice=params["voice"],
            engine=params["engine"],
            language_code=params["language_code"] or None,
            output_format=params["output_format"],
            sample_rate=None if rate == "auto" else int(rate),
            lexicons=tuple(params["lexicons"] or ()),
            output_bucket=params["output_bucket"] or configured("polly_bucket"),
            aws_conn_id=params["aws_conn_id"],
            storage_conn_id=params["aws_conn_id"],
        )
        check_choice(**parameters.voice_choice())
        return parameters

    def voice_choice(self) -> dict[str, Any]:
        return {
            "voice": self.voice,
            "engine": self.engine,
            "language_code": self.language_code,
            "audio_format": self.output_format,
            "sample_rate": self.sample_rate,
            "lexicons": self.lexicons,
        }

    def connection(self) -> dict[str, Any]:
        return {"aws_conn_id": self.aws_conn_id, "bucket": self.output_bucket}
