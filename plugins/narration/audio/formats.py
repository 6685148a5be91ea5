"""The audio formats in which a clip can arrive, and the sample rates that a master can have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from narration.audio.errors import ClipDefect, TimelineError

#: Sample rates in Hz that MP3 (MPEG-1, 2 and 2.5 layer III) and AAC both know.
MASTER_SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

#: A master below this rate saves next to nothing and is refused by some audiobook players.
LOWEST_MASTER_SAMPLE_RATE = 16000


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """One format in which a service delivers a clip.

    The rates are those this room can decode and check; which of them a service sells, and with which engine, is the
    business of that service's adapter.

    :param name: the name used everywhere, equal to Polly's ``OutputFormat`` where Polly has the format
    :param suffix: file name suffix with its dot, for the store
    :param media_type: MIME type for the store and for players
    :param sample_rates: sample rates in Hz that a clip of this format may have
    :param container: FFmpeg's name of the container, or None for samples without any header
    :param codecs: FFmpeg's names of the codecs that may be inside; empty for samples without any header
    :param bytes_per_sample: for samples without any header; 0 otherwise
    """

    name: str
    suffix: str
    media_type: str
    sample_rates: tuple[int, ...]
    container: str | None = None
    codecs: tuple[str, ...] = ()
    bytes_per_sample: int = 0

    @property
    def headerless(self) -> bool:
        """Whether the bytes are bare samples, so that nothing in them tells their rate."""
        return self.container is None


#: Every clip format by name.
CLIP_FORMATS: dict[str, ClipFormat] = {
    clip_format.name: clip_format
    for clip_format in (
        ClipFormat(
            name="mp3",
            suffix=".mp3",
            media_type="audio/mpeg",
            sample_rates=MASTER_SAMPLE_RATES,
            container="mp3",
            codecs=("mp3", "mp3float"),
        ),
        ClipFormat(
            name="ogg_vorbis",
            suffix=".ogg",
            media_type="audio/ogg",
            sample_rates=MASTER_SAMPLE_RATES,
            container="ogg",
            codecs=("vorbis",),
        ),
        # Whatever went into an Opus encoder, what comes out of the decoder has 48,000 samples per second (RFC 7845).
        ClipFormat(
            name="ogg_opus",
            suffix=".opus",
            media_type="audio/ogg",
            sample_rates=(48000,),
            container="ogg",
            codecs=("opus", "libopus"),
        ),
        ClipFormat(
            name="wav",
            suffix=".wav",
            media_type="audio/wav",
            sample_rates=MASTER_SAMPLE_RATES,
            container="wav",
            codecs=("pcm_s16le", "pcm_mulaw", "pcm_alaw"),
        ),
        ClipFormat(
            name="pcm",
            suffix=".pcm",
            media_type="audio/pcm",
            sample_rates=MASTER_SAMPLE_RATES,
            bytes_per_sample=2,
        ),
        ClipFormat(name="mulaw", suffix=".ulaw", media_type="audio/basic", sample_rates=(8000,), bytes_per_sample=1),
        ClipFormat(
            name="alaw", suffix=".alaw", media_type="audio/x-alaw-basic", sample_rates=(8000,), bytes_per_sample=1
        ),
    )
}


def clip_format(*, audio_format: str, sample_rate: int) -> ClipFormat:
    """Look up a format and check that a clip of it can have the rate.

    :raises ClipDefect: unknown format, or a sample rate that the format cannot have
    """
    try:
        found = CLIP_FORMATS[audio_format]
    except KeyError:
        known = ", ".join(sorted(CLIP_FORMATS))
        raise ClipDefect(f"There is no clip format {audio_format!r}; use one of {known}.") from None
    if sample_rate not in found.sample_rates:
        rates = ", ".join(str(rate) for rate in found.sample_rates)
        raise ClipDefect(f"A clip in format {audio_format} cannot have {sample_rate} samples per second; use {rates}.")
    return found


def master_sample_rate(rates: Iterable[int]) -> int:
    """Choose the sample rate in Hz of the master for clips of the given rates.

    It is the highest rate among the clips, so that nothing is lost and most clips need no resampling, raised to the
    next rate that MP3 and AAC know and to at least :data:`LOWEST_MASTER_SAMPLE_RATE` (telephone formats).

    :raises TimelineError: no rate given, or one that is not positive
    """
    given = sorted(set(rates))
    if not given:
        raise TimelineError("No sample rate to choose from: there are no clips to assemble.")
    if given[0] <= 0:
        raise TimelineError(f"{given[0]} is not a sample rate; read the clips' facts again.")
    highest = max(given[-1], LOWEST_MASTER_SAMPLE_RATE)
    return next((rate for rate in MASTER_SAMPLE_RATES if rate >= highest), MASTER_SAMPLE_RATES[-1])
