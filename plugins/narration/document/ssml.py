"""SSML: parsing it safely, writing it in one canonical way, and the text that it speaks.

The language is W3C SSML 1.1 as Amazon Polly and Azure Speech understand it. Their own documentation writes
``<amazon:effect>`` and ``<mstts:express-as>`` without declaring the prefixes, and the services accept that; so does
this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn
from xml.parsers import expat
from xml.parsers.expat import errors as expat_errors

from lxml import etree

from narration.document.model import DocumentError, is_speakable

# Prefixes that the services know without a declaration.
KNOWN_PREFIXES = ("amazon", "mstts")
_UNDECLARED = "urn:narration:undeclared:"
_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
_XINCLUDE = "http://www.w3.org/2001/XInclude"
# lxml refuses more than 256 levels; SSML needs fewer than ten.
_DEEPEST = 200

_SPACE = re.compile(r"\s+")
_STRING_VALUE = etree.XPath("string()")

_IN_PLAIN_WORDS = {
    expat_errors.codes[expat_errors.XML_ERROR_INVALID_TOKEN]: (
        "there is a character that XML does not allow here",
        "Put attribute values in quotation marks, and remove control characters",
    ),
    expat_errors.codes[expat_errors.XML_ERROR_UNCLOSED_TOKEN]: (
        "a tag begins with < and never ends with >",
        "Complete the tag, or write &lt; if a less-than sign is meant",
    ),
    expat_errors.codes[expat_errors.XML_ERROR_NO_ELEMENTS]: (
        "the text ends before <speak> is closed",
        "Add the missing end tag",
    ),
    expat_errors.codes[expat_errors.XML_ERROR_DUPLICATE_ATTRIBUTE]: (
        "an attribute is given twice in one tag",
        "Remove one of the two",
    ),
    expat_errors.codes[expat_errors.XML_ERROR_BAD_CHAR_REF]: (
        "a character reference stands for a character that XML cannot carry",
        "Remove it",
    ),
    expat_errors.codes[expat_errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]: (
        "something follows the end of <speak>",
        "Move it inside <speak>",
    ),
    expat_errors.codes[expat_errors.XML_ERROR_UNCLOSED_CDATA_SECTION]: (
        "a CDATA section begins and never ends",
        "End it with ]]>",
    ),
    expat_errors.codes[expat_errors.XML_ERROR_MISPLACED_XML_PI]: (
        "<?xml … ?> stands inside the document",
        "Put it first, or remove it",
    ),
}


def parse_ssml(text: str, *, source: str, line: int = 1, column: int = 1) -> etree._Element:
    """Parse one ``<speak>`` document.

    Nothing outside of the text is ever read and nothing in it expanded: document types, entities of one's own and
    XInclude are refused.

    :param text: the document, with or without an XML declaration
    :param source: named in errors
    :param line: line of the source on which ``text`` begins
    :param column: column of that line on which ``text`` begins
    :return: the ``speak`` element; ``sourceline`` counts from ``line`` = 1 (see :func:`line_of`)
    :raises DocumentError: not well-formed, not SSML, or refused; names line and column and what to change
    """
    stripped = text.lstrip("\ufeff \t\r\n")
    skipped = text[: len(text) - len(stripped)]
    checker = _Checker(source=source, line=line + skipped.count("\n"), column=1 if "\n" in skipped else column)
    data = stripped.encode("utf-8", errors="surrogatepass")
    root_at = checker.check(data)
    declared = "".join(f' xmlns:{prefix}="{_UNDECLARED}{prefix}"' for prefix in sorted(checker.undeclared))
    after_name = root_at + len(b"<speak")
    declaration = data[: _end_of_declaration(data)]
    lines_before = skipped.count("\n") + declaration.count(b"\n")
    data = b"\n" * lines_before + data[len(declaration) : after_name] + declared.encode() + data[after_name:]
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        # Expat has found it well-formed, so this is about namespaces or size: libxml2's own words have to do.
        checker.refuse(
            (error.lineno or 1) - skipped.count("\n"), error.offset or 1, str(error.msg), "Correct the markup"
        )


def line_of(element: etree._Element, *, line: int = 1) -> int:
    """Return the line of the source on which an element stands.

    :param line: the line given to :func:`parse_ssml`
    """
    found = element.sourceline
    return (found if isinstance(found, int) else 1) + line - 1


def tag_of(element: etree._Element) -> str:
    """Return an element's name as an author writes it: ``p``, ``amazon:effect``."""
    name = etree.QName(element).localname
    return f"{element.prefix}:{name}" if element.prefix else name


def plain_text_of(ssml: str) -> str:
    """Return the characters between the tags of a canonical SSML paragraph, white space runs as one space.

    ``<sub alias="…">`` gives what is written, not what is said.
    """
    return _SPACE.sub(" ", text_within(parse_ssml(ssml, source="SSML"))).strip()


def text_within(element: etree._Element) -> str:
    """Return all characters inside an element, as they stand."""
    return str(_STRING_VALUE(element))


def says_something(element: etree._Element) -> bool:
    """Tell whether a voice would be heard: speakable text, a spoken alias, phonemes, or a sound file."""
    if is_speakable(text_within(element)):
        return True
    return any(
        (tag_of(inner) == "sub" and is_speakable(inner.get("alias", "")))
        or (tag_of(inner) == "phoneme" and bool(inner.get("ph")))
        or tag_of(inner) == "audio"
        for inner in element.iter()
    )


def start_tag(element: etree._Element, *, empty: bool = False) -> str:
    """Write an element's start tag: its own namespace declarations, then its attributes, both sorted."""
    parent = element.getparent()
    inherited = parent.nsmap if parent is not None else {}
    declarations = {
        f"xmlns:{prefix}" if prefix else "xmlns": uri
        for prefix, uri in element.nsmap.items()
        if inherited.get(prefix) != uri and not uri.startswith(_UNDECLARED)
    }
    attributes = {_attribute_name(element, str(name)): str(value) for name, value in element.attrib.items()}
    written = "".join(
        f' {name}="{escape_attribute(value)}"'
        for part in (declarations, attributes)
        for name, value in sorted(part.items())
    )
    return f"<{tag_of(element)}{written}{'/' if empty else ''}>"


def end_tag(element: etree._Element) -> str:
    return f"</{tag_of(element)}>"


def escape_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_attribute(text: str) -> str:
    escaped = escape_text(text).replace('"', "&quot;")
    return escaped.replace("\t", "&#9;").replace("\n", "&#10;").replace("\r", "&#13;")


class Writer:
    """Writes canonical markup: the same content always gives the same string.

    Runs of white space become one space, also across tags, and none stands at either end: services bill white space,
    and pretty-printing must not make another clip of the same words.
    """

    def __init__(self, *, skip: Callable[[etree._Element], bool] = lambda element: False) -> None:
        self._skip = skip
        self._parts: list[str] = []
        self._space_at: int | None = None
        self._said_something = False

    def tag(self, tag: str) -> None:
        self._parts.append(tag)

    def text(self, text: str) -> None:
        collapsed = _SPACE.sub(" ", text)
        words = collapsed.strip(" ")
        if collapsed.startswith(" "):
            self._owe_space()
        if not words:
            return
        if self._space_at is not None:
            # Only now is it known that the space parts two words, and does not stand at the end.
            self._parts.insert(self._space_at, " ")
            self._space_at = None
        self._parts.append(escape_text(words))
        self._said_something = True
        if collapsed.endswith(" "):
            self._owe_space()

    def _owe_space(self) -> None:
        if self._said_something and self._space_at is None:
            self._space_at = len(self._parts)

    def element(self, element: etree._Element) -> None:
        """Write an element with all that it contains, without what follows it."""
        if self._skip(element):
            return
        if not len(element) and not (element.text or "").strip():
            self.text(element.text or "")
            self.tag(start_tag(element, empty=True))
            return
        self.tag(start_tag(element))
        self.contents(element)
        self.tag(end_tag(element))

    def contents(self, element: etree._Element) -> None:
        self.text(element.text or "")
        for child in element:
            self.element(child)
            self.text(child.tail or "")

    def __str__(self) -> str:
        return "".join(self._parts)


def _attribute_name(element: etree._Element, name: str) -> str:
    qualified = etree.QName(name)
    if not qualified.namespace:
        return name
    if qualified.namespace == _XML_NAMESPACE:
        return f"xml:{qualified.localname}"
    prefixes = sorted(prefix for prefix, uri in element.nsmap.items() if prefix and uri == qualified.namespace)
    return f"{prefixes[0]}:{qualified.localname}"


def _end_of_declaration(data: bytes) -> int:
    """Return where an XML declaration ends; it names an encoding that no longer applies."""
    return data.index(b"?>") + 2 if data.startswith(b"<?xml") else 0


class _Checker:
    """Checks that a text is well-formed SSML, with the exact place and plain words where it is not.

    libxml2 reports the place after a mistake and stops counting lines at 65,535; expat knows the place itself.
    """

    def __init__(self, *, source: str, line: int, column: int) -> None:
        self.undeclared: set[str] = set()
        self._source = source
        self._line = line
        self._column = column
        self._parser = expat.ParserCreate(encoding="utf-8")
        self._open: list[tuple[str, int]] = []
        self._scopes: list[frozenset[str]] = [frozenset({"xml", "xmlns"})]
        self._root_at = -1
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.XmlDeclHandler = self._declaration

    def check(self, data: bytes) -> int:
        """Return the offset of ``<speak`` in well-formed data; raise otherwise."""
        self._ascii = data.isascii()
        if not data.startswith((b"<speak", b"<?xml", b"<!")):
            begins = data[:40].decode("utf-8", errors="ignore").split("\n")[0]
            self.refuse(
                1,
                1,
                f"SSML begins with <speak>, this with {begins!r}",
                "Wrap it in <speak> … </speak>, or choose the text type 'text' if it is plain text",
            )
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            self._explain(error, data)
        return self._root_at

    def refuse(self, line: int, column: int, what: str, remedy: str) -> NoReturn:
        """Raise the error for a place given in the parser's lines and columns, both from 1."""
        if line == 1:
            column += self._column - 1
        raise DocumentError(f"{self._source}: line {self._line + line - 1}, column {column}: {what}. {remedy}.")

    def _refuse_here(self, what: str, remedy: str) -> NoReturn:
        self.refuse(self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1, what, remedy)

    def _start(self, name: str, attributes: list[str]) -> None:
        names = attributes[0::2]
        declared = {name[6:] for name in names if name.startswith("xmlns:")}
        self._scopes.append(self._scopes[-1] | declared)
        if not self._open:
            self._root_at = self._parser.CurrentByteIndex
            if name != "speak":
                self._refuse_here(f"the document is a <{name}>, not a <speak>", "Give an SSML document")
        elif name == "speak":
            self._refuse_here(
                f"a <speak> begins inside the <speak> of line {self._line + self._open[0][1] - 1}",
                "Close the first one with </speak>",
            )
        if len(self._open) >= _DEEPEST:
            self._refuse_here(f"elements are nested more than {_DEEPEST} deep", "Close those that are finished")
        for prefix in {part for part, colon, _ in (each.partition(":") for each in (name, *names)) if colon}:
            if prefix in self._scopes[-1]:
                continue
            if prefix not in KNOWN_PREFIXES:
                self._refuse_here(
                    f"the prefix of <{name}> or of one of its attributes, {prefix}:, is not declared",
                    f'Declare it in <speak xmlns:{prefix}="…">, or remove it',
                )
            self.undeclared.add(prefix)
        if _XINCLUDE in attributes[1::2]:
            self._refuse_here("XInclude is not followed", "Put the included text into the document itself")
        self._open.append((name, self._parser.CurrentLineNumber))

    def _end(self, name: str) -> None:
        self._open.pop()
        self._scopes.pop()

    def _doctype(self, name: str, *identifiers: object) -> None:
        self._refuse_here(
            "document types (<!DOCTYPE …>) and entities of one's own are refused", "Remove the <!DOCTYPE …>"
        )

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in ("utf-8", "us-ascii", "ascii") and not self._ascii:
            self._refuse_here(
                f"the document declares itself {encoding}, but only UTF-8 is read",
                'Save it as UTF-8 and declare encoding="UTF-8"',
            )

    def _explain(self, error: expat.ExpatError, data: bytes) -> NoReturn:
        line, column = error.lineno, error.offset + 1
        at = self._parser.ErrorByteIndex
        loose = re.search(r"(?:&[\w#]*|<)\Z", data[max(at - 40, 0) : at].decode("utf-8", errors="ignore"))
        if error.code == expat_errors.codes[expat_errors.XML_ERROR_INVALID_TOKEN] and loose is not None:
            character = loose[0][0]
            written = {"&": "&amp;", "<": "&lt;"}[character]
            self.refuse(
                line,
                column - len(loose[0]),
                f"{character} begins neither a tag nor an entity here",
                f"Write {written} if the character itself is meant",
            )
        if error.code == expat_errors.codes[expat_errors.XML_ERROR_TAG_MISMATCH]:
            name, opened = self._open[-1]
            self.refuse(
                line,
                column,
                f"an end tag closes an element that is not open; the one to close is <{name}> of line "
                f"{self._line + opened - 1}",
                f"Put </{name}> before it",
            )
        if error.code == expat_errors.codes[expat_errors.XML_ERROR_UNDEFINED_ENTITY]:
            found = re.match(r"&([^;\s]*);", data[self._parser.ErrorByteIndex :][:80].decode("utf-8", errors="ignore"))
            entity = found[0] if found else "an entity"
            self.refuse(
                line,
                column,
                f"{entity} is not defined: XML itself knows only &amp; &lt; &gt; &quot; and &apos;",
                "Write the character itself, or its number such as &#160;",
            )
        if error.code == expat_errors.codes[expat_errors.XML_ERROR_NO_ELEMENTS] and self._open:
            name, opened = self._open[-1]
            self.refuse(
                line,
                column,
                f"the text ends, but the <{name}> of line {self._line + opened - 1} is still open",
                f"Add </{name}> where it ends",
            )
        what, remedy = _IN_PLAIN_WORDS.get(error.code, (expat.ErrorString(error.code), "Correct the markup"))
        self.refuse(line, column, what, remedy)
