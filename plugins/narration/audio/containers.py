"""Whether the bytes of a clip are whole, read from the container itself.

Decoders are made to get something out of damaged files: half an MP3 or Ogg file decodes without a word of warning to
half of the sentence. These walks follow the structure from the first byte to the last, so that a cut, a hole or
something appended is noticed. They read headers and checksums only and decode no audio.
"""

from __future__ import annotations

import struct
import zlib

from narration.audio.errors import ClipDefect

# Bit rates in kbit/s of layer III by header index (ISO/IEC 11172-3 and 13818-3); 0 is "free", 15 is forbidden.
_MPEG1_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_BITRATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_RATES = (44100, 48000, 32000)

_OGG_HEADER = struct.Struct("<4sBBqIIIB")
_OGG_END_OF_STREAM = 4
_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))

# What a body that is no audio at all starts with, so that the message can say what came instead.
_SIGNATURES = (
    (b"RIFF", "a WAV file"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b\x08", "gzip data"),
    (b"<?xml", "an XML document"),
    (b"<Error", "an XML error reply"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
    (b'{"', "a JSON document"),
)


def looks_like(data: bytes) -> str | None:
    """Say what kind of file the bytes start like, or return None if nothing known."""
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    return None


def check_mp3(data: bytes) -> None:
    """Follow the MP3 frames from the first to the last byte.

    ID3 tags before and after the frames are allowed. If the first frame is a Xing or Info header with a frame count,
    that many frames must follow it: so a file cut exactly between two frames is noticed as well.

    :raises ClipDefect: bytes that belong to no frame, an incomplete last frame, or fewer frames than the header says
    """
    position = _after_id3v2(data)
    if position > len(data):
        raise ClipDefect(f"The MP3 data is cut off inside its ID3 tag: {len(data)} of {position} bytes.")
    frames = 0
    expected: int | None = None
    while position < len(data):
        if data[position : position + 3] == b"TAG" and len(data) - position == 128:
            break
        length = _mp3_frame_length(data, position)
        if length is None:
            what = "starts with" if frames == 0 else f"has after {frames} good frames"
            raise ClipDefect(
                f"The MP3 data {what} {len(data) - position} bytes that are no MP3 frame (byte {position} of "
                f"{len(data)}): it is damaged or has something appended."
            )
        if position + length > len(data):
            raise ClipDefect(
                f"The MP3 data is cut off: the last frame needs {length} bytes, {len(data) - position} are there "
                f"(byte {position} of {len(data)})."
            )
        if frames == 0 and expected is None:
            expected = _xing_frame_count(data[position : position + length])
            if expected is not None:
                position += length
                continue
        frames += 1
        position += length
    if frames == 0:
        raise ClipDefect(f"The MP3 data of {len(data)} bytes holds no audio frame.")
    if expected and frames != expected:
        raise ClipDefect(f"The MP3 data is incomplete: its header announces {expected} frames, {frames} are there.")


def _after_id3v2(data: bytes) -> int:
    position = 0
    while data[position : position + 3] == b"ID3" and len(data) >= position + 10:
        size = 0
        for byte in data[position + 6 : position + 10]:
            size = size << 7 | byte & 0x7F
        position += 10 + size + (10 if data[position + 5] & 0x10 else 0)
    return position


def _mp3_frame_length(data: bytes, position: int) -> int | None:
    """Return the length in bytes of the layer III frame at the position, or None if there is no such frame header."""
    header = data[position : position + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version = header[1] >> 3 & 3  # 0: MPEG 2.5, 1: reserved, 2: MPEG 2, 3: MPEG 1
    layer = header[1] >> 1 & 3
    bitrate_index = header[2] >> 4
    rate_index = header[2] >> 2 & 3
    if version == 1 or layer != 1 or bitrate_index in (0, 15) or rate_index == 3:
        return None
    padding = header[2] >> 1 & 1
    if version == 3:
        return 144_000 * _MPEG1_BITRATES[bitrate_index] // _MPEG1_RATES[rate_index] + padding
    rate = _MPEG1_RATES[rate_index] // (2 if version == 2 else 4)
    return 72_000 * _MPEG2_BITRATES[bitrate_index] // rate + padding


def _xing_frame_count(frame: bytes) -> int | None:
    """Return the frame count of a Xing/Info frame (0 if it gives none), or None if this is an ordinary frame."""
    mpeg1 = frame[1] >> 3 & 3 == 3
    mono = frame[3] >> 6 == 3
    side_info = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    offset = 4 + side_info
    if frame[offset : offset + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(frame[offset + 4 : offset + 8], "big")
    return int.from_bytes(frame[offset + 8 : offset + 12], "big") if flags & 1 else 0


def check_ogg(data: bytes) -> None:
    """Follow the Ogg pages (RFC 3533) from the first to the last byte.

    :raises ClipDefect: a page that is cut, out of sequence or has a wrong checksum, bytes that belong to no page,
        more than one stream, or no page marked as the end of the stream
    """
    position = 0
    sequence = 0
    serial: int | None = None
    ended = False
    while position < len(data):
        place = f"page {sequence}, byte {position} of {len(data)}"
        if data[position : position + 4] != b"OggS":
            raise ClipDefect(f"The Ogg data has bytes that are no Ogg page ({place}): damaged, or something appended.")
        if len(data) < position + _OGG_HEADER.size:
            raise ClipDefect(f"The Ogg data is cut off inside a page header ({place}).")
        _, _, flags, _, page_serial, page_number, checksum, segments = _OGG_HEADER.unpack_from(data, position)
        body = position + _OGG_HEADER.size + segments
        end = body + sum(data[position + _OGG_HEADER.size : body])
        if body > len(data) or end > len(data):
            raise ClipDefect(f"The Ogg data is cut off inside a page ({place}).")
        if serial is None:
            serial = page_serial
        if ended or page_serial != serial:
            raise ClipDefect(f"The Ogg data holds more than one stream ({place}); one clip is one stream.")
        if page_number != sequence:
            raise ClipDefect(
                f"The Ogg data lacks a page: number {page_number} follows where {sequence} should ({place})."
            )
        page = data[position : position + 22] + bytes(4) + data[position + 26 : end]
        if _ogg_checksum(page) != checksum:
            raise ClipDefect(f"The Ogg data is damaged: a page does not match its checksum ({place}).")
        ended = bool(flags & _OGG_END_OF_STREAM)
        sequence += 1
        position = end
    if not ended:
        raise ClipDefect(f"The Ogg data is incomplete: {sequence} pages, and none ends the stream.")


def _ogg_checksum(page: bytes) -> int:
    # Ogg's CRC is zlib's with the bits of every byte and of the result in reverse order, started and ended with 0.
    reflected = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED_BITS), "big")


def check_wav(data: bytes) -> None:
    """Follow the RIFF chunks and compare the announced with the actual lengths.

    :raises ClipDefect: no WAVE data, a chunk that is longer than the file, or bytes after the last chunk
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ClipDefect(f"The data of {len(data)} bytes is no WAV file.")
    announced = int.from_bytes(data[4:8], "little") + 8
    if announced != len(data):
        raise ClipDefect(f"The WAV data is incomplete: its header announces {announced} bytes, {len(data)} are there.")
    position = 12
    found = False
    while position + 8 <= len(data):
        name = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + size > len(data):
            raise ClipDefect(
                f"The WAV data is cut off: chunk {name!r} needs {size} bytes, {len(data) - position - 8} are there."
            )
        found = found or name == b"data"
        position += 8 + size + size % 2
    if not found:
        raise ClipDefect("The WAV data has no data chunk.")
