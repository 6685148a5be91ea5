"""The finished files, judged by decoding them again."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from narration.audio.assembly import AssemblyError, AssemblyReport, Tags, assemble
from narration.audio.decoding import decode_clip
from narration.audio.timeline import Pauses, Piece, Timeline, build_timeline, master_sample_rate

PAUSES = Pauses(paragraph_ms=200, heading_ms=300, scene_ms=400, chapter_ms=500, lead_in_ms=150, lead_out_ms=250)
TITLES = ("One: in which it begins", "Zwei – Übermut", "第三章")
TAGS = Tags(
    title="A Book",
    author="An Author",
    language="en-GB",
    narrator="Joanna (neural)",
    comment="A synthetic voice\nreads.",
)
PIECES_PER_CHAPTER = 4


@dataclass(frozen=True, kw_only=True)
class Book:
    pieces: tuple[Piece, ...]
    clips: dict[str, np.ndarray]
    timeline: Timeline
    hertz: tuple[float, ...]


def make_book(tone, *, rates=(24000,), chapters=3, pauses=PAUSES) -> Book:
    clips, pieces, hertz = {}, [], []
    for index in range(chapters * PIECES_PER_CHAPTER):
        rate = rates[index % len(rates)]
        frequency = 300.0 + 110 * index
        key = f"clip-{index}"
        clips[key] = tone(hertz=frequency, samples=int(rate * (0.3 + 0.031 * (index % 7))), rate=rate)
        hertz.append(frequency)
        pieces.append(
            Piece(
                clip_key=key,
                chapter=index // PIECES_PER_CHAPTER,
                role="heading" if index % PIECES_PER_CHAPTER == 0 else "body",
                scene_break_before=index % PIECES_PER_CHAPTER == 3,
                samples=clips[key].size,
                sample_rate=rate,
            )
        )
    timeline = build_timeline(pieces, pauses=pauses, sample_rate=master_sample_rate(rates))
    return Book(pieces=tuple(pieces), clips=clips, timeline=timeline, hertz=tuple(hertz))


def assemble_book(book: Book, folder: Path, **changes) -> AssemblyReport:
    arguments = {
        "pieces": book.pieces,
        "load_clip": book.clips.__getitem__,
        "mp3_path": folder / "book.mp3.part",
        "m4b_path": folder / "book.m4b.part",
        "tags": TAGS,
        "chapter_titles": TITLES,
        # Short enough for several cuts even in a short book.
        "segment_seconds": 1.0,
    }
    return assemble(book.timeline, **(arguments | changes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tone):
    """One book of tones, assembled once; most tests only look at the result."""
    book = make_book(tone)
    folder = tmp_path_factory.mktemp("finished")
    report = assemble_book(book, folder)
    return book, folder, report


FILES = pytest.mark.parametrize("name", ["book.mp3.part", "book.m4b.part"])


@FILES
def test_the_decoded_file_has_exactly_the_samples_of_the_timeline(finished, decoded, name):
    book, folder, report = finished

    assert decoded(folder / name).size == book.timeline.total_samples == report.samples


@FILES
def test_every_piece_is_heard_once_in_order_at_its_time(finished, decoded, strength_of, name):
    book, folder, _ = finished
    rate = book.timeline.sample_rate
    sound = decoded(folder / name)

    for index, entry in enumerate(book.timeline.entries):
        inner = sound[entry.start + rate // 50 : entry.end - rate // 50]
        heard = [strength_of(inner, hertz=hertz, rate=rate) for hertz in book.hertz]
        assert int(np.argmax(heard)) == index
        assert heard[index] > 0.2
        assert sorted(heard)[-2] < 0.05


@FILES
def test_every_piece_starts_and_ends_within_two_milliseconds_of_the_timeline(finished, decoded, name):
    book, folder, _ = finished
    rate = book.timeline.sample_rate
    loud = np.abs(decoded(folder / name)) > 0.06

    for entry in book.timeline.entries:
        around = loud[entry.start - rate // 20 : entry.end + rate // 20]
        first = entry.start - rate // 20 + int(np.argmax(around))
        last = entry.end + rate // 20 - int(np.argmax(around[::-1]))
        # The fade needs 2 ms to get from silence to the threshold.
        assert 0 <= first - entry.start <= rate * 4 // 1000
        assert 0 <= entry.end - last <= rate * 4 // 1000


@FILES
def test_the_pauses_are_silent(finished, decoded, name):
    book, folder, _ = finished
    sound = np.abs(decoded(folder / name))
    margin = 1200  # one codec frame of pre-echo

    starts = [entry.start for entry in book.timeline.entries[1:]]
    ends = [entry.end for entry in book.timeline.entries[:-1]]
    for end, start in zip(ends, starts, strict=True):
        assert sound[end + margin : start - margin].max() < 0.0005
    assert sound[book.timeline.entries[-1].end + margin :].max() < 0.0005


@FILES
def test_no_seam_clicks(finished, decoded, name):
    book, folder, _ = finished
    jumps = np.abs(np.diff(decoded(folder / name)))

    for entry in book.timeline.entries:
        inside = jumps[entry.start + 500 : entry.end - 500].max()
        for edge in (entry.start, entry.end):
            assert jumps[edge - 240 : edge + 240].max() <= inside * 1.1


@FILES
def test_the_header_gives_the_length_that_is_decoded(finished, name):
    book, folder, report = finished

    with av.open(str(folder / name)) as container:
        assert container.duration / 1e6 == pytest.approx(report.duration_seconds, abs=0.002)
        stream = container.streams.audio[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(report.duration_seconds, abs=0.002)
        assert stream.codec_context.channels == 1
        assert stream.codec_context.sample_rate == book.timeline.sample_rate


@FILES
def test_chapter_marks_stand_where_the_timeline_has_them(finished, name):
    book, folder, _ = finished

    with av.open(str(folder / name)) as container:
        chapters = container.chapters()

    assert [chapter["metadata"]["title"] for chapter in chapters] == list(TITLES)
    for chapter, span in zip(chapters, book.timeline.chapters, strict=True):
        assert float(chapter["start"] * chapter["time_base"]) == pytest.approx(
            book.timeline.seconds(span.start), abs=0.002
        )
        assert float(chapter["end"] * chapter["time_base"]) == pytest.approx(book.timeline.seconds(span.end), abs=0.002)


@FILES
def test_players_find_title_people_and_comment(finished, name):
    _, folder, _ = finished

    with av.open(str(folder / name)) as container:
        found = container.metadata

    assert found["title"] == found["album"] == "A Book"
    assert found["artist"] == found["album_artist"] == "An Author"
    assert found["composer"] == "Joanna (neural)"
    assert found["genre"] == "Audiobook"
    assert found["comment"] == "A synthetic voice reads."


def test_each_file_names_its_language_where_its_format_has_it(finished):
    _, folder, _ = finished

    with av.open(str(folder / "book.mp3.part")) as mp3, av.open(str(folder / "book.m4b.part")) as m4b:
        assert mp3.metadata["language"] == "eng"
        assert m4b.streams.audio[0].metadata["language"] == "eng"


def test_the_m4b_is_marked_as_an_audiobook(finished):
    _, folder, _ = finished

    with av.open(str(folder / "book.m4b.part")) as container:
        assert container.metadata["major_brand"] == "M4B "
        assert container.metadata["media_type"] == "2"
        assert container.streams.audio[0].codec_context.name == "aac"


def test_the_mp3_header_has_the_right_frame_count_and_gapless_figures(finished):
    book, folder, _ = finished
    data = (folder / "book.mp3.part").read_bytes()

    at = data.index(b"Info")
    frames = int.from_bytes(data[at + 8 : at + 12], "big")
    size = int.from_bytes(data[at + 12 : at + 16], "big")
    lame = at + 120
    delay = int.from_bytes(data[lame + 21 : lame + 24], "big") >> 12
    padding = int.from_bytes(data[lame + 21 : lame + 24], "big") & 0xFFF
    tag_length = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))

    assert data[at + 7] & 3 == 3
    assert frames * 576 - delay - padding == book.timeline.total_samples
    assert size == len(data) - tag_length


def test_the_finished_mp3_passes_the_same_checks_as_a_clip(finished):
    book, folder, _ = finished

    samples = decode_clip((folder / "book.mp3.part").read_bytes(), audio_format="mp3", sample_rate=24000)

    assert samples.size == book.timeline.total_samples


def test_the_report_gives_sizes_and_duration(finished):
    book, folder, report = finished

    assert report.mp3_bytes == (folder / "book.mp3.part").stat().st_size
    assert report.m4b_bytes == (folder / "book.m4b.part").stat().st_size
    assert report.duration_seconds == book.timeline.total_samples / 24000
    assert report.mp3_bytes * 8 / report.duration_seconds == pytest.approx(64_000, rel=0.05)


@pytest.mark.parametrize("rates", [(22050,), (16000, 8000), (8000,), (24000, 22050), (48000, 24000), (44100,)])
def test_other_sample_rates_come_out_as_exact(rates, tone, tmp_path, decoded, strength_of):
    book = make_book(tone, rates=rates, chapters=1)
    rate = book.timeline.sample_rate

    assemble_book(book, tmp_path)

    for name in ("book.mp3.part", "book.m4b.part"):
        sound = decoded(tmp_path / name)
        assert sound.size == book.timeline.total_samples
        for index, entry in enumerate(book.timeline.entries):
            inner = sound[entry.start + rate // 50 : entry.end - rate // 50]
            assert strength_of(inner, hertz=book.hertz[index], rate=rate) > 0.2


def test_a_book_of_three_hundred_chapters_has_three_hundred_marks_in_both_files(tone, tmp_path):
    clip = tone(hertz=440, samples=1200, rate=24000)
    pieces = [Piece(clip_key="clip", chapter=index, samples=1200, sample_rate=24000) for index in range(300)]
    timeline = build_timeline(pieces, pauses=Pauses(chapter_ms=0), sample_rate=24000)
    paths = {"mp3_path": tmp_path / "b.mp3", "m4b_path": tmp_path / "b.m4b"}

    titles = [f"Psalm {index}" for index in range(300)]
    assemble(timeline, pieces=pieces, load_clip=lambda key: clip, tags=TAGS, chapter_titles=titles, **paths)

    for path in paths.values():
        with av.open(str(path)) as container:
            assert [chapter["metadata"]["title"] for chapter in container.chapters()] == titles
    # One frame cannot list more than 255 chapters; a wrong one would confuse strict readers.
    assert b"CTOC" not in paths["mp3_path"].read_bytes()


def test_progress_rises_from_start_to_end_in_the_calling_thread(tone, tmp_path):
    book = make_book(tone)
    seen = []

    assemble_book(book, tmp_path, progress=lambda share: seen.append((share, threading.current_thread())))

    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 5
    assert {thread for _, thread in seen} == {threading.current_thread()}


@pytest.mark.parametrize("rates", [(24000,), (16000,), (22050,), (48000,)])
def test_encoding_in_segments_sounds_as_encoding_in_one_go(rates, tone, tmp_path, decoded):
    book = make_book(tone, rates=rates)
    together, apart = tmp_path / "together", tmp_path / "apart"
    together.mkdir()
    apart.mkdir()

    assemble_book(book, together, segment_seconds=3600)
    assemble_book(book, apart, threads=3)

    for name in ("book.mp3.part", "book.m4b.part"):
        expected, sound = decoded(together / name), decoded(apart / name)
        assert sound.size == expected.size == book.timeline.total_samples
        assert np.abs(sound - expected).max() < 0.02


@pytest.mark.parametrize("seconds", [0.25, 0.4, 1.0])
def test_a_book_without_pauses_is_cut_in_its_sound_without_a_trace(seconds, tone, tmp_path, decoded):
    pauses = Pauses(paragraph_ms=0, heading_ms=0, scene_ms=0, chapter_ms=0, lead_in_ms=0, lead_out_ms=0)
    book = make_book(tone, pauses=pauses)
    together, apart = tmp_path / "together", tmp_path / "apart"
    together.mkdir()
    apart.mkdir()

    assemble_book(book, together, segment_seconds=3600)
    assemble_book(book, apart, segment_seconds=seconds, threads=3)

    for name in ("book.mp3.part", "book.m4b.part"):
        assert np.array_equal(decoded(together / name), decoded(apart / name))


def test_headers_alone_can_be_verified(tone, tmp_path):
    assert assemble_book(make_book(tone, chapters=1), tmp_path, verify="headers").samples > 0


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("failure", [OSError("the store is gone"), Interrupted()])
def test_a_failure_half_way_leaves_no_file_and_no_thread_behind(tone, tmp_path, failure):
    book = make_book(tone)

    def load_clip(key):
        if key == "clip-7":
            raise failure
        return book.clips[key]

    with pytest.raises(type(failure)):
        assemble_book(book, tmp_path, load_clip=load_clip)

    assert list(tmp_path.iterdir()) == []
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("encode", "verify"))]


def test_a_clip_that_does_not_fit_its_place_is_named_and_leaves_no_file(tone, tmp_path):
    book = make_book(tone)
    clips = book.clips | {"clip-5": book.clips["clip-5"][:-1]}

    with pytest.raises(AssemblyError, match="Clip clip-5"):
        assemble_book(book, tmp_path, load_clip=clips.__getitem__)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", ["mp3_path", "m4b_path"])
def test_a_folder_that_does_not_exist_is_named_and_the_other_file_removed(tone, tmp_path, broken):
    with pytest.raises(
        AssemblyError, match=r"Cannot create the (MP3|M4B) file .*/missing/file: No such file.*Check that"
    ):
        assemble_book(make_book(tone), tmp_path, **{broken: tmp_path / "missing" / "file"})

    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_an_error_and_leaves_no_file(tmp_path):
    script = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from narration.audio.assembly import AssemblyError, Tags, assemble
from narration.audio.timeline import Pauses, Piece, build_timeline

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
clip = np.random.default_rng(1).integers(-5000, 5000, 24000 * 20).astype(np.int16)
pieces = [Piece(clip_key="clip", chapter=0, samples=clip.size, sample_rate=24000)]
timeline = build_timeline(pieces, pauses=Pauses(), sample_rate=24000)
folder = Path(sys.argv[1])
try:
    assemble(timeline, pieces=pieces, load_clip=lambda key: clip, mp3_path=folder / "a.mp3", m4b_path=folder / "a.m4b",
             tags=Tags(title="T"), chapter_titles=["C"])
except AssemblyError as error:
    print(error)
"""
    plugins = Path(__file__).parents[2] / "plugins"

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=plugins, capture_output=True, text=True, check=True
    )

    assert "Cannot" in done.stdout or "cannot be read again" in done.stdout
    assert "room" in done.stdout or "disk" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_verification_notices_a_file_that_lacks_its_end(tone, tmp_path):
    from narration.audio.verifying import verify_file

    book = make_book(tone)
    assemble_book(book, tmp_path)
    for name in ("book.mp3.part", "book.m4b.part"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(AssemblyError, match=r"The finished file book\.\w+\.part (is wrong|cannot be read)"):
            verify_file(path, timeline=book.timeline, decode=True)


def test_verification_notices_marks_and_lengths_of_another_timeline(tone, tmp_path):
    from narration.audio.verifying import verify_file

    book = make_book(tone)
    assemble_book(book, tmp_path)
    longer = build_timeline(book.pieces, pauses=Pauses(), sample_rate=24000)
    fewer = build_timeline(book.pieces[:4], pauses=PAUSES, sample_rate=24000)

    with pytest.raises(AssemblyError, match=r"length in its header is \d+\.\d{3} s, \d+\.\d{3} s was laid out"):
        verify_file(tmp_path / "book.mp3.part", timeline=longer, decode=False)
    with pytest.raises(AssemblyError):
        verify_file(tmp_path / "book.m4b.part", timeline=fewer, decode=False)


def test_requests_that_cannot_be_met_are_refused_before_anything_is_written(tone, tmp_path):
    book = make_book(tone)
    odd = build_timeline(book.pieces, pauses=PAUSES, sample_rate=12345)

    with pytest.raises(AssemblyError, match=r"65 kbit/s is not a bit rate .* use one of 32, "):
        assemble_book(book, tmp_path, bitrate_kbps=65)
    with pytest.raises(AssemblyError, match="Chapter 2 has no title: 2 titles were handed over"):
        assemble_book(book, tmp_path, chapter_titles=TITLES[:2])
    with pytest.raises(AssemblyError, match="cannot both have 12345 samples per second"):
        assemble(
            odd,
            pieces=book.pieces,
            load_clip=book.clips.__getitem__,
            mp3_path=tmp_path / "a.mp3",
            m4b_path=tmp_path / "a.m4b",
            tags=TAGS,
            chapter_titles=TITLES,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("language", "code"),
    [("en-US", "eng"), ("de", "deu"), ("cmn-CN", "zho"), ("yue-CN", "yue"), ("zh_CN", "zho"), ("", None), ("x1", None)],
)
def test_languages_become_the_three_letters_that_the_files_want(language, code):
    assert Tags(title="T", language=language).language_code == code


def test_tags_that_are_unknown_or_blank_are_left_out():
    assert Tags(title="A\x00 Book\n", author=" ").as_metadata() == {
        "title": "A Book",
        "album": "A Book",
        "genre": "Audiobook",
    }
