"""What the decoder gives back, and what it refuses as not the clip that was ordered."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narration.audio.decoding import ClipDefect, decode_clip
from narration.audio.formats import CLIP_FORMATS

CONTAINERS = [("mp3", 24000), ("mp3", 22050), ("ogg_vorbis", 22050), ("ogg_opus", 48000), ("wav", 16000)]


@pytest.mark.parametrize(("audio_format", "rate"), [*CONTAINERS, ("mp3", 8000), ("mp3", 44100), ("pcm", 16000)])
def test_a_whole_clip_decodes_to_mono_16_bit_at_its_own_rate(audio_format, rate, tone, encoded, strength_of):
    original = tone(hertz=440, samples=2 * rate, rate=rate)

    samples = decode_clip(
        encoded(original, audio_format=audio_format, rate=rate), audio_format=audio_format, sample_rate=rate
    )

    assert samples.dtype == np.int16
    assert samples.ndim == 1
    assert samples.size == pytest.approx(original.size, abs=300)
    middle = samples[rate // 2 : rate + rate // 2]
    assert strength_of(middle, hertz=440, rate=rate) == pytest.approx(0.25 * 32767, rel=0.08)


@pytest.mark.parametrize(("audio_format", "rate"), [("mp3", 24000), ("ogg_opus", 48000), ("wav", 16000)])
def test_the_padding_of_the_codec_is_not_part_of_the_clip(audio_format, rate, tone, encoded):
    original = tone(hertz=300, samples=rate + 123, rate=rate)

    samples = decode_clip(
        encoded(original, audio_format=audio_format, rate=rate), audio_format=audio_format, sample_rate=rate
    )

    assert samples.size == original.size


def test_pcm_is_taken_sample_by_sample():
    data = struct.pack("<6h", 0, 1, -1, 32767, -32768, 256)

    samples = decode_clip(data, audio_format="pcm", sample_rate=16000)

    assert samples.tolist() == [0, 1, -1, 32767, -32768, 256]


@pytest.mark.parametrize(("audio_format", "codec"), [("mulaw", "pcm_mulaw"), ("alaw", "pcm_alaw")])
def test_all_256_telephone_codes_decode_as_ffmpeg_decodes_them(audio_format, codec):
    data = bytes(range(256))
    context = av.CodecContext.create(codec, "r")
    context.sample_rate = 8000
    context.layout = "mono"
    [frame] = context.decode(av.Packet(data))

    samples = decode_clip(data, audio_format=audio_format, sample_rate=8000)

    assert samples.tolist() == frame.to_ndarray().reshape(-1).tolist()


@pytest.mark.parametrize(("audio_format", "rate"), CONTAINERS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_clip_that_is_cut_off_is_refused(audio_format, rate, kept, tone, encoded):
    data = encoded(tone(hertz=440, samples=2 * rate, rate=rate), audio_format=audio_format, rate=rate)

    with pytest.raises(ClipDefect):
        decode_clip(data[: int(len(data) * kept)], audio_format=audio_format, sample_rate=rate)


@pytest.mark.parametrize(("audio_format", "rate"), CONTAINERS)
def test_a_clip_that_lacks_its_last_byte_is_refused(audio_format, rate, tone, encoded):
    data = encoded(tone(hertz=440, samples=rate, rate=rate), audio_format=audio_format, rate=rate)

    with pytest.raises(ClipDefect, match=r"cut off|incomplete"):
        decode_clip(data[:-1], audio_format=audio_format, sample_rate=rate)


@pytest.mark.parametrize(("audio_format", "rate"), CONTAINERS)
def test_a_clip_with_something_appended_is_refused(audio_format, rate, tone, encoded):
    data = encoded(tone(hertz=440, samples=rate, rate=rate), audio_format=audio_format, rate=rate)

    with pytest.raises(ClipDefect):
        decode_clip(data + b"<html>gateway timeout</html>" * 20, audio_format=audio_format, sample_rate=rate)


@pytest.mark.parametrize(("audio_format", "rate"), [("mp3", 24000), ("ogg_vorbis", 22050), ("ogg_opus", 48000)])
def test_a_clip_with_a_hole_is_refused(audio_format, rate, tone, encoded):
    data = encoded(tone(hertz=440, samples=2 * rate, rate=rate), audio_format=audio_format, rate=rate)
    middle = len(data) // 2

    with pytest.raises(ClipDefect):
        decode_clip(data[:middle] + bytes(500) + data[middle + 500 :], audio_format=audio_format, sample_rate=rate)


def test_an_mp3_cut_exactly_between_two_frames_is_noticed_by_its_frame_count(tone, encoded):
    data = encoded(tone(hertz=440, samples=48000, rate=24000), audio_format="mp3", rate=24000)
    frame_length = 144  # 48 kbit/s at 24,000 Hz

    with pytest.raises(ClipDefect, match=r"announces \d+ frames, \d+ are there"):
        decode_clip(data[: -3 * frame_length], audio_format="mp3", sample_rate=24000)


def test_an_mp3_without_any_header_is_accepted(tone, encoded):
    data = encoded(tone(hertz=440, samples=48000, rate=24000), audio_format="mp3", rate=24000)
    first_audio_frame = data.index(b"\xff\xf3", data.index(b"Info"))
    bare = data[first_audio_frame:]

    samples = decode_clip(bare, audio_format="mp3", sample_rate=24000)

    assert samples.size % 576 == 0
    assert samples.size >= 48000


def test_an_mp3_with_an_id3v1_tag_at_its_end_is_accepted(tone, encoded):
    data = encoded(tone(hertz=440, samples=24000, rate=24000), audio_format="mp3", rate=24000)

    assert decode_clip(data + b"TAG" + bytes(125), audio_format="mp3", sample_rate=24000).size == 24000


def test_an_ogg_stream_whose_last_page_does_not_end_it_is_refused(tone, encoded):
    data = encoded(tone(hertz=440, samples=3 * 48000, rate=48000), audio_format="ogg_opus", rate=48000)
    last_page = data.rindex(b"OggS")

    with pytest.raises(ClipDefect, match="none ends the stream"):
        decode_clip(data[:last_page], audio_format="ogg_opus", sample_rate=48000)


def test_two_ogg_streams_one_after_another_are_refused(tone, encoded):
    data = encoded(tone(hertz=440, samples=48000, rate=48000), audio_format="ogg_opus", rate=48000)

    with pytest.raises(ClipDefect, match="more than one stream"):
        decode_clip(data + data, audio_format="ogg_opus", sample_rate=48000)


def test_pcm_with_half_a_sample_is_refused():
    with pytest.raises(ClipDefect, match="7 bytes are no whole number of 16-bit samples"):
        decode_clip(bytes(7), audio_format="pcm", sample_rate=16000)


@pytest.mark.parametrize("audio_format", sorted(CLIP_FORMATS))
def test_an_empty_clip_is_refused_in_every_format(audio_format):
    with pytest.raises(ClipDefect, match="empty: 0 bytes"):
        decode_clip(b"", audio_format=audio_format, sample_rate=CLIP_FORMATS[audio_format].sample_rates[0])


@pytest.mark.parametrize("audio_format", sorted(CLIP_FORMATS))
def test_an_error_document_in_place_of_audio_is_named_as_such(audio_format):
    body = b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'

    with pytest.raises(ClipDefect, match="start like an XML document"):
        decode_clip(body, audio_format=audio_format, sample_rate=CLIP_FORMATS[audio_format].sample_rates[0])


def test_a_file_of_another_format_is_named(tone, encoded):
    data = encoded(tone(hertz=440, samples=48000, rate=48000), audio_format="ogg_opus", rate=48000)

    with pytest.raises(ClipDefect, match=r"should be mp3 audio, but .* start like an Ogg file"):
        decode_clip(data, audio_format="mp3", sample_rate=24000)
    with pytest.raises(ClipDefect, match=r"should be ogg_vorbis audio, but it was encoded with .*opus"):
        decode_clip(data, audio_format="ogg_vorbis", sample_rate=48000)


@pytest.mark.parametrize(("audio_format", "rate"), [("mp3", 22050), ("ogg_vorbis", 22050), ("wav", 22050)])
def test_a_wrong_sample_rate_is_refused_with_both_figures(audio_format, rate, tone, encoded):
    data = encoded(tone(hertz=440, samples=rate, rate=rate), audio_format=audio_format, rate=rate)

    with pytest.raises(ClipDefect, match="22050 samples per second; 24000 were ordered"):
        decode_clip(data, audio_format=audio_format, sample_rate=24000)


@pytest.mark.parametrize(("audio_format", "rate"), [("mp3", 24000), ("wav", 16000), ("ogg_opus", 48000)])
def test_stereo_is_refused(audio_format, rate, tone, encoded):
    data = encoded(tone(hertz=440, samples=rate, rate=rate), audio_format=audio_format, rate=rate, channels=2)

    with pytest.raises(ClipDefect, match="2 channels; mono was expected"):
        decode_clip(data, audio_format=audio_format, sample_rate=rate)


def test_an_unknown_format_and_an_impossible_rate_are_refused_with_the_choice():
    with pytest.raises(ClipDefect, match="no clip format 'aiff'; use one of alaw, mp3"):
        decode_clip(b"x", audio_format="aiff", sample_rate=8000)
    with pytest.raises(ClipDefect, match="mulaw cannot have 16000 samples per second; use 8000"):
        decode_clip(b"x", audio_format="mulaw", sample_rate=16000)


@given(data=st.binary(min_size=1, max_size=400), audio_format=st.sampled_from(["mp3", "ogg_vorbis", "ogg_opus", "wav"]))
def test_random_bytes_are_refused_as_a_defect_and_with_nothing_else(data, audio_format):
    rate = 48000 if audio_format == "ogg_opus" else 24000

    with pytest.raises(ClipDefect):
        decode_clip(data, audio_format=audio_format, sample_rate=rate)


def test_the_loudest_samples_do_not_wrap_around(encoded):
    # A square wave at full scale overshoots after any lossy codec.
    samples = np.where(np.arange(24000) // 60 % 2, 32767, -32768).astype(np.int16)

    decoded = decode_clip(encoded(samples, audio_format="mp3", rate=24000), audio_format="mp3", sample_rate=24000)

    middle = slice(2000, 22000)
    same_sign = np.sign(decoded[middle].astype(int)) == np.sign(samples[middle].astype(int))
    assert same_sign.mean() > 0.95
