"""What ``<say-as>`` makes of numbers, dates, times and units, in words."""

from __future__ import annotations

import re

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_UNITS = {
    "in": "inches", "ft": "feet", "yd": "yards", "mi": "miles", "mm": "millimetres", "cm": "centimetres",
    "m": "metres", "km": "kilometres", "mg": "milligrams", "g": "grams", "kg": "kilograms", "oz": "ounces",
    "lb": "pounds", "lbs": "pounds", "ml": "millilitres", "l": "litres", "kph": "kilometres per hour",
    "mph": "miles per hour", "hz": "hertz", "kb": "kilobytes", "mb": "megabytes", "gb": "gigabytes",
}  # fmt: skip
_FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth", 9: "ninth"}


def spoken_form(content: str, *, interpret_as: str, date_format: str, language_code: str) -> str | None:
    """The words for a ``<say-as>``, or ``None`` to read its content as it stands.

    Digits and telephone numbers work in every language; what needs words is made for English and left to the engine
    elsewhere.
    """
    content = content.strip()
    if interpret_as == "digits":
        return " ".join(character for character in content if character.isalnum())
    if interpret_as == "telephone":
        return _telephone(content)
    if interpret_as == "expletive":
        return "beep"
    if not language_code.startswith("en"):
        return None
    match interpret_as:
        case "ordinal":
            return _ordinal(content)
        case "fraction":
            return _fraction(content)
        case "unit":
            return _unit(content)
        case "date":
            return _date(content, date_format)
        case "time":
            return _time(content)
    return None


def _telephone(content: str) -> str:
    groups = re.findall(r"\w+", content)
    return ", ".join(" ".join(group) for group in groups)


def _ordinal(content: str) -> str | None:
    if not content.isascii() or not content.isdigit():
        return None
    return f"{content}{_ordinal_suffix(int(content))}"


def _ordinal_suffix(number: int) -> str:
    if number % 100 in {11, 12, 13}:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _fraction(content: str) -> str | None:
    found = re.fullmatch(r"(?:(\d+)\s*\+\s*)?(\d+)\s*/\s*(\d+)", content)
    if found is None:
        return None
    whole, numerator, denominator = found.groups()
    name = _FRACTIONS.get(int(denominator))
    if name is None:
        part = f"{numerator} over {denominator}"
    elif int(numerator) == 1:
        part = f"1 {name}"
    else:
        part = f"{numerator} {'halves' if name == 'half' else name + 's'}"
    return part if whole is None else f"{whole} and {part}"


def _unit(content: str) -> str | None:
    found = re.fullmatch(r"([\d.,]+)\s*([a-zA-Z]+)", content)
    if found is None or found[2].lower() not in _UNITS:
        return None
    unit = _UNITS[found[2].lower()]
    if found[1] == "1":
        singular = {"feet": "foot", "inches": "inch"}
        unit = singular.get(unit, unit.replace("s per", " per") if " per" in unit else unit.removesuffix("s"))
    return f"{found[1]} {unit}"


def _date(content: str, date_format: str) -> str | None:
    parts = re.findall(r"\d+", content)
    if re.fullmatch(r"[\d?]{8}", content):
        parts, date_format = [content[:4], content[4:6], content[6:]], "ymd"
    if len(parts) != len(date_format) or not set(date_format) <= set("dmy"):
        return None
    fields = {kind: part for kind, part in zip(date_format, parts, strict=True) if "?" not in part}
    words = []
    if "m" in fields:
        month = int(fields["m"])
        if not 1 <= month <= 12:
            return None
        words.append(_MONTHS[month - 1])
    if "d" in fields:
        day = int(fields["d"])
        words.append(f"{day}{_ordinal_suffix(day)}")
    if "y" in fields:
        year = fields["y"]
        words.append(f", {year}" if words else year)
    return " ".join(words).replace(" ,", ",") or None


def _time(content: str) -> str | None:
    found = re.fullmatch(r"(?:(\d+)')?\s*(?:(\d+)\")?", content)
    if found is None or not any(found.groups()):
        return None
    words = []
    for value, name in zip(found.groups(), ("minute", "second"), strict=True):
        if value is not None:
            words.append(f"{value} {name}" if int(value) == 1 else f"{value} {name}s")
    return " ".join(words)
