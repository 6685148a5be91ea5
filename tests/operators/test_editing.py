"""An edited document: the next run buys what was changed and nothing else. Through every service, over HTTP."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.operators.books import (
    SERVICES,
    Book,
    Chapter,
    Publisher,
    book,
    chapter,
    published,
    publisher,
    through_azure,
    through_each,
)

__all__ = ["publisher"]


class Shelf:
    """A book whose first edition is published, and every paragraph that was ever bought."""

    def __init__(self, publisher: Publisher, *, is_ssml: bool) -> None:
        self.publisher = publisher
        self.first = book(publisher.word, is_ssml=is_ssml)
        self.bought = set(self.first.texts)
        publisher.paid()
        self.edition = publisher.narrate(self.first)
        self.paid = publisher.paid()

    def cost(self, texts: set[str]) -> int:
        return self.publisher.cost(texts, is_ssml=self.first.is_ssml)


@pytest.fixture(
    scope="module",
    params=[(service, kind) for service in SERVICES for kind in ("text", "SSML")],
    ids=lambda param: "-".join(param),
)
def shelf(request, tone_cloud, tmp_path_factory) -> Iterator[Shelf]:
    service, kind = request.param
    with published(tone_cloud, tmp_path_factory.mktemp(service), service) as publisher:
        yield Shelf(publisher, is_ssml=kind == "SSML")


Edit = Callable[[Book, str], Book]
EDITS: dict[str, Edit] = {}


def edit(function: Edit) -> Edit:
    """An edit, told apart by its name; what it adds is added by no other one."""
    EDITS[function.__name__.replace("_", " ")] = function
    return function


@edit
def a_paragraph_is_changed(first: Book, word: str) -> Book:
    return first.replaced(1, first.chapters[1].replaced(2, f"What the editor of the {word} made of it."))


@edit
def a_paragraph_of_each_chapter_is_changed(first: Book, word: str) -> Book:
    texts = [f"Edited, number {number}: the {word}." for number in range(len(first.chapters))]
    chapters = [each.replaced(0, text) for each, text in zip(first.chapters, texts, strict=True)]
    return replace(first, chapters=tuple(chapters))


@edit
def two_chapters_are_swapped(first: Book, word: str) -> Book:
    one, two, three = first.chapters
    return replace(first, chapters=(two, one, three))


@edit
def a_chapter_is_added_in_front(first: Book, word: str) -> Book:
    return replace(first, chapters=(chapter(word, 10, paragraphs=2), *first.chapters))


@edit
def a_chapter_is_added_in_the_middle(first: Book, word: str) -> Book:
    one, *others = first.chapters
    return replace(first, chapters=(one, chapter(word, 11, paragraphs=2), *others))


@edit
def a_chapter_is_added_at_the_end(first: Book, word: str) -> Book:
    return replace(first, chapters=(*first.chapters, chapter(word, 12, paragraphs=2)))


@edit
def a_heading_is_corrected(first: Book, word: str) -> Book:
    return first.replaced(0, replace(first.chapters[0], heading=f"Chapter 1: The corrected {word}"))


@edit
def a_paragraph_is_removed(first: Book, word: str) -> Book:
    return first.replaced(1, first.chapters[1].replaced(1))


@edit
def a_chapter_is_removed(first: Book, word: str) -> Book:
    return first.replaced(1)


@edit
def a_paragraph_is_repeated_elsewhere(first: Book, word: str) -> Book:
    one, last = first.chapters[0], first.chapters[2]
    return first.replaced(2, last.replaced(0, one.paragraphs[1], last.paragraphs[0]))


@edit
def a_paragraph_moves_to_another_chapter(first: Book, word: str) -> Book:
    one, two, three = first.chapters
    return replace(first, chapters=(one.replaced(0), two.replaced(0, two.paragraphs[0], one.paragraphs[0]), three))


@edit
def a_paragraph_is_divided_in_two(first: Book, word: str) -> Book:
    begin, end = first.chapters[1].paragraphs[0].split(": ")
    return first.replaced(1, first.chapters[1].replaced(0, f"{begin}.", f"{end} ({word})."))


@edit
def the_lines_are_wrapped_anew(first: Book, word: str) -> Book:
    return replace(first, width=17)


@pytest.mark.parametrize("edit", EDITS.values(), ids=list(EDITS))
def test_an_edit_costs_the_paragraphs_that_it_changed_and_the_new_order_is_published(shelf, edit):
    edited = edit(shelf.first, shelf.publisher.word)
    new = set(edited.texts) - shelf.bought
    shelf.bought |= new

    edition = shelf.publisher.narrate(edited)
    paid = shelf.publisher.paid()
    planned_again = shelf.publisher.buy(edited)

    assert sum(paid.values()) == shelf.cost(new)
    assert edition.planned == edition.result["bought_characters_this_run"] == shelf.cost(new)
    assert edition.texts == edited.texts
    assert edition.chapters == [each.heading for each in edited.chapters]
    assert (planned_again, shelf.publisher.paid()) == (0, {})


def test_the_first_edition_costs_each_of_its_paragraphs_once(shelf):
    assert sum(shelf.paid.values()) == shelf.edition.planned == shelf.cost(set(shelf.first.texts))
    assert shelf.edition.texts == shelf.first.texts


class TestWhatIsNoEditOfTheWords:
    @through_each
    def test_another_title_costs_nothing_and_is_another_narration(self, publisher):
        first = publisher.narrate(book(publisher.word), title="Sotry")
        publisher.paid()

        second = publisher.narrate(book(publisher.word), title="Story")

        assert publisher.paid() == {}
        assert (first.result["title"], second.result["title"]) == ("Sotry", "Story")
        assert second.result["mp3_uri"] != first.result["mp3_uri"]

    @through_each
    def test_other_pauses_cost_nothing_and_are_heard(self, publisher):
        first = publisher.narrate(book(publisher.word))
        publisher.paid()

        second = publisher.narrate(book(publisher.word), paragraph_pause_ms=1500)

        assert publisher.paid() == {}
        assert second.result["duration_seconds"] == pytest.approx(first.result["duration_seconds"] + 6, abs=0.1)

    @through_each
    def test_another_voice_costs_everything_once_and_the_way_back_nothing(self, publisher):
        one, other = ("Joanna", "Matthew") if publisher.service == "polly" else ("en-US-JennyNeural", "en-US-GuyNeural")
        manuscript = book(publisher.word, chapters=1)
        everything = publisher.cost(set(manuscript.texts))

        bills = []
        for voice in (one, other, one, other):
            publisher.buy(manuscript, voice=voice)
            bills.append(sum(publisher.paid().values()))

        assert bills == [everything, everything, 0, 0]


class TestMovingToAnotherApiOfAzureAfterAnEdit:
    @through_azure
    @pytest.mark.parametrize("to", ["azure_batch", "azure_batch_preview", "azure_long_audio"])
    def test_only_what_was_edited_is_bought_there(self, publisher, to):
        first = book(publisher.word)
        publisher.buy(first)
        publisher.paid()
        edited = first.replaced(1, first.chapters[1].replaced(1, f"Edited before the {publisher.word} moved."))

        edition = publisher.narrate(edited, through=to)

        # What is so little is bought from batch synthesis by both of the others.
        sold_by = "azure_batch_preview" if to == "azure_batch_preview" else "azure_batch"
        assert publisher.paid() == {sold_by: publisher.cost(set(edited.texts) - set(first.texts))}
        assert edition.texts == edited.texts


class TestSsml:
    @through_each
    def test_markup_that_is_heard_is_an_edit_of_its_paragraph_alone(self, publisher):
        texts = [f"<p>The {publisher.word} said, part {part}.</p>" for part in range(4)]
        spoken = [text.removeprefix("<p>").removesuffix("</p>") for text in texts]
        publisher.buy(_Markup(texts))
        paid_first = publisher.paid()

        texts[2] = f'<p>{spoken[2][:-1]}<break time="1s"/>.</p>'
        publisher.buy(_Markup(texts))

        azure = publisher.service != "polly"
        assert sum(paid_first.values()) == sum(map(len, spoken)) + azure * 4 * len("<p></p>")
        assert sum(publisher.paid().values()) == len(spoken[2]) + azure * len('<p><break time="1s"/></p>')

    @through_each
    @pytest.mark.parametrize(
        "rewritten",
        [
            pytest.param(lambda text: text.replace("<p>", "\n\t<p>\n\t\t").replace("</p>", "\n</p>\n"), id="indented"),
            pytest.param(lambda text: text.replace("<p>", "<!-- Checked. --><p>"), id="commented"),
            pytest.param(lambda text: text.replace(' time="1s"', "\n  time='1s' "), id="other-quotation-marks"),
            pytest.param(lambda text: text.replace("&amp;", "<![CDATA[&]]>"), id="CDATA"),
            pytest.param(lambda text: text.replace("é", "&#233;"), id="numbers"),
        ],
    )
    def test_what_means_the_same_is_no_edit_unless_it_is_heard(self, publisher, rewritten):
        texts = [f'<p>The {publisher.word} &amp; café, part {part}<break time="1s"/>.</p>' for part in range(2)]
        publisher.buy(_Markup(texts))
        publisher.paid()

        publisher.buy(_Markup([rewritten(text) for text in texts]))

        assert publisher.paid() == {}


class _Markup(Book):
    """SSML as it stands."""

    def __init__(self, paragraphs: list[str]) -> None:
        super().__init__(chapters=(Chapter(heading="", paragraphs=tuple(paragraphs)),), is_ssml=True)

    def write(self, path: Path) -> None:
        path.write_text("".join(["<speak>", *self.chapters[0].paragraphs, "</speak>"]))


class TestTwoThousandParagraphs:
    """With three of them edited, in three orders. Short ones, because the time goes into measuring their audio."""

    @through_each
    def test_three_edits_cost_three_paragraphs_and_a_third_run_nothing(self, publisher, record_property):
        begun = time.monotonic()
        first = Book(
            chapters=tuple(
                Chapter(
                    heading=f"Chapter {number}: {publisher.word}",
                    paragraphs=tuple(f"{publisher.word} {number}.{part}" for part in range(99)),
                )
                for number in range(20)
            )
        )
        edited = first
        for number in (2, 11, 19):
            paragraph = f"{publisher.word} {number} was edited."
            edited = edited.replaced(number, edited.chapters[number].replaced(50, paragraph))
        new = set(edited.texts) - set(first.texts)

        publisher.buy(first, paragraphs_per_order=400)
        bills = [publisher.paid()]
        planned = publisher.buy(edited, paragraphs_per_order=400)
        bills.append(publisher.paid())
        planned_again = publisher.buy(edited, paragraphs_per_order=400)
        bills.append(publisher.paid())

        record_property("seconds", round(time.monotonic() - begun, 1))
        record_property("megabytes", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        assert (len(set(first.texts)), len(new)) == (2000, 3)
        assert [sum(bill.values()) for bill in bills] == [publisher.cost(set(first.texts)), publisher.cost(new), 0]
        assert (planned, planned_again) == (publisher.cost(new), 0)
