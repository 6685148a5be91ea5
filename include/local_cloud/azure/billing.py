"""Billable characters by the pricing note: what the services count of a text."""

from __future__ import annotations

import re

PLAIN_TEXT, SSML = "PlainText", "SSML"
# Hanzi, kanji and hanja count twice; kana and Hangul do not.
_HAN = re.compile(
    "[\u2e80-\u2e99\u2e9b-\u2ef3\u2f00-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufa6d\ufa70-\ufad9\U00020000-\U000323af]"
)
# Declarations and processing instructions, and <speak> and <voice> of any prefix, cost nothing. Inside a tag, a quoted
# value may contain ">".
_FREE = re.compile(r"<\?.*?\?>|</?(?:[\w.-]+:)?(?:speak|voice)(?=[\s/>])(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", re.DOTALL)
_MARKUP = re.compile(r"(<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>)", re.DOTALL)
_WHITE_SPACE = re.compile(r"\s+")


def billable(text: str, *, kind: str, white_space: str = "collapsed") -> int:
    """How many characters of an input are billed.

    Code points, Han ideographs twice. In SSML all markup counts except ``<speak>`` and ``<voice>`` tags, and a run
    of white space between two tags or inside a text counts once: the published figure of 33 for the indented sample
    comes out so, and no literal reading gives it.

    :param kind: ``PlainText`` or ``SSML``.
    :param white_space: ``literal`` counts every character of white space in SSML.
    """
    text = text.lstrip("\ufeff")
    if kind == SSML:
        pieces = [piece for piece in _MARKUP.split(text) if piece and not _FREE.fullmatch(piece)]
        if white_space == "collapsed":
            pieces = [piece if piece.startswith("<") else _WHITE_SPACE.sub(" ", piece) for piece in pieces]
        text = "".join(pieces)
    return len(text) + len(_HAN.findall(text))
