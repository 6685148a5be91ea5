"""``make env``: an .env with fresh secrets."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from include.commands.environment import SECRETS, fresh_secrets, main


def values(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_it_has_everything_that_the_local_cloud_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], folder=tmp_path) == 0
    written = values(tmp_path / ".env")
    assert all(written[name] not in ("", "...") for name in SECRETS)
    assert written["COMPOSE_PROFILES"] == "local-cloud"
    assert written["NARRATION_STORAGE"].startswith("s3://")
    assert not (tmp_path / "accounts.env").exists()
    told = capsys.readouterr().out
    assert "docker compose up -d" in told
    assert not any(written[name] in told for name in SECRETS)


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    main(["CLOUD=real"], folder=tmp_path)
    for name in (".env", "accounts.env"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_for_real_accounts_it_leaves_open_what_only_a_person_knows(tmp_path: Path) -> None:
    main(["CLOUD=real"], folder=tmp_path)
    written = values(tmp_path / ".env")
    assert written["COMPOSE_PROFILES"] == ""
    # docker compose refuses to start without it, and says what it wants.
    assert (written["NARRATION_STORAGE"], written["NARRATION_INBOX"]) == ("", "")
    assert "AIRFLOW_CONN_AWS_DEFAULT" in (tmp_path / "accounts.env").read_text()


def test_the_local_cloud_and_real_accounts_never_share_a_volume(tmp_path: Path) -> None:
    names = set()
    for cloud in ("local", "real"):
        folder = tmp_path / cloud
        folder.mkdir()
        main([f"CLOUD={cloud}"], folder=folder)
        names.add(values(folder / ".env")["COMPOSE_PROJECT_NAME"])
    assert len(names) == 2


def test_one_that_is_there_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=precious\n")
    assert main([], folder=tmp_path) == 1
    assert (tmp_path / ".env").read_text() == "POSTGRES_PASSWORD=precious\n"
    assert "is there already" in capsys.readouterr().out


def test_an_unknown_cloud_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["CLOUD=aws"], folder=tmp_path) == 1
    assert "Say local" in capsys.readouterr().out
    assert not (tmp_path / ".env").exists()


def test_secrets_differ_each_time_and_fit_into_a_url() -> None:
    first, second = fresh_secrets(), fresh_secrets()
    assert set(first) == set(SECRETS)
    for name in SECRETS:
        assert first[name] != second[name]
        assert len(first[name]) >= 32
        assert first[name].replace("-", "").replace("_", "").rstrip("=").isalnum()
    Fernet(first["AIRFLOW_FERNET_KEY"])
