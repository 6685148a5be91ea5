"""The parameters of the ``narrate_*`` Dags, read in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from narration.errors import PermanentNarrationError
from narration.synthesis.polly_choice import check_choice

SECTION = "narration"
"""The section of Airflow's configuration that holds the installation's defaults."""


class ParameterError(PermanentNarrationError):
    """A parameter of the Dag run cannot be used; nothing was read or bought."""


def configured(key: str, fallback: str = "") -> str:
    """Give a default of the installation, for example ``storage`` from ``AIRFLOW__NARRATION__STORAGE``."""
    from airflow.sdk import conf

    return str(conf.get(SECTION, key, fallback=fallback))


@dataclass(frozen=True, kw_only=True)
class NarrationParameters:
    """
    What a person asked for, in types that the tasks work with.

    :param service: the speech service that the Dag stands for.
    :param sample_rate: Hz; ``None`` for the service's default.
    :param pauses: milliseconds, by name.
    """

    service: str
    document: str
    title: str | None
    text_type: str
    voice: str
    engine: str
    language_code: str | None
    output_format: str
    sample_rate: int | None
    lexicons: tuple[str, ...]
    paragraphs_per_order: int
    storage: str
    output_bucket: str
    aws_conn_id: str
    pauses: Mapping[str, int]

    @classmethod
    def of(cls, params: Mapping[str, Any], *, service: str) -> NarrationParameters:
        """
        Read the parameters of a run and refuse combinations that cannot work.

        :raises ParameterError: if one is missing.
        :raises narration.synthesis.polly_choice.VoiceChoiceError: if voice, engine, format or rate do not go together.
        """
        document = str(params["document"] or "").strip()
        if not document:
            raise ParameterError("No document is given. Set the parameter 'document' to a path or URI.")
        rate = str(params["sample_rate"])
        parameters = cls(
            service=service,
            document=document,
            title=params["title"] or None,
            text_type=params["text_type"],
            voice=params["voice"],
            engine=params["engine"],
            language_code=params["language_code"] or None,
            output_format=params["output_format"],
            sample_rate=None if rate == "auto" else int(rate),
            lexicons=tuple(params["lexicons"] or ()),
            paragraphs_per_order=int(params["paragraphs_per_order"]),
            storage=params["storage"] or configured("storage"),
            output_bucket=params["output_bucket"] or configured("polly_bucket"),
            aws_conn_id=params["aws_conn_id"],
            pauses={name.removesuffix("_pause_ms") + "_ms": int(params[name]) for name in PAUSES},
        )
        check_choice(
            voice=parameters.voice,
            engine=parameters.engine,
            language_code=parameters.language_code,
            audio_format=parameters.output_format,
            sample_rate=parameters.sample_rate,
            lexicons=parameters.lexicons,
        )
        return parameters

    def connection(self) -> dict[str, Any]:
        """Give what the service's adapter is made from."""
        return {"aws_conn_id": self.aws_conn_id, "bucket": self.output_bucket}


PAUSES = ("paragraph_pause_ms", "heading_pause_ms", "scene_pause_ms", "chapter_pause_ms")
"""Names of the parameters that set pauses."""
