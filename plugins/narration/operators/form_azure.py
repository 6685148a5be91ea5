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
    storage_conn_id_param,
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
            description="Who speaks: the language, the voice, and in brackets the styles that it has.",
            section="Voice",
        ),
        "other_voice": Param(
            None,
            type=["null", "string"],
            maxLength=100,
            title="Another voice",
            description="Short name of a voice that is not in the list, because it is newer or your own, for "
            "example en-US-NewestMultilingualNeural. It is used instead of the one above. Empty: the one above.",
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
            description="How the voice speaks; one of the styles in its brackets. Style, role, rate, pitch and volume "
            "are for plain text: SSML says them itself.",
            section="Voice",
        ),
        "style_degree": Param(
            None,
            type=["null", "number"],
            minimum=LOWEST_STYLE_DEGREE,
            maximum=HIGHEST_STYLE_DEGREE,
            title="Style degree",
            description="How strong the style is, from 0.01 to 2. Empty: 1. Needs a style.",
            section="Voice",
        ),
        "role": Param(
            None,
            type=["null", "string"],
            enum=[None, *ROLES],
            values_display={None: "The voice's own"},
            title="Role",
            description="Another age and gender, for the few voices that can play one.",
            section="Voice",
        ),
        "rate": _prosody(
            "Rate", pattern=RATE.pattern, description="How fast: for example slow, 0.9 or -10.00%. Empty: 1."
        ),
        "pitch": _prosody(
            "Pitch",
            pattern=PITCH.pattern,
            description="How high: for example high, +5.00% or -2st (semitones). Empty: as the voice is.",
        ),
        "volume": _prosody(
            "Volume",
            pattern=VOLUME.pattern,
            description="How loud: for example soft, 80 (of 100) or +10.00%. Empty: 100.",
        ),
    }


def _prosody(title: str, *, pattern: str, description: str) -> Param:
    return Param(
        None,
        type=["null", "string"],
        pattern=f"^(?:{pattern})?$",
        maxLength=20,
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
            description="What is bought from Azure, paragraph by paragraph; the files of the narration are made from "
            "it. Another format is another purchase.",
            section="Audio",
        )
    }


def connection_params() -> dict[str, Param]:
    """Give the parameters of who pays and who opens S3 locations."""
    return {
        "azure_speech_conn_id": Param(
            "azure_speech_default",
            type="string",
            minLength=1,
            maxLength=250,
            title="Azure Speech connection",
            description="Airflow connection of the type Azure AI Speech, to a resource of the pricing tier Standard "
            "(S0): it pays.",
            section="Where",
        ),
        **storage_conn_id_param(),
    }


def azure_batch_params() -> dict[str, Param]:
    """Give everything that a person may set for a narration with Azure batch synthesis."""
    return {
        **document_params(),
        **voice_params(),
        **speaking_params(),
        **cost_params(),
        **storage_param(),
        **connection_params(),
        **outputs_param(),
        **output_format_param(BATCH_FORMATS),
        "api_version": Param(
            next(iter(API_VERSIONS)),
            type="string",
            enum=list(API_VERSIONS),
            values_display={"2024-04-01": "2024-04-01", "3.1-preview1": "3.1-preview1 (preview)"},
            title="Version of the service",
            description="Which API buys. 2024-04-01 takes 10,000 paragraphs and 2 MB in one job, the preview 1,000 and "
            "500 KB; they sound and cost the same.",
            section="Audio",
        ),
        **paragraphs_per_order_param(maximum=_MOST_PARAGRAPHS_PER_ORDER),
        **pause_params(),
    }


def azure_long_audio_params() -> dict[str, Param]:
    """Give everything that a person may set for a narration with Azure's Long Audio API."""
    return {
        **document_params(
            note="**The Long Audio API retires on 2027-04-01.** The Dag *narrate_azure_batch* does the same for the "
            "same voices, and buys nothing again that lies in the storage."
        ),
        **voice_params(),
        **cost_params(),
        **storage_param(),
        **connection_params(),
        **outputs_param(),
        **output_format_param(LONG_AUDIO_FORMATS),
        **paragraphs_per_order_param(maximum=9_000),
        **pause_params(),
    }
