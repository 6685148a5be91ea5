"""Encoding segments of the master, and the files their packets are put into with tags and chapter marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from narration.audio.errors import AssemblyError
from narration.audio.mixing import BLOCK_SAMPLES
from narration.audio.segments import Segment
from narration.audio.tags import Tags, one_line
from narration.audio.timeline import Timeline

if TYPE_CHECKING:
    import av
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.int16]

#: Bit rates in kbit/s that layer III has at every rate a master can have.
BITRATES_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160)

# The table-of-contents frame of ID3v2 chapters counts its entries in one byte.
_MOST_ID3_CONTENTS = 255


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """How one kind of file is made.

    :param name: for messages
    :param muxer: FFmpeg's name of the container writer
    :param muxer_options: its options
    :param codec: FFmpeg's name of the encoder
    :param codec_options: its options
    :param tags: tags that only this kind has
    """

    name: str
    muxer: str
    muxer_options: dict[str, str]
    codec: str
    codec_options: dict[str, str]
    tags: dict[str, str]


#: MP3 at a constant bit rate. Level 7 encodes speech nearly twice as fast as LAME's default and measures no worse.
MP3 = FileKind(
    name="MP3",
    muxer="mp3",
    muxer_options={"write_xing": "1", "id3v2_version": "4"},
    codec="libmp3lame",
    codec_options={"compression_level": "7"},
    tags={},
)

#: AAC-LC in MP4 as audiobook players want it: brand M4B, media type 2 (audiobook). The ``fast`` coder is five times
#: as fast as the default one and comes closer to the original on speech, where noise substitution and
#: shaping gain nothing.
M4B = FileKind(
    name="M4B",
    muxer="ipod",
    muxer_options={"brand": "M4B "},
    codec="aac",
    codec_options={"aac_coder": "fast", "aac_pns": "0", "aac_tns": "0"},
    tags={"media_type": "2"},
)


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What all encoders of one narration have in common.

    :param sample_rate: of the master, in Hz
    :param bitrate_kbps: of each file; one of :data:`BITRATES_KBPS`
    """

    sample_rate: int
    bitrate_kbps: int


@dataclass(frozen=True, kw_only=True)
class EncodedSegment:
    """The packets of one segment.

    :param packets: in order, their times in samples of the master
    :param context: the encoder, if the next segment goes on with it
    :param delay: samples by which a packet's time lies before the sound that went in
    """

    packets: list[av.Packet]
    context: av.AudioCodecContext
    delay: int


def encode_segment(
    samples: Samples,
    *,
    kind: FileKind,
    segment: Segment,
    following: Segment | None,
    before: Future[EncodedSegment] | None,
    encoding: Encoding,
) -> EncodedSegment:
    """Encode one segment; meant for a worker thread, as the codecs release the interpreter's lock.

    :param samples: of the segment
    :param kind: :data:`MP3` or :data:`M4B`
    :param segment: what the samples are
    :param following: the segment after this one, or None at the end
    :param before: the work on the segment before; waited for only if this one is not fresh
    :param encoding: sample rate and bit rate
    :raises AssemblyError: the encoder does not take the samples
    """
    import av
    import numpy as np

    start = segment.start
    delay: int | None
    try:
        if segment.fresh or before is None:
            context, delay = _open_context(kind, encoding=encoding), None
            # The packets of all encoders lie on one grid, so each starts at a whole frame. What is put before the
            # segment for that is silence, like everything beside a cut.
            start -= start % context.frame_size
            samples = np.concatenate([np.zeros(segment.start - start, dtype=np.int16), samples])
        else:
            earlier = before.result()
            context, delay = earlier.context, earlier.delay
        packets: list[av.Packet] = []
        for offset in range(0, samples.size, BLOCK_SAMPLES):
            block = samples[offset : offset + BLOCK_SAMPLES]
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = encoding.sample_rate
            frame.time_base = Fraction(1, encoding.sample_rate)
            frame.pts = start + offset
            packets.extend(context.encode(frame))
        if following is None or following.fresh:
            packets.extend(context.encode(None))
    except av.FFmpegError as error:
        at = segment.start / encoding.sample_rate
        raise AssemblyError(f"The {kind.name} encoder failed at {at:.1f} s: {error.strerror}.") from error
    if delay is None:
        delay = start - (packets[0].pts or 0) if packets else 0
    if following is not None and following.fresh:
        # What the encoder gave out last reaches into the next segment, whose own first packets stand there.
        end = following.start - following.start % context.frame_size - delay
        packets = [packet for packet in packets if (packet.pts or 0) < end]
    return EncodedSegment(packets=packets, context=context, delay=delay)


def _open_context(kind: FileKind, *, encoding: Encoding) -> av.AudioCodecContext:
    import av

    context = cast("av.AudioCodecContext", av.CodecContext.create(kind.codec, "w"))
    context.sample_rate = encoding.sample_rate
    context.layout = "mono"
    context.format = context.codec.audio_formats[0]  # type: ignore[index]
    context.bit_rate = encoding.bitrate_kbps * 1000
    context.options = dict(kind.codec_options)
    context.time_base = Fraction(1, encoding.sample_rate)
    context.open()
    return context


class OutputFile:
    """One output file being written: packets go in with :meth:`add`, :meth:`complete` writes the headers.

    The file must be an ordinary one: the headers with length and padding are written last, by seeking back.

    :param path: file to write, replaced if it exists
    :param kind: :data:`MP3` or :data:`M4B`
    :param encoding: sample rate and bit rate
    :param timeline: gives the chapter times
    :param tags: what players show
    :param chapter_titles: title of every chapter by its index
    :raises AssemblyError: the file cannot be created or written
    """

    def __init__(
        self,
        path: Path,
        *,
        kind: FileKind,
        encoding: Encoding,
        timeline: Timeline,
        tags: Tags,
        chapter_titles: Sequence[str],
    ) -> None:
        import av

        self.kind = kind
        self._path = path
        self._chapters = len(timeline.chapters)
        self._container = av.open(str(path.absolute()), mode="w", format=kind.muxer, options=kind.muxer_options)
        # This stream's own encoder never gets a sample; it gives the file its parameters (length of a frame, delay).
        self._stream = cast(
            "av.AudioStream",
            self._container.add_stream(
                kind.codec, rate=encoding.sample_rate, layout="mono", options=dict(kind.codec_options)
            ),
        )
        self._stream.bit_rate = encoding.bitrate_kbps * 1000
        self._container.metadata.update(tags.as_metadata() | kind.tags)
        if tags.language_code:
            # MP4 has the language on the track, ID3 on the file.
            self._stream.metadata["language"] = tags.language_code
            self._container.metadata["language"] = tags.language_code
        # Chapters can only be set before encoding starts: the muxers write or reserve them with their header.
        self._container.set_chapters(
            [
                {
                    "id": number,
                    "start": span.start,
                    "end": span.end,
                    "time_base": Fraction(1, timeline.sample_rate),
                    "metadata": {"title": one_line(chapter_titles[span.chapter])},
                }
                for number, span in enumerate(timeline.chapters)
            ]
        )
        try:
            self._container.start_encoding()
        except av.FFmpegError as error:
            raise self._cannot("create", error) from error

    def add(self, packets: Iterable[av.Packet]) -> None:
        """Append the next packets."""
        import av

        try:
            for packet in packets:
                packet.stream = self._stream
                self._container.mux_one(packet)
        except av.FFmpegError as error:
            raise self._cannot("write", error) from error

    def complete(self) -> None:
        """Write the headers and close the file."""
        import av

        try:
            self._container.close()
        except av.FFmpegError as error:
            raise self._cannot("complete", error) from error
        if self.kind is MP3 and self._chapters > _MOST_ID3_CONTENTS:
            _retire_contents_frame(self._path)

    def discard(self) -> None:
        """Close the file whatever state it is in; whoever calls this deletes it afterwards."""
        import av

        try:
            self._container.close()
        except av.FFmpegError:
            # The first failure is the one that is reported; a file that is thrown away need not be closed well.
            return

    def _cannot(self, verb: str, error: Exception) -> AssemblyError:
        reason = getattr(error, "strerror", None) or str(error)
        return AssemblyError(
            f"Cannot {verb} the {self.kind.name} file {self._path}: {reason}. Check that its folder exists, is "
            "writable and has room."
        )


def _retire_contents_frame(path: Path) -> None:
    """Turn the table-of-contents frame of a long book into an experimental one, which readers skip.

    FFmpeg lists all chapters in one such frame, but its count wraps after 255, and strict readers stumble over what
    follows. The chapter frames themselves are right and stand alone well. (ID3v2.4, section 4: frame names that start
    with X are free for experiments.)
    """
    with path.open("r+b") as file:
        header = file.read(1 << 20)
        at = header.find(b"CTOC")
        if at >= 0:
            file.seek(at)
            file.write(b"XTOC")
