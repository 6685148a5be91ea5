"""The lists of requirements and of constraints agree with each other, and resolve wherever they are used."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.environments import REPOSITORY, must, pins, requirement_lines, uv

CONSTRAINTS = REPOSITORY / "constraints.txt"
MWAA_CONSTRAINTS = REPOSITORY / "constraints-mwaa.txt"
MWAA_IMAGE = REPOSITORY / "deploy" / "mwaa" / "image.txt"
MWAA_REQUIREMENTS = REPOSITORY / "deploy" / "mwaa" / "requirements.txt"
# What somebody who installs the project installs; the lists that make reads are resolved with constraints.txt below.
INSTALLABLE = sorted(path.name for path in REPOSITORY.glob("requirements*.txt") if path.stem != "requirements-dev")
LOCKED = {"constraints.txt": (CONSTRAINTS, "3.3.2"), "constraints-mwaa.txt": (MWAA_CONSTRAINTS, "3.3.1")}


def names_an_airflow(name: str) -> bool:
    """Whether a list installs an Airflow, of its own version."""
    return any(Requirement(line).name == "apache-airflow" for line in requirement_lines(REPOSITORY / name))


def resolved(*arguments: str | Path, airflow: str = "", beside: str = "", folder: Path) -> dict[str, str]:
    """What the packages of some lists and an Airflow come to; the resolver's own words where they contradict."""
    extra = folder / "requirements.txt"
    extra.write_text("".join(f"{line}\n" for line in (airflow and f"apache-airflow=={airflow}", beside) if line))
    return pins(must(uv("pip", "compile", "--quiet", "--no-annotate", "--no-header", *arguments, extra)))


class TestTheListsThemselves:
    def test_mwaa_is_asked_for_what_the_project_requires_and_for_no_airflow(self) -> None:
        assert requirement_lines(MWAA_REQUIREMENTS) == requirement_lines(REPOSITORY / "requirements.txt")
        for name in ("requirements.txt", "deploy/mwaa/requirements.txt"):
            required = {canonicalize_name(Requirement(line).name) for line in requirement_lines(REPOSITORY / name)}
            assert not required & {"apache-airflow", "apache-airflow-core", "apache-airflow-task-sdk"}

    def test_mwaa_sees_a_constraint_in_the_place_where_the_archive_brings_it(self) -> None:
        lines = [line for line in MWAA_REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]

        # MWAA looks for this option, and applies constraints of its own if it does not find it.
        found = [line for line in lines if re.search(r"-c |--constraint ", line)]
        assert found == ["--constraint /usr/local/airflow/plugins/constraints-mwaa.txt"]
        assert lines[0] == found[0]

    def test_nothing_that_mwaas_image_holds_is_to_be_replaced(self) -> None:
        image, wanted = pins(MWAA_IMAGE.read_text()), pins(MWAA_CONSTRAINTS.read_text())

        assert {name: version for name, version in wanted.items() if name in image} == image
        assert image["apache-airflow"] == "3.3.1"

    @pytest.mark.parametrize("path", [CONSTRAINTS, MWAA_CONSTRAINTS, MWAA_IMAGE], ids=lambda path: path.name)
    def test_constraints_are_names_and_versions_and_nothing_else(self, path: Path) -> None:
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]

        assert lines
        assert [
            line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; [\w '\"=!<>.()*]+)?", line)
        ] == []


@pytest.mark.drop_in
@pytest.mark.timeout(600)
class TestResolving:
    @pytest.mark.parametrize("python", ["3.11", "3.12"])
    @pytest.mark.parametrize("name", INSTALLABLE)
    def test_with_the_versions_that_make_installs(self, name: str, python: str, tmp_path: Path) -> None:
        path, airflow = LOCKED["constraints.txt"]

        found = resolved("--python-version", python, "-c", path, name, airflow=airflow, folder=tmp_path)

        assert found["apache-airflow"] == airflow
        assert set(found) <= set(pins(path.read_text()))

    # The list that names an Airflow of its own is none for an Airflow that is there.
    @pytest.mark.parametrize("name", [name for name in INSTALLABLE if not names_an_airflow(name)])
    def test_with_the_versions_of_mwaa(self, name: str, tmp_path: Path) -> None:
        path, airflow = LOCKED["constraints-mwaa.txt"]

        found = resolved("--python-version", "3.12", "-c", path, name, airflow=airflow, folder=tmp_path)

        locked = pins(path.read_text())
        assert found["apache-airflow"] == airflow
        if name == "requirements.txt":
            assert set(found) <= set(locked)

    def test_on_astronomer_beside_what_its_image_brings(self, tmp_path: Path) -> None:
        providers = ("celery", "elasticsearch", "openlineage", "smtp", "common-io==1.8.0")

        found = resolved(
            *("--python-version", "3.12", "requirements.txt"),
            airflow="3.3.2",
            beside="\n".join(f"apache-airflow-providers-{name}" for name in providers),
            folder=tmp_path,
        )

        assert found["apache-airflow"] == "3.3.2"
        assert found["apache-airflow-providers-common-io"] == "1.8.0"

    def test_on_mwaa_beside_the_azure_provider(self, tmp_path: Path) -> None:
        # The one that goes with Airflow 3.3.1, and what reads Azure Blob Storage; neither is required.
        found = resolved(
            *("--python-version", "3.12", "-c", MWAA_CONSTRAINTS, "requirements.txt"),
            beside="apache-airflow-providers-microsoft-azure==14.1.0\nadlfs>=2024.12",
            folder=tmp_path,
        )

        assert found["apache-airflow"] == "3.3.1"
        assert found["apache-airflow-providers-amazon"] == "9.34.0"

    @pytest.mark.parametrize("airflow", ["3.3.1", "3.3.2"])
    @pytest.mark.parametrize("python", ["3.11", "3.12"])
    def test_with_the_newest_of_everything_that_is_allowed(self, airflow: str, python: str, tmp_path: Path) -> None:
        found = resolved("--python-version", python, "requirements.txt", airflow=airflow, folder=tmp_path)

        assert found["apache-airflow"] == airflow
        # An older provider than the locked one would mean that some bound of ours holds the others back.
        locked = pins(CONSTRAINTS.read_text())
        for name in ("apache-airflow-providers-amazon", "apache-airflow-providers-common-io"):
            assert Version(found[name]) >= Version(locked[name]), name

    def test_constraints_are_what_their_first_line_makes_of_the_requirements(self, tmp_path: Path) -> None:
        found = resolved("--universal", "--python-version", "3.11", "-c", CONSTRAINTS, *everything(), folder=tmp_path)

        assert found == pins(CONSTRAINTS.read_text())

    def test_constraints_of_mwaa_are_what_their_first_line_makes_of_the_requirements(self, tmp_path: Path) -> None:
        found = resolved(
            *("--python-version", "3.12", "-c", MWAA_CONSTRAINTS, "requirements.txt", MWAA_IMAGE), folder=tmp_path
        )

        assert found == pins(MWAA_CONSTRAINTS.read_text())

    def test_a_contradiction_is_told_with_the_name_of_the_package(self, tmp_path: Path) -> None:
        changed = tmp_path / "constraints.txt"
        changed.write_text(re.sub(r"(?m)^tenacity==.*$", "tenacity==8.5.0", CONSTRAINTS.read_text()))

        with pytest.raises(AssertionError, match=r"tenacity>=9"):
            resolved("-c", changed, "requirements.txt", folder=tmp_path)


def everything() -> list[str]:
    """The lists that constraints.txt was made of, as its first lines tell."""
    command = next(line for line in CONSTRAINTS.read_text().splitlines() if "uv pip compile" in line)
    return [os.fspath(word) for word in command.split() if word.startswith("requirements")]
