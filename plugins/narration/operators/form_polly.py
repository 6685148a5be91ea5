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
from narration.synthesis.prices import PRICES, money

FORMATS = {
    "ogg_vorbis": "Ogg Vorbis, up to 24 kHz",
    "mp3": "MP3, up to 24 kHz",
    "pcm": "PCM, lossless, up to 16 kHz",
    "ogg_opus": "Ogg Opus, 48 kHz",
    "mulaw": "µ-law, 8 kHz (telephone)",
    "alaw": "A-law, 8 kHz (telephone)",
}
"""What Polly can make, for a person to choose from."""


def engines_with_prices() -> dict[str, str]:
    """Name the engines with their list prices, for a person to choose from."""
    prices = PRICES["polly"]
    return {
        engine: f"{engine.capitalize()} ({money(prices[engine].per_million, currency=prices[engine].currency)} per "
        "million characters)"
        for engine in ENGINES
    }


def sample_rates() -> dict[str, str]:
    """Name every rate that some format has, for a person to choose from."""
    rates = sorted({rate for rates in SAMPLE_RATES.values() for rate in rates})
    return {"auto": "Polly's best for the format", **{str(rate): f"{rate:,} Hz" for rate in rates}}


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
            description="Who speaks: the language, the voice, and in brackets the engines that it has.",
            section="Voice",
        ),
        "engine": Param(
            "neural",
            type="string",
            enum=list(ENGINES),
            values_display=engines_with_prices(),
            title="Engine",
            description="How the voice is made; one of the engines in the brackets behind the voice. List prices.",
            section="Voice",
        ),
        "language_code": Param(
            None,
            type=["null", "string"],
            enum=[None, *LANGUAGES],
            values_display={None: "The voice's own", **LANGUAGES},
            title="Language",
            description="Only for voices that speak two languages, such as Aditi and Kajal.",
            section="Voice",
        ),
        "lexicons": Param(
            [],
            type=["null", "array"],
            items={"type": "string", "pattern": f"^{LEXICON_NAME.pattern}$"},
            maxItems=MAX_LEXICONS,
            title="Lexicons",
            description=f"Names of pronunciation lexicons that are stored at Polly, one a line, {MAX_LEXICONS} at "
            "most. Empty: none.",
            section="Voice",
        ),
        **cost_params(),
        **storage_param(),
        "output_bucket": Param(
            configured("polly_bucket"),
            type="string",
            pattern=r"^(?:[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9])?$",
            title="Bucket for Polly",
            description="Name of the S3 bucket, in the Region of the connection, that Polly itself writes into. "
            "AIRFLOW__NARRATION__POLLY_BUCKET sets the default.",
            section="Where",
        ),
        "aws_conn_id": Param(
            "aws_default",
            type="string",
            minLength=1,
            maxLength=250,
            title="AWS connection",
            description="Airflow connection of the type Amazon Web Services: its account pays, and it opens what lies "
            "at S3.",
            section="Where",
        ),
        **outputs_param(),
        "output_format": Param(
            "ogg_vorbis",
            type="string",
            enum=list(SAMPLE_RATES),
            values_display=FORMATS,
            title="Format of the clips",
            description="What is bought from Polly, paragraph by paragraph; the files of the narration are made from "
            "it. Another format is another purchase.",
            section="Audio",
        ),
        "sample_rate": Param(
            "auto",
            type="string",
            enum=list(sample_rates()),
            values_display=sample_rates(),
            title="Sample rate (Hz)",
            description="Of what is bought. MP3 and Ogg Vorbis: 8,000 to 24,000; PCM: 8,000 or 16,000; the others have "
            "one rate only.",
            section="Audio",
        ),
        **paragraphs_per_order_param(),
        **pause_params(),
    }
