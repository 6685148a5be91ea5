"""SSML documents: split into paragraphs that sound the same, and refused with the exact place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narration.document.model import Document, DocumentError
from narration.document.reading import read_document
from narration.document.ssml import line_of, parse_ssml, plain_text_of


def read(text: str) -> Document:
    return read_document(text.encode(), source="talk.ssml")


def texts(text: str) -> list[str]:
    return [paragraph.text for paragraph in read(text).paragraphs]


def refusal(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        read(text)
    return str(caught.value)


def test_a_speak_without_p_is_one_paragraph():
    (paragraph,) = read('<speak>Hello <break time="1s"/>world</speak>').paragraphs
    assert paragraph.text == '<speak>Hello <break time="1s"/>world</speak>'
    assert (paragraph.text_type, paragraph.role, paragraph.line) == ("ssml", "body", 1)


def test_every_p_becomes_a_complete_speak_with_what_stands_around_it():
    document = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a talk -->
<speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-GB">
  <p>One.</p>
  <prosody rate="slow">
    <lang xml:lang="de-DE">
      <p>Zwei &amp; drei.</p>
    </lang>
    <amazon:domain name="news"><p>Four.</p></amazon:domain>
  </prosody>
</speak>"""
    root = '<speak xmlns="http://www.w3.org/2001/10/synthesis" version="1.1" xml:lang="en-GB">'
    assert texts(document) == [
        f"{root}<p>One.</p></speak>",
        f'{root}<prosody rate="slow"><lang xml:lang="de-DE"><p>Zwei &amp; drei.</p></lang></prosody></speak>',
        f'{root}<prosody rate="slow"><amazon:domain name="news"><p>Four.</p></amazon:domain></prosody></speak>',
    ]
    assert [paragraph.line for paragraph in read(document).paragraphs] == [4, 7, 9]
    assert read(document).language == "en-GB"


def test_text_between_paragraphs_becomes_paragraphs_of_its_own():
    document = "<speak>\n Before <emphasis>it</emphasis>.\n<p>One.</p>\n\nBetween.\n<p>Two.</p> After.</speak>"
    assert texts(document) == [
        "<speak>Before <emphasis>it</emphasis>.</speak>",
        "<speak><p>One.</p></speak>",
        "<speak>Between.</speak>",
        "<speak><p>Two.</p></speak>",
        "<speak>After.</speak>",
    ]
    assert [paragraph.line for paragraph in read(document).paragraphs] == [2, 3, 5, 6, 6]


def test_breaks_and_marks_between_paragraphs_go_with_the_next_one_and_the_last_with_the_last():
    document = '<speak><p>One.</p><break time="2s"/><mark name="x"/><p>Two.</p><break time="1s"/></speak>'
    assert texts(document) == [
        "<speak><p>One.</p></speak>",
        '<speak><break time="2s"/><mark name="x"/><p>Two.</p><break time="1s"/></speak>',
    ]


def test_a_paragraph_that_says_nothing_is_left_out_but_its_break_is_heard():
    document = read('<speak><p>One.</p>\n<p>…<break time="2s"/></p>\n<p>Two.</p></speak>')
    assert [paragraph.text for paragraph in document.paragraphs] == [
        "<speak><p>One.</p></speak>",
        '<speak><break time="2s"/><p>Two.</p></speak>',
    ]
    assert [(entry.first_line, entry.last_line) for entry in document.left_out] == [(2, 2)]


@pytest.mark.parametrize("content", ['<sub alias="and so on">…</sub>', '<phoneme alphabet="ipa" ph="ˈa"/>'])
def test_an_alias_or_phonemes_are_something_to_say(content):
    assert len(texts(f"<speak><p>{content}</p></speak>")) == 1


@pytest.mark.parametrize("separator", ["\n", "\r\n", "", "\n\n<!-- next -->\n", '\n<?xml version="1.0"?>\n'])
def test_a_file_may_hold_several_documents(separator):
    document = separator.join(["<speak>One.</speak>", "<speak>Two.</speak>", "<speak>Three.</speak>"])
    if separator.endswith("?>\n"):
        document = document.replace(separator, "\n<?xml version='1.0'?>\n")
    assert texts(document) == ["<speak>One.</speak>", "<speak>Two.</speak>", "<speak>Three.</speak>"]


def test_paragraphs_of_later_documents_have_their_own_lines():
    assert [p.line for p in read("<speak>One.</speak>\n\n<speak>\n<p>Two.</p>\n</speak>").paragraphs] == [1, 4]


def test_the_same_content_gives_the_same_text_however_it_is_laid_out():
    pretty = (
        "<speak  xml:lang='en'\n version='1.0'>\n  <p >\n  Hello <b> big</b>\n world\u00a0!"
        "<!-- c --> <?pi x?>\n</p>\n</speak>\n"
    )
    compact = '<speak version="1.0" xml:lang="en"><p>Hello <b>big</b> world !</p></speak>'
    assert texts(pretty) == texts(compact) == [compact]


def test_a_paragraph_read_again_stays_as_it_is():
    (text,) = texts(
        '<speak> a <b> c </b><i>d</i> <break/> &lt;e&gt; <s attr="&quot;&amp;"> f</s> <mark name="x"/> </speak>'
    )
    assert texts(text) == [text]


def test_chapter_marks_open_chapters_and_are_part_of_no_clip():
    document = read(
        '<speak><p>Before.</p><mark name="chapter:The Storm"/><p>One.</p>'
        '<p><mark name="chapter:The Calm"/>Two.</p></speak>'
    )
    assert [(chapter.title, [p.text for p in chapter.paragraphs]) for chapter in document.chapters] == [
        ("Talk", ["<speak><p>Before.</p></speak>"]),
        ("The Storm", ["<speak><p>One.</p></speak>"]),
        ("The Calm", ["<speak><p>Two.</p></speak>"]),
    ]


def test_a_chapter_mark_inside_a_paragraph_is_refused():
    assert "line 2: the chapter mark 'X'" in refusal('<speak><p>One.\n<mark name="chapter:X"/> two.</p></speak>')


def test_a_chapter_mark_after_the_last_paragraph_is_reported():
    document = read('<speak><p>One.</p>\n<mark name="chapter:End"/></speak>')
    assert [(chapter.title, len(chapter.paragraphs)) for chapter in document.chapters] == [("Talk", 1)]
    assert "'End'" in document.left_out[0].reason


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("<speak>\n Tea & biscuits</speak>", "line 2, column 6", "Write &amp;"),
        ("<speak>1 < 2</speak>", "line 1, column 10", "Write &lt;"),
        ("<speak>\n<p>One.\n</speak>", "line 3, column 3", "the one to close is <p> of line 2"),
        ("<speak>\n<p>One.", "line 2, column 8", "<p> of line 2 is still open"),
        ("<speak>One.\n<speak>Two.</speak>", "line 2, column 1", "inside the <speak> of line 1"),
        ("<speak>a&nbsp;b</speak>", "line 1, column 9", "&nbsp; is not defined"),
        ("<speak>One.</speak>\n<speak>Two.</spaek>", "line 2, column 14", "</speak>"),
        ("<speak>One.</speak> <speak>T&o</speak>", "line 1, column 29", "Write &amp;"),
        ("<speak>One.</speak>\nloose", "line 2, column 1", "Wrap it in <speak>"),
        ('<speak a="1" a="2">x</speak>', "line 1, column 14", "given twice"),
        ("<speak>\x01</speak>", "line 1, column 8", "control characters"),
        ("<speak>&#1;x</speak>", "line 1, column 8", "character reference"),
        ("<speak>x <fish:b/></speak>", "line 1, column 10", "fish:, is not declared"),
        ("<speak><break/></speak>", "line 1", "nothing between the tags"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_remedy(text, place, words):
    message = refusal(text)
    assert message.startswith(f"talk.ssml: {place}")
    assert words in message


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE speak [<!ENTITY a "b">]><speak>&a;</speak>',
        '<!DOCTYPE speak SYSTEM "file:///etc/passwd"><speak>a</speak>',
        '<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]>\n<speak>&b;</speak>',
    ],
)
def test_document_types_and_entities_are_refused(text):
    assert "<!DOCTYPE" in refusal(text)


def test_xinclude_is_refused():
    text = '<speak xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="/etc/passwd"/>a</speak>'
    assert "XInclude" in refusal(text)


def test_an_encoding_other_than_utf_8_is_refused_when_it_matters():
    head = '<?xml version="1.0" encoding="ISO-8859-1"?>'
    assert "only UTF-8" in refusal(f"{head}<speak>ü</speak>")
    assert texts(f"{head}<speak>u</speak>") == ["<speak>u</speak>"]


def test_nesting_without_end_is_refused():
    assert "nested" in refusal("<speak>" + "<s>" * 5000 + "a")


def test_prefixes_that_the_services_know_need_no_declaration():
    text = (
        '<speak><amazon:effect name="soft">a</amazon:effect><mstts:express-as style="sad">b</mstts:express-as></speak>'
    )
    assert texts(text) == [text]


def test_declared_prefixes_keep_their_declaration():
    text = (
        '<speak xmlns:mstts="https://www.w3.org/2001/mstts"><mstts:express-as style="sad">b</mstts:express-as></speak>'
    )
    assert texts(text) == [text]


def test_parse_ssml_counts_lines_from_the_source():
    root = parse_ssml("\n<speak>\n<p>a</p></speak>", source="x", line=10)
    assert line_of(root, line=10) == 11
    assert line_of(root[0], line=10) == 12
    with pytest.raises(DocumentError, match="x: line 12, column 4: &"):
        parse_ssml("\n<speak>\n<p>& </p></speak>", source="x", line=10)


def test_plain_text_of_drops_tags_and_resolves_entities():
    text = '<speak>a <sub alias="x">b</sub> &lt; <s> c</s> <break/></speak>'
    assert plain_text_of(text) == "a b < c"


WORD = st.text(alphabet="ab&<>\"' é", max_size=6)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


MARKUP = st.recursive(
    WORD.map(escape) | st.just("<break/>"),
    lambda inner: st.tuples(st.sampled_from(["p", "s", "prosody", "emphasis"]), st.lists(inner, max_size=4)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
    max_leaves=12,
)


@given(st.lists(MARKUP, max_size=5))
def test_no_letter_of_any_markup_is_lost_and_every_paragraph_is_canonical(parts):
    document = read(f"<speak>begin {''.join(parts)}</speak>")
    spoken = "".join(plain_text_of(paragraph.text) for paragraph in document.paragraphs)
    written = "".join(parse_ssml(f"<speak>begin {''.join(parts)}</speak>", source="x").itertext())
    assert [c for c in spoken if c.isalpha()] == [c for c in written if c.isalpha()]
    for paragraph in document.paragraphs:
        assert texts(paragraph.text)[0] == paragraph.text
