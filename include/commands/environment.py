"""
``make env``: writes ``.env``, from which docker compose takes what must not stand in docker-compose.yaml.

Uses the standard library only: whoever starts containers need not have set anything up.
"""

from __future__ import annotations

import os
import secrets
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

#: Letters, digits, - and _ only: most of them stand in URLs.
SECRETS = (
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_JWT_SECRET",
)
_DOTS = "..."


def fresh_secrets() -> dict[str, str]:
    """New values for all of :data:`SECRETS`; a Fernet key is 32 bytes in this very notation."""
    made = {name: secrets.token_urlsafe(24) for name in SECRETS}
    made["AIRFLOW_FERNET_KEY"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    # A signature of HS512 wants a key as long as its hash.
    made["AIRFLOW_JWT_SECRET"] = secrets.token_urlsafe(64)
    return made


def filled_in(example: str, *, values: Mapping[str, str], real: bool) -> str:
    """
    Fill in ``.env.example``.

    :param values: the secrets.
    :param real: for accounts of one's own instead of the local cloud.
    """
    lines, choice = [], "both"
    for line in example.splitlines():
        if line.startswith("# The local cloud"):
            choice = "local"
        elif line.startswith("# Real accounts"):
            choice = "real"
        elif not line:
            choice = "both"
        name, _, value = line.lstrip("#").partition("=")
        if value == _DOTS and name in values:
            line = f"{name}={values[name]}"
        elif choice == "local" and real and "=" in line:
            line = f"#{line}"
        elif choice == "real" and real and name in ("COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"):
            line = line.lstrip("#")
        elif choice == "real" and real and name in ("NARRATION_STORAGE", "NARRATION_POLLY_BUCKET", "NARRATION_INBOX"):
            # To be filled in: docker compose refuses to start without the first, and says what it wants.
            line = f"{name}="
        lines.append(line)
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str], *, folder: Path = CHECKOUT) -> int:
    """
    :param arguments: ``CLOUD=real`` or ``CLOUD=local``, which is the default.
    :param folder: where to write.
    :return: 0 if everything was written.
    """
    cloud = next((word.partition("=")[2] for word in arguments if word.startswith("CLOUD=")), "") or "local"
    if cloud not in ("local", "real"):
        print(f"CLOUD is {cloud!r}.\n→ Say local (the local cloud, free) or real (accounts of your own).")
        return 1
    wanted = {
        ".env": filled_in(_example(".env"), values=fresh_secrets(), real=cloud == "real"),
        **({"accounts.env": _example("accounts.env")} if cloud == "real" else {}),
    }
    for name, text in wanted.items():
        path = folder / name
        try:
            # Never over another one: without its secrets, what is in the volumes cannot be opened.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            print(
                f"{path} is there already, and the volumes may have been made with what it says: it is left as it is.\n"
                "→ Change in it what is to be changed, or move it away and run make env again."
            )
            return 1
        except OSError as error:
            print(f"{path} cannot be written: {error.strerror}.\n→ Make {folder} writable for you.")
            return 1
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        print(f"{path} is written, readable for you alone.")
    if cloud == "real":
        print(
            "→ Fill in NARRATION_STORAGE and NARRATION_POLLY_BUCKET in .env and the connections in accounts.env, then:"
        )
        print("  docker compose up -d")
    else:
        print("→ docker compose up -d; then log in as admin with AIRFLOW_ADMIN_PASSWORD, which stands in it.")
    return 0


def _example(name: str) -> str:
    return (CHECKOUT / f"{name}.example").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
