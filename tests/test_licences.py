"""What users must install carries no licence that would reach into their own work."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
# The word alone, and not the L before it: the LGPL asks nothing of those who only import.
STRONG_COPYLEFT = re.compile(
    r"(?<![A-Za-z])A?GPL(?![A-Za-z])|\bA?GPLv\d|(?<!Lesser )(?<!Library or Lesser )\bGeneral Public License|Affero",
    re.IGNORECASE,
)
# Offered under the GPL and under a second licence, which is the one that is taken here.
ANOTHER_CHOICE = re.compile(r"\b(MIT|BSD|Apache|MPL|PSF|Zope|Artistic)\b|Mozilla|Lesser General|\bLGPL", re.IGNORECASE)


def required_by_users() -> dict[str, Distribution]:
    """What requirements.txt and, for a cluster, requirements-cluster.txt pull in, transitively, and Airflow itself."""
    lines = [
        line
        for name in ("requirements.txt", "requirements-cluster.txt")
        for line in (REPOSITORY / name).read_text().splitlines()
        if not line.startswith("-r ")
    ]
    todo = [Requirement(line) for line in (raw.split("#")[0].strip() for raw in lines) if line]
    todo.append(Requirement("apache-airflow"))
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            package = found[name] = distribution(requirement.name)
        except PackageNotFoundError:
            raise AssertionError(f"{requirement} is not installed, so its licence cannot be looked at") from None
        for line in package.requires or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                todo.append(needed)
    return found


def licences_of(package: Distribution) -> list[str]:
    """The licence expression and classifiers, or else the short text of the licence field."""
    metadata = package.metadata
    stated = [metadata.get("License-Expression") or ""]
    stated += [entry for entry in metadata.get_all("Classifier") or () if entry.startswith("License ::")]
    if not any(stated):
        stated.append((metadata.get("License") or "").split("\n")[0])
    return [licence for licence in stated if licence]


def is_strong_copyleft(licences: list[str]) -> bool:
    text = " / ".join(licences)
    return bool(STRONG_COPYLEFT.search(text)) and not ANOTHER_CHOICE.search(text)


def test_nothing_that_users_must_install_is_under_the_gpl_or_agpl():
    packages = required_by_users()

    assert len(packages) > 50
    assert {
        name: licences_of(package) for name, package in packages.items() if is_strong_copyleft(licences_of(package))
    } == {}


def test_what_is_only_for_the_local_cloud_is_not_among_it():
    assert not {"espeakng-loader", "soundfile", "moto"} & set(required_by_users())


def test_the_project_itself_is_under_apache_2():
    text = (REPOSITORY / "LICENSE").read_text()

    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_the_rule_tells_the_licences_apart():
    for strong in (
        ["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"],
        ["GPL-2.0-or-later"],
        ["AGPL-3.0-only"],
        ["License :: OSI Approved :: GNU Affero General Public License v3"],
        ["GPLv3"],
    ):
        assert is_strong_copyleft(strong), strong
    for fine in (
        ["LGPL-3.0-or-later"],
        ["License :: OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)"],
        ["License :: OSI Approved :: GNU Library or Lesser General Public License (LGPL)"],
        ["Apache-2.0"],
        ["MIT OR GPL-2.0-only"],
        ["BSD-3-Clause"],
    ):
        assert not is_strong_copyleft(fine), fine
