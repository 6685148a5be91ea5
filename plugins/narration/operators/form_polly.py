"""The form of ``narrate_polly``."""

from __future__ import annotations

from airflow.sdk import Param

from narration.operators.form import (
    cost_params,
    document_params,
    outputs_param,
    paragraphs_per_order_param,
    pause_params,
    storage_param,
)
from narration.operators.parameters import configured
from narration.synthesis.polly_rules import ENGINES, LEXICON_NAME, MAX_LEXICONS, SAMPLE_RATES
from narration.synthesis.polly_voices import LANGUAGES, VOICES
from narration.synthesis.prices import price_list


def polly_params() -> dict[str, Param]:
    """Give everything that a person may set for a narration with Amazon Polly."""
    return {
        **document_params(),
        "voice": Param(
            "Joanna",
            type="string",
            enum=list(VOICES),
            values_display={voice.voice_id: voice.label for voice in VOICES.values()},
            title="Voice",
            description="Language, voice, and in brackets the engines that speak it.",
            section="Voice",
        ),
        "engine": Param(
            "neural",
            type="string",
            enum=list(ENGINES),
            title="Engine",
            description=f"Must be one of the voice's engines. USD per million characters: {price_list('polly')}.",
            section="Voice",
        ),
        "language_code": Param(
            None,
            type=["null", "string"],
            enum=[None, *LANGUAGES],
            values_display={None: "The voice's own", **LANGUAGES},
            title="Language",
            description="Only for bilingual voices such as Aditi and Kajal.",
            section="Voice",
        ),
        "lexicons": Param(
            [],
            type=["null", "array"],
            items={"type": "string", "pattern": f"^{LEXICON_NAME.pattern}$"},
            maxItems=MAX_LEXICONS,
            title="Lexicons",
            description="Names of pronunciation lexicons stored at Polly, one a line.",
            section="Voice",
        ),
        "output_format": Param(
            "ogg_vorbis",
            type="string",
            enum=list(SAMPLE_RATES),
            title="Format of the clips",
            description_md="What is bought from Polly; the narration itself is always MP3 and M4B. "
            "`pcm` is lossless at 16 kHz; `ogg_vorbis` and `mp3` reach 24 kHz.",
            section="Clips",
        ),
        "sample_rate": Param(
            "auto",
            type="string",
            enum=["auto", *sorted({str(rate) for rates in SAMPLE_RATES.values() for rate in rates}, key=int)],
            title="Sample rate (Hz)",
            description="auto: the best default of Polly. mp3 and ogg_vorbis: 8000 to 24000; pcm: 8000, 16000; "
            "ogg_opus: 48000; mulaw, alaw: 8000.",
            section="Clips",
        ),
        **paragraphs_per_order_param(),
        **cost_params(),
        **pause_params(),
        **outputs_param(),
        **storage_param(),
        "output_bucket": Param(
            configured("polly_bucket"),
            type="string",
            title="Bucket for Polly",
            description="The S3 bucket, in Polly's Region, that Polly writes into.",
            section="Where",
        ),
        "aws_conn_id": Param(
            "aws_default", type="string", minLength=1, title="AWS connection", description="It pays.", section="Where"
        ),
    }
