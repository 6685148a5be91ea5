"""``make plugins-zip``: complete, without what does not belong, and the same bytes for the same commit."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from include.commands.plugins_zip import PluginsZipError, build, main
from tests.packaging.environments import IGNORED, REPOSITORY

TEN_SECONDS_PAST_NOON = 1_800_014_410  # 2027-01-15 12:00:10 UTC


def git(checkout: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", *arguments],
        cwd=checkout,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "plugins", folder / "plugins", ignore=IGNORED)
    shutil.copy(REPOSITORY / "constraints-mwaa.txt", folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    commit(folder, TEN_SECONDS_PAST_NOON)
    return folder


def commit(checkout: Path, moment: int) -> None:
    dates = {"GIT_AUTHOR_DATE": f"{moment} +0000", "GIT_COMMITTER_DATE": f"{moment} +0000"}
    git(checkout, "commit", "-q", "-a", "--allow-empty", "-m", "x", **dates)


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        return file.namelist()


def test_it_holds_what_is_under_version_control_in_plugins_and_the_constraints(checkout: Path, tmp_path: Path) -> None:
    archive = build(checkout=checkout, output=tmp_path / "plugins.zip")

    tracked = git(checkout, "ls-files", "plugins").splitlines()
    assert names(archive.path) == sorted([*(name.removeprefix("plugins/") for name in tracked), "constraints-mwaa.txt"])
    assert {"narration_plugin.py", ".airflowignore", "narration/hooks/waiters/polly.json"} <= set(names(archive.path))
    assert archive.files == len(names(archive.path))
    with zipfile.ZipFile(archive.path) as file:
        assert file.read("narration/store.py") == (checkout / "plugins" / "narration" / "store.py").read_bytes()


def test_what_python_editors_and_packagers_leave_behind_stays_out(checkout: Path, tmp_path: Path) -> None:
    clean = build(checkout=checkout, output=tmp_path / "clean.zip")
    for name in (
        "narration/__pycache__/store.cpython-312.pyc",
        "narration/old.pyc",
        "narration.egg-info/PKG-INFO",
        ".DS_Store",
        "narration/.store.py.swp",
        "narration/store.py~",
    ):
        (checkout / "plugins" / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / "plugins" / name).touch()

    assert build(checkout=checkout, output=tmp_path / "again.zip").sha256 == clean.sha256


def test_the_same_commit_gives_the_same_bytes_wherever_and_whenever_it_is_checked_out(
    checkout: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    git(checkout, "clone", "-q", ".", str(elsewhere))
    for number, path in enumerate(sorted(elsewhere.rglob("*.py"))):
        os.utime(path, (number, 1_000_000_000 + number))
        path.chmod(0o600)

    one = build(checkout=checkout, output=tmp_path / "one.zip")
    other = build(checkout=elsewhere, output=tmp_path / "other.zip", environment={"TZ": "Asia/Tokyo"})

    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.sha256 == other.sha256


def test_files_bear_the_time_of_the_commit_so_that_no_old_bytecode_is_taken_for_theirs(
    checkout: Path, tmp_path: Path
) -> None:
    build(checkout=checkout, output=tmp_path / "old.zip")
    # As long as before, so that only the time tells.
    errors = checkout / "plugins" / "narration" / "errors.py"
    errors.write_text(errors.read_text().replace("remedy", "REMEDY"))
    commit(checkout, TEN_SECONDS_PAST_NOON + 3600)
    build(checkout=checkout, output=tmp_path / "new.zip")

    times = []
    for name in ("old", "new"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip") as file:
            times.append({entry.date_time for entry in file.infolist()})
    assert times == [{(2027, 1, 15, 12, 0, 10)}, {(2027, 1, 15, 13, 0, 10)}]


def test_a_moment_can_be_given_from_outside(checkout: Path, tmp_path: Path) -> None:
    build(checkout=checkout, output=tmp_path / "p.zip", environment={"SOURCE_DATE_EPOCH": "1700000000"})

    with zipfile.ZipFile(tmp_path / "p.zip") as file:
        assert {entry.date_time for entry in file.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    with pytest.raises(PluginsZipError, match="SOURCE_DATE_EPOCH"):
        build(checkout=checkout, output=tmp_path / "p.zip", environment={"SOURCE_DATE_EPOCH": "yesterday"})


def test_it_is_made_without_git_as_well(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".git")

    archive = build(checkout=checkout, output=tmp_path / "plugins.zip")

    assert "narration_plugin.py" in names(archive.path)


def test_whoever_unpacks_it_can_read_it(checkout: Path, tmp_path: Path) -> None:
    (checkout / "plugins" / "narration_plugin.py").chmod(0o600)
    build(checkout=checkout, output=tmp_path / "plugins.zip")

    with zipfile.ZipFile(tmp_path / "plugins.zip") as file:
        assert {stat.filemode(entry.external_attr >> 16) for entry in file.infolist()} == {"-rw-r--r--"}


def test_an_incomplete_checkout_is_refused_and_the_last_archive_stays(checkout: Path, tmp_path: Path) -> None:
    before = build(checkout=checkout, output=tmp_path / "plugins.zip").sha256
    (checkout / "constraints-mwaa.txt").unlink()

    with pytest.raises(PluginsZipError, match=r"constraints-mwaa\.txt\.\n→ "):
        build(checkout=checkout, output=tmp_path / "plugins.zip")

    (checkout / "plugins" / "narration_plugin.py").unlink()
    with pytest.raises(PluginsZipError, match=r"narration_plugin\.py"):
        build(checkout=checkout, output=tmp_path / "plugins.zip")
    assert hashlib.sha256((tmp_path / "plugins.zip").read_bytes()).hexdigest() == before


def test_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "made" / "plugins.zip"

    assert main(["--output", str(output)]) == 0

    said = capsys.readouterr().out
    archive = build(checkout=REPOSITORY, output=tmp_path / "again.zip")
    assert str(output) in said
    assert f"{archive.size:,} bytes" in said
    assert f"sha256 {archive.sha256}" in said


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()

    assert main(["--output", str(tmp_path / "file" / "plugins.zip")]) == 1

    assert str(tmp_path / "file") in capsys.readouterr().out
