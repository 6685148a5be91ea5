from __future__ import annotations

import os
from pathlib import Path

import pytest

from narration.hooks.limits import shared_limiter
from narration.hooks.machine import DiskError, shared_folder, writing
from narration.hooks.windows import shared_window


@pytest.fixture
def temporary(own_limits) -> Path:
    return own_limits


def own(temporary: Path) -> Path:
    return temporary / f"narration-{os.geteuid()}"


def test_it_is_made_for_its_user_alone_and_found_again(temporary):
    assert shared_folder() == shared_folder() == own(temporary)
    assert own(temporary).stat().st_mode & 0o777 == 0o700


def test_one_that_others_may_write_to_is_closed_to_them(temporary):
    own(temporary).mkdir()
    own(temporary).chmod(0o777)

    assert shared_folder().stat().st_mode & 0o777 == 0o700


def test_a_link_that_somebody_laid_is_not_followed(temporary):
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    own(temporary).symlink_to(elsewhere)

    with pytest.raises(DiskError, match=r"a link or a file.*Remove it"):
        shared_folder()


def test_a_file_in_its_place_is_named(temporary):
    own(temporary).write_bytes(b"")

    with pytest.raises(DiskError, match=r"Remove it.*TMPDIR"):
        shared_folder()


def test_a_folder_of_another_user_is_not_used(temporary, monkeypatch):
    user = os.geteuid() + 1
    monkeypatch.setattr("narration.hooks.machine.os.geteuid", lambda: user)
    (temporary / f"narration-{user}").mkdir()

    with pytest.raises(DiskError, match="belongs to somebody else"):
        shared_folder()


@pytest.mark.parametrize(
    "use",
    [
        lambda: shared_window(account="a", call="c", requests=5, seconds=1).turn().__enter__(),
        lambda: shared_limiter(account="a", call="c", per_second=5).take(),
    ],
    ids=["windows", "limits"],
)
def test_all_limits_lie_in_it(temporary, use):
    own(temporary).symlink_to(temporary)

    with pytest.raises(DiskError):
        use()


def test_what_is_not_about_the_disk_stays_what_it_is():
    with pytest.raises(ValueError, match="x"), writing("The result"):
        raise ValueError("x")
