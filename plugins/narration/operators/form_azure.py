"""The forms of ``narrate_azure_batch`` and ``narrate_azure_long_audio``."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk import Param

from narration.operators.form import (
    cost_params,
    document_params,
    outputs_param,
    paragraphs_per_order_param,
    pause_params,
    storage_param,
)
from narration.operators.parameters_azure import API_VERSIONS
from narration.synthesis.azure_choice import (
    HIGHEST_STYLE_DEGREE,
    LOWEST_STYLE_DEGREE,
    PITCH,
    RATE,
    ROLES,
    VOLUME,
)
from narration.synthesis.azure_formats import BATCH_FORMATS, DEFAULT_FORMAT, LONG_AUDIO_FORMATS, describe
from narration.synthesis.azure_voices import VOICES

DEFAULT_VOICE = "en-US-JennyNeural"
_MOST_PARAGRAPHS_PER_ORDER = 10_000


def voice_params() -> dict[str, Param]:
    """Give the parameters of who speaks."""
    return {
        "voice": Param(
            DEFAULT_VOICE,
            type="string",
            enum=list(VOICES),
            values_display={voice.short_name: voice.label for voice in VOICES.values()},
            title="Voice",
            description="Language, voice, and in brackets the styles that it has.",
            section="Voice",
        ),
        "other_voice": Param(
            None,
            type=["null", "string"],
            title="Another voice",
            description_md="Short name of a voice that is newer than the list, for example "
            "`en-US-NewestMultilingualNeural`; it is used instead.",
            section="Voice",
        ),
    }


def speaking_params() -> dict[str, Param]:
    """Give the parameters of how plain text is spoken; SSML says that itself."""
    styles = sorted({style for voice in VOICES.values() for style in voice.styles})
    return {
        "style": Param(
            None,
            type=["null", "string"],
            enum=[None, *styles],
            values_display={None: "Neutral"},
            title="Style",
            description="One of the voice's own. Style, role, rate, pitch and volume are for plain text.",
            section="Voice",
        ),
        "style_degree": Param(
            None,
            type=["null", "number"],
            minimum=LOWEST_STYLE_DEGREE,
            maximum=HIGHEST_STYLE_DEGREE,
            title="Style degree",
            description="How strong the style is: from 0.01 to 2, 1 if left empty.",
            section="Voice",
        ),
        "role": Param(
            None,
            type=["null", "string"],
            enum=[None, *ROLES],
            values_display={None: "The voice's own"},
            title="Role",
            description="For the few voices that can play another age and gender.",
            section="Voice",
        ),
        "rate": _prosody("Rate", pattern=RATE.pattern, description="For example slow, 0.9 or -10.00%."),
        "pitch": _prosody("Pitch", pattern=PITCH.pattern, description="For example high, +5.00% or -2st."),
        "volume": _prosody("Volume", pattern=VOLUME.pattern, description="For example soft, 80 or +10.00%."),
    }


def _prosody(title: str, *, pattern: str, description: str) -> Param:
    return Param(
        None,
        type=["null", "string"],
        pattern=f"^(?:{pattern})?$",
        title=title,
        description=description,
        section="Voice",
    )


def output_format_param(formats: Sequence[str]) -> dict[str, Param]:
    """Give the parameter of what is bought."""
    return {
        "output_format": Param(
            DEFAULT_FORMAT,
            type="string",
            enum=list(formats),
            values_display={name: describe(name) for name in formats},
            title="Format of the clips",
            description="What is bought from Azure; the narration itself is always MP3 and M4B. Another format is "
            "another purchase.",
            section="Clips",
        )
    }


def connection_params() -> dict[str, Param]:
    """Give the parameters of who pays and who opens S3 locations."""
    return {
        "azure_speech_conn_id": Param(
            "azure_speech_default",
            type="string",
            minLength=1,
            title="Azure Speech connection",
            description="It pays. A resource of the pricing tier Standard (S0).",
            section="Where",
        ),
        "storage_conn_id": Param(
            "aws_default",
            type=["null", "string"],
            title="AWS connection",
            description_md="For S3 locations of the document and the storage; `s3://my_connection@bucket/key` names "
            "another one.",
            section="Where",
        ),
    }


def azure_batch_params() -> dict[str, Param]:
    """Give everything that a person may set for a narration with Azure batch synthesis."""
    return {
        **document_params(),
        **voice_params(),
        **speaking_params(),
        **output_format_param(BATCH_FORMATS),
        "api_version": Param(
            next(iter(API_VERSIONS)),
            type="string",
            enum=list(API_VERSIONS),
            values_display={"2024-04-01": "2024-04-01", "3.1-preview1": "3.1-preview1 (preview)"},
            title="Version of the service",
            description="2024-04-01 takes 10,000 paragraphs and 2 MB in one job, the preview 1,000 and 500 KB.",
            section="Clips",
        ),
        **paragraphs_per_order_param(maximum=_MOST_PARAGRAPHS_PER_ORDER),
        **cost_params(),
        **pause_params(),
        **outputs_param(),
        **storage_param(),
        **connection_params(),
    }


def azure_long_audio_params() -> dict[str, Param]:
    """Give everything that a person may set for a narration with Azure's Long Audio API."""
    return {
        **document_params(
            note="**The Long Audio API retires on 2027-04-01.** `narrate_azure_batch` does the same for the same "
            "voices, and buys nothing again that lies in the storage."
        ),
        **voice_params(),
        **output_format_param(LONG_AUDIO_FORMATS),
        **paragraphs_per_order_param(maximum=9_000),
        **cost_params(),
        **pause_params(),
        **outputs_param(),
        **storage_param(),
        **connection_params(),
    }
