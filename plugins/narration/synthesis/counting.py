"""Counting characters in the ways in which services may do it. Pure."""

from __future__ import annotations


def utf16_units(text: str) -> int:
    """
    Count UTF-16 code units, as a service does that is written in Java or C# and does not look twice.

    One for each character of the Basic Multilingual Plane, two for every other one, such as an emoji.
    """
    return len(text) + sum(character > "\uffff" for character in text)
