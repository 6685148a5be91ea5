"""From ``make run DOCUMENT=… VOICE=…`` to the parameters of the Dag."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from include.commands.errors import CommandError
from include.commands.preflight import resolve_document

#: What one may say to make that is not for the Dag.
_OURS = re.compile(
    r"^(DAG|EXIT|ALL|PYTHON|AIRFLOW_PORT|MAKEFLAGS|SHELL|LOCAL_CLOUD_\w+|NARRATION_\w+|AIRFLOW__?\w+|AWS_\w+)$"
)
_CHOICES_SHOWN = 20
_LONGEST_MESSAGE = 300
_ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*):{0,3}[+?!]?=")
_SEE_THE_FORM = "The form in Airflow's UI describes each parameter."
#: Parameters of the Dag that the pattern above would take for ours.
_THE_DAGS = frozenset({"AWS_CONN_ID"})


def given_to_make(environment: Mapping[str, str]) -> dict[str, str]:
    """
    The variables of make's command line.

    ``MAKEFLAGS`` lists them after ``--``, and their values are in the environment. A variable
    that was merely in the environment is not listed: a shell in which ``VOICE`` or ``TITLE``
    happens to be set for something else changes nothing.
    """
    _, separator, text = f" {environment.get('MAKEFLAGS', '')}".partition(" -- ")
    names = []
    if separator:
        for word in re.findall(r"(?:\\.|[^\s\\])+", text):
            match = _ASSIGNMENT.match(word)
            if match:
                names.append(match.group(1))
    return {name: environment[name] for name in names if name in environment}


def given_as_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """
    :raises CommandError: for anything but ``NAME=value``.
    """
    given = {}
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if not separator or not name.isidentifier():
            raise CommandError(f"{argument!r} is not of the form NAME=value.", remedy="make help lists what there is.")
        given[name] = value
    return given


def for_the_dag(given: Mapping[str, str], *, folder: Path) -> dict[str, str]:
    """
    The Dag's parameters, still as text, with the document made absolute.

    :raises CommandError: when the document does not exist.
    """
    parameters = {name.lower(): value for name, value in given.items() if name in _THE_DAGS or not _OURS.match(name)}
    if parameters.get("document", "").strip():
        parameters["document"] = resolve_document(parameters["document"].strip(), folder=folder)
    return parameters


def typed(parameters: Mapping[str, str], *, schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """
    :param parameters: as text.
    :param schemas: of the Dag's parameters, by name (JSON schema).
    :return: as the Dag wants them.
    :raises CommandError: for a parameter that the Dag does not have, or a value that it would refuse.
    """
    unknown = [name for name in parameters if name not in schemas]
    if unknown:
        close = difflib.get_close_matches(unknown[0], schemas, n=1)
        raise CommandError(
            f"The Dag has no parameter {unknown[0].upper()}.",
            remedy=(f"Did you mean {close[0].upper()}? " if close else "")
            + f"There are: {', '.join(name.upper() for name in schemas)}.",
        )
    values = {name: _value(name, text, schemas[name]) for name, text in parameters.items()}
    for name, value in values.items():
        _check(name, value, schemas[name])
    return values


def _value(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    wanted = schema.get("type", "string")
    types = [wanted] if isinstance(wanted, str) else list(wanted)
    if "null" in types and text.strip() == "":
        return None
    for kind in types:
        try:
            if kind == "string":
                return text
            if kind == "integer":
                return int(text)
            if kind == "number":
                return float(text)
            if kind == "boolean" and text.lower() in ("true", "false", "yes", "no", "1", "0"):
                return text.lower() in ("true", "yes", "1")
            if kind == "array" and not text.lstrip().startswith("["):
                return [item.strip() for item in text.split(",") if item.strip()]
            if kind in ("array", "object"):
                return json.loads(text)
        except ValueError:
            continue
    raise CommandError(f"{name.upper()}={text} is not {' or '.join(types)}.", remedy=_SEE_THE_FORM)


def _check(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    """
    Ask the library that Airflow asks, and say it shorter: Airflow repeats the whole schema.

    :raises CommandError: with the choices that come closest, where there are choices.
    """
    # Imported here: it takes a fifth of a second.
    from jsonschema import FormatChecker  # type: ignore[import-untyped]
    from jsonschema.validators import validator_for  # type: ignore[import-untyped]

    problem = next(iter(validator_for(schema)(schema, format_checker=FormatChecker()).iter_errors(value)), None)
    if problem is None:
        return
    given = f"{name.upper()}={value if isinstance(value, str) else json.dumps(value)}"
    if problem.validator == "enum":
        choices = [str(choice) for choice in problem.validator_value if choice is not None]
        raise CommandError(f"{given} is not one of the Dag's choices.", remedy=_choose(str(problem.instance), choices))
    raise CommandError(f"{given} is refused: {problem.message[:_LONGEST_MESSAGE]}.", remedy=_SEE_THE_FORM)


def _choose(given: str, choices: Sequence[str]) -> str:
    """The choices that come closest, whatever the case, and all of them where they are few."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = [by_lower[lower] for lower in difflib.get_close_matches(given.lower(), by_lower, n=3)]
    guess = f"Did you mean {' or '.join(close)}? " if close else ""
    if len(choices) <= _CHOICES_SHOWN:
        return f"{guess}There are: {', '.join(choices)}."
    return f"{guess}The form in Airflow's UI lists all {len(choices)}."
