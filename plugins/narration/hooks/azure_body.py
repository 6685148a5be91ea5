"""The body of an answer, put together piece by piece, and no larger than any answer of Azure is."""

from __future__ import annotations

import zlib

#: Most bytes of an answer, unpacked. A page of a hundred jobs has some hundred kilobytes.
LARGEST_ANSWER = 64 * 1024 * 1024
#: What the service may pack its answers with; all that is understood here.
ACCEPTED = {"Accept-Encoding": "gzip"}
#: Unpack no more than this at a time (bytes).
_PIECE = 1024 * 1024


class BodyError(Exception):
    """The body is not what it should be; the message completes "…, but"."""


class Body:
    """
    Collect the pieces of one body, as they come from the network.

    The HTTP clients would unpack whatever comes: a megabyte of gzip is a gigabyte of memory, and the event loop waits
    for it.

    :param encoding: the answer's ``Content-Encoding``.
    :param most: bytes that it may have, unpacked.
    """

    def __init__(self, encoding: str, *, most: int | None = None) -> None:
        self._most = LARGEST_ANSWER if most is None else most
        self._content = bytearray()
        self._started = False
        encoding = encoding.strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise BodyError("it is packed in a way that was not asked for")
        # 32 more than the window: the header says whether it is gzip or zlib.
        self._unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS + 32) if encoding not in {"", "identity"} else None

    def add(self, piece: bytes) -> None:
        """
        Take the next piece.

        :raises BodyError: it is too large, or cannot be unpacked.
        """
        if self._unpacking is None:
            self._keep(piece)
            return
        self._started = self._started or bool(piece)
        try:
            while piece and not self._unpacking.eof:
                self._keep(self._unpacking.decompress(piece, _PIECE))
                piece = self._unpacking.unconsumed_tail
        except zlib.error:
            raise BodyError("its packed body is damaged") from None

    def content(self) -> bytes:
        """
        Give all of it.

        :raises BodyError: its end is missing.
        """
        if self._unpacking is not None and self._started and not self._unpacking.eof:
            raise BodyError("its packed body is cut off")
        return bytes(self._content)

    def _keep(self, piece: bytes) -> None:
        if len(self._content) + len(piece) > self._most:
            raise BodyError(f"it is larger than {self._most:,} bytes, which no answer of Azure is")
        self._content += piece
