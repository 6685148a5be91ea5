"""
Reading docker-compose.yaml as docker compose does: anchors, ``env_file``, and the variables in ``${…}``.

Only what this project's file uses, so that its services can be started without an engine; anything else is refused
and not skipped.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.commands.errors import CommandError
from include.commands.settings import read_settings

_NAME = re.compile(r"[A-Za-z_]\w*")
_OPERATORS = (":?", ":-", ":+", "?", "-", "+")


@dataclass(frozen=True, kw_only=True)
class Service:
    """
    One service, with its variables put in.

    :param command: what it runs, without the image's entry point.
    :param environment: of its containers, ``env_file`` included.
    :param volumes: source (a volume's name or a path) by the path inside.
    :param replicas: how many containers.
    :param health: the command that tells whether it is well, ``("CMD", …)`` or ``("CMD-SHELL", line)``; empty without.
    :param profiles: it is left out unless one of these is chosen.
    :param restarts: whether it is started again whenever it ends.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: dict[str, str]
    volumes: dict[str, str] = field(default_factory=dict)
    replicas: int = 1
    health: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    restarts: bool = False


def interpolate(text: str, variables: Mapping[str, str], *, place: str = "") -> str:
    """
    Put variables in, as the Compose specification says: ``$NAME``, ``${NAME}``, ``${NAME:-default}``,
    ``${NAME-default}``, ``${NAME:?message}``, ``${NAME?message}``, ``${NAME:+other}``, ``${NAME+other}``, ``$$``.

    :param place: where the text stands, for messages.
    :raises CommandError: for a variable that must be given, with the message that the file has for it.
    """
    result, at = [], 0
    while at < len(text):
        dollar = text.find("$", at)
        if dollar < 0:
            result.append(text[at:])
            break
        result.append(text[at:dollar])
        if text.startswith("$$", dollar):
            result.append("$")
            at = dollar + 2
        elif text.startswith("${", dollar):
            end = _closing(text, dollar + 2, place)
            result.append(_value(text[dollar + 2 : end], variables, place))
            at = end + 1
        elif match := _NAME.match(text, dollar + 1):
            result.append(variables.get(match.group(), ""))
            at = match.end()
        else:
            raise CommandError(f"{place}: {text!r} has a $ that means nothing.", remedy="Write $$ for a dollar sign.")
    return "".join(result)


def _closing(text: str, start: int, place: str) -> int:
    depth = 1
    for at in range(start, len(text)):
        if text.startswith("${", at):
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
    raise CommandError(f"{place}: {text!r} has a ${{ that is not closed.", remedy="Close it.")


def _value(expression: str, variables: Mapping[str, str], place: str) -> str:
    match = _NAME.match(expression)
    name, rest = (match.group(), expression[match.end() :]) if match else ("", expression)
    operator = next((operator for operator in _OPERATORS if rest.startswith(operator)), "")
    if not name or (rest and not operator):
        raise CommandError(f"{place}: ${{{expression}}} is not understood.", remedy="Correct it.")
    word = rest[len(operator) :]
    value = variables.get(name)
    there = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return interpolate(word, variables, place=place) if there else ""
    if there or not operator:
        return value or ""
    if operator.endswith("-"):
        return interpolate(word, variables, place=place)
    raise CommandError(f"{name} {word or 'is not set'}.", remedy=f"{place} needs it.")


def read(path: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """
    Read a compose file.

    :param path: the file; paths in it are relative to its folder.
    :param variables: what ``.env`` and the shell would have said.
    :return: the services by name, of all profiles.
    :raises CommandError: for what is not understood.
    """
    import yaml

    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    services = {}
    for name, raw in data["services"].items():
        # The build is the engine's business.
        wanted = {key: value for key, value in raw.items() if key != "build"}
        services[name] = _service(name, _interpolated(wanted, variables, place=f"{path.name}, {name}"), path)
    return services


def _interpolated(value: Any, variables: Mapping[str, str], *, place: str) -> Any:
    if isinstance(value, str):
        return interpolate(value, variables, place=place)
    if isinstance(value, list):
        return [_interpolated(item, variables, place=place) for item in value]
    if isinstance(value, dict):
        return {key: _interpolated(item, variables, place=f"{place}: {key}") for key, item in value.items()}
    return value


def _service(name: str, raw: dict[str, Any], path: Path) -> Service:
    environment: dict[str, str] = {}
    for entry in raw.get("env_file", []):
        # A file that may be missing is the person's own, for real accounts.
        if entry.get("required", True):
            environment |= read_settings(path.parent / entry["path"])
    for key, value in (raw.get("environment") or {}).items():
        if not isinstance(value, str):
            raise CommandError(f"{path.name}, {name}: {key} is {value!r}.", remedy="Put it in quotes.")
        environment[key] = value
    command = raw.get("command", [])
    test = raw.get("healthcheck", {}).get("test", [])
    return Service(
        name=name,
        image=raw["image"],
        command=tuple(shlex.split(command) if isinstance(command, str) else command),
        environment=environment,
        volumes=dict(_volume(entry) for entry in raw.get("volumes", [])),
        replicas=int(raw.get("deploy", {}).get("replicas", 1)),
        health=tuple(test),
        profiles=tuple(raw.get("profiles", [])),
        restarts=raw.get("restart") in ("always", "unless-stopped"),
    )


def _volume(entry: str) -> tuple[str, str]:
    source, inside, *_ = entry.split(":")
    return inside, source


def chosen(services: Mapping[str, Service], *, profiles: Sequence[str]) -> dict[str, Service]:
    """The services that are started when these profiles are chosen."""
    return {
        name: service
        for name, service in services.items()
        if not service.profiles or set(service.profiles) & set(profiles)
    }
