"""What goes wrong in the commands, in words that a person can act upon."""

from __future__ import annotations


class CommandError(Exception):
    """
    Something that stops a command. Printed as it is, without a traceback.

    :param message: what is wrong: one sentence, naming the file, port or process.
    :param remedy: what to do about it.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Interrupted(Exception):
    """Ctrl-C or a request to end: stop everything quietly."""
