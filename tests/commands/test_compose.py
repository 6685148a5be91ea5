"""Reading a compose file as docker compose does."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.commands.compose import chosen, interpolate, read
from include.commands.errors import CommandError

FILE = """
x-common: &common
  image: ${IMAGE:-narration}:${TAG-latest}
  env_file:
    - path: shared.env
    - path: personal.env
      required: false
  restart: always

x-environment: &environment
  URL: http://web:8080/${PATH_PART:+x/${PATH_PART}}
  SECRET: ${SECRET:?is not set. Run make env}

services:
  web:
    <<: *common
    build: {context: ., target: web}
    command: ["serve", "--port", "8080"]
    environment:
      <<: *environment
      PRICE: $$5
      OVERRIDDEN: by the service
    volumes:
      - data:/srv/data
      - ./here:/srv/here:ro
    healthcheck:
      test: ["CMD-SHELL", "check $${HOSTNAME}"]
    deploy:
      replicas: ${REPLICAS:-2}
  once:
    image: once
    command: python -m once "two words"
    restart: on-failure:3
    profiles: [trying]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "shared.env").write_text("# shared\nSHARED=yes\nOVERRIDDEN=by the file\n")
    (tmp_path / "personal.env").write_text("PERSONAL=secret\n")
    path = tmp_path / "docker-compose.yaml"
    path.write_text(FILE)
    return path


def test_a_service_is_read_with_its_anchors_files_and_variables(file: Path) -> None:
    web = read(file, {"SECRET": "s", "TAG": "", "PATH_PART": "y"})["web"]
    assert web.image == "narration:"
    assert web.command == ("serve", "--port", "8080")
    assert web.environment == {
        "SHARED": "yes",
        "OVERRIDDEN": "by the service",
        "URL": "http://web:8080/x/y",
        "SECRET": "s",
        "PRICE": "$5",
    }
    assert web.volumes == {"/srv/data": "data", "/srv/here": "./here"}
    assert web.health == ("CMD-SHELL", "check ${HOSTNAME}")
    assert (web.replicas, web.restarts) == (2, True)


def test_what_is_a_person_s_own_is_not_taken_over(file: Path) -> None:
    assert "PERSONAL" not in read(file, {"SECRET": "s"})["web"].environment


def test_a_service_of_a_profile_is_started_only_if_that_is_chosen(file: Path) -> None:
    services = read(file, {"SECRET": "s"})
    assert list(chosen(services, profiles=[])) == ["web"]
    assert list(chosen(services, profiles=["trying"])) == ["web", "once"]
    assert services["once"].command == ("python", "-m", "once", "two words")
    assert not services["once"].restarts


def test_what_must_be_given_and_is_not_is_named_with_the_message_of_the_file(file: Path) -> None:
    for variables in ({}, {"SECRET": ""}):
        with pytest.raises(CommandError, match=r"SECRET is not set\. Run make env"):
            read(file, variables)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$A and ${A}", "1 and 1"),
        ("${B}|${B-x}|${B:-x}", "||x"),
        ("${C}|${C-x}|${C:-${A}}", "|x|1"),
        ("${A+there}|${B+there}|${B:+there}|${C+there}", "there|there||"),
        ("${A:?needed}${B?needed}", "1"),
        ("$$A $${A}", "$A ${A}"),
        ("redis://:${A}@redis:6379/0", "redis://:1@redis:6379/0"),
    ],
)
def test_every_form_of_a_variable(text: str, result: str) -> None:
    assert interpolate(text, {"A": "1", "B": ""}) == result


@pytest.mark.parametrize("text", ["${A", "${}", "${A!x}", "costs 5 $", "${C?}", "${B:?empty}"])
def test_what_docker_compose_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        interpolate(text, {"A": "1", "B": ""}, place="a test")


def test_a_value_that_yaml_would_take_for_something_else_must_be_quoted(file: Path) -> None:
    file.write_text("services: {web: {image: web, environment: {FLAG: true}}}")
    with pytest.raises(CommandError, match="FLAG is True"):
        read(file, {})
