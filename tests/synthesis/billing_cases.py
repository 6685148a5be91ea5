"""Texts in which services could count characters in more than one way, and SSML of every kind, made at random."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from hypothesis import strategies as st

TEXTS = {
    "Latin": "It is a truth universally acknowledged.",
    "runs of white space": "It is   a truth,\tand \u00a0 a\u2003wide one.",
    "composed": "café ñ ö",
    "decomposed": "cafe\u0301 n\u0303 o\u0308",
    "many combining marks": "a\u0300\u0301\u0302\u0303 and o\u20dd",
    "Han": "世界上最好的故事",
    "Han beyond the BMP": "\U00020000\U0002a6d6 and \U00031350",
    "Han for compatibility": "\uf900\ufa0e\ufad9\U0002f800",
    "radicals and signs": "⺀⻳⼀⿕ 々 〇 〆 〡〩 〸",
    "kana": "むかしむかし、アルプス ㇰ",
    "half-width kana": "ﾑｶｼﾞﾑｶｼ",
    "Hangul": "옛날 옛적에 한 소녀가",
    "jamo": "\u1112\u1161\u11ab ㅎㅏㄴ ﾡ",
    "emoji": "a \U0001f600 b",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467 c",
    "flags": "\U0001f1e6\U0001f1f9 and \U0001f1e8\U0001f1ed",
    "skin tones": "\U0001f44d\U0001f3fd and \u270c\ufe0f\U0001f3ff",
    "letters beyond the BMP": "\U0001d54f \U00010330",
    "right to left": "كان يا ما كان \u200f\u202b(א)\u202c\u200e",
    "signs": "5 < 6 & 7 > 2 \"so\" 'they' say &amp; <b>",
    "invisible": "soft\u00adhyphen, zero\u200bwidth, word\u2060joiner",
}

MARKUP = {
    "entities": "<speak>Fish &amp; chips &lt;3 &gt; &quot;x&quot; &apos;y&apos;</speak>",
    "numbers": "<speak>&#233;&#x1F600;&#x4E16;&#127;&#160;x</speak>",
    "an entity of an entity": "<speak>&amp;lt; and &amp;amp;</speak>",
    "nested": '<speak>He <prosody rate="slow">said <break time="1s"/> it</prosody> again.</speak>',
    "attributes": '<speak><sub alias="World Wide Web">WWW</sub> <say-as interpret-as="date">1/2</say-as></speak>',
    "an attribute with >": "<speak><sub alias=\"a > 'b'\">c</sub> <sub alias='\"> d'>e</sub></speak>",
    "an attribute in Han": '<speak><sub alias="世界">WWW</sub></speak>',
    "white space": "<speak>\n  Hello  <p>\tthere,\r\n  you </p>\n</speak>",
    "white space between attributes": '<speak >a<break\n  time="1s"   strength="weak" />b</speak >',
    "CDATA": "<speak>a <![CDATA[b < c & d &amp; <p>]]> e</speak>",
    "a comment": "<speak>a <!-- > <b> it's \"said -->b</speak>",
    "an instruction": "<speak>a <?note it's > here?>b</speak>",
    "a declaration": '<?xml version="1.0" encoding="UTF-8"?>\n<speak>a</speak>',
    "attributes of speak": '<speak version="1.0" xml:lang="en-US" xmlns="http://www.w3.org/2001/10/synthesis">a</speak>',
}
SSML = MARKUP | {f"{name} in SSML": f"<speak>x{escape(text)}x</speak>" for name, text in TEXTS.items()}

# Of each kind of character that somebody could count differently, some; and of all others, any.
_TELLING = (
    "aé\u0301世豈⼈⺀々〇ﾞｶか한\u1112\u200d\u200f\u00a0\u2003\u3000\u2028\x85\t\n 🎉🇦👍🏽\U00020000\U0001d54f<&>\"'"
)
characters = st.one_of(
    st.sampled_from(_TELLING),
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufffe\uffff"),
)
texts = st.text(alphabet=characters, max_size=30)
_numbers = st.one_of(texts.filter(bool).map(lambda text: f"&#{ord(text[0])};"), st.just("&#x1F600;"))
_words = st.one_of(
    texts.map(escape),
    st.sampled_from(["&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#127;", "  ", "\n\t"]),
    _numbers,
)
_asides = st.one_of(
    texts.map(lambda text: f"<!--{text.replace('-', '')}-->"),
    texts.map(lambda text: f"<![CDATA[{text.replace(']', '')}]]>"),
    texts.map(lambda text: f"<?note {text.replace('?', '')}?>"),
)


def _element(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    value = st.one_of(texts, st.sampled_from(["a > b", "世界", "it's", '"so"'])).map(lambda text: quoteattr(f"x{text}"))
    start = st.one_of(
        st.sampled_from(["p", "s", 'prosody rate="slow"', 'say-as interpret-as = "date"', "p "]),
        value.map(lambda alias: f"sub alias={alias}"),
    )
    within = st.builds(lambda tag, words: f"<{tag}>{words}</{tag.split(' ')[0]}>", start, inner)
    return st.one_of(within, value.map(lambda name: f"<break time='1s' x={name}/>"))


_contents = st.recursive(
    st.one_of(_words, _asides),
    lambda inner: st.one_of(st.lists(inner, max_size=4).map("".join), _element(inner)),
    max_leaves=8,
)
documents = st.builds(
    lambda attributes, contents, end: f"<speak{attributes}>x{contents}</speak{end}>",
    st.sampled_from(["", ' version="1.0"', " xml:lang = 'en-US' "]),
    _contents,
    st.sampled_from(["", " "]),
)
"""Well-formed SSML with all that XML allows."""
