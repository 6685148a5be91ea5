"""Whether Airflow's database can be used, and in plain words why not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from include.commands.errors import CommandError

_CONNECT_SECONDS = 10

_WRONG_PASSWORD = re.compile(r"password authentication failed|no password supplied|SASL authentication failed", re.I)
_NO_SUCH_ROLE = re.compile(r"role \"?[^\"]*\"? does not exist", re.I)
_NO_SUCH_DATABASE = re.compile(r"database \"?[^\"]*\"? does not exist", re.I)
_NO_ENTRY = re.compile(r"no pg_hba.conf entry", re.I)
_NO_SUCH_HOST = re.compile(
    r"could not translate host name|name or service not known|name resolution|nodename nor servname", re.I
)
_NO_ROOM = re.compile(r"too many clients|remaining connection slots", re.I)
# What passes by itself when a database is being started.
_NOT_UP = re.compile(
    r"connection refused|is the server running|starting up|shutting down|server closed the connection|timed? ?out", re.I
)


def check_database(
    url: str,
    *,
    patience: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """
    Connect once.

    :param url: as Airflow's setting ``[database] sql_alchemy_conn`` has it. Its password is never shown.
    :param patience: seconds for which a database that does not answer is only being started.
    :raises CommandError: with what is wrong and what to do.
    """
    deadline = now() + patience
    while True:
        trouble = _trouble(url)
        if trouble is None:
            return
        if not _NOT_UP.search(trouble) or now() >= deadline:
            raise database_error(url, trouble)
        sleep(1.0)


def _trouble(url: str) -> str | None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    timeout = {"connect_timeout": _CONNECT_SECONDS} if url.startswith("postgresql") else {}
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args=timeout)
        with engine.connect():
            return None
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        return f"the setting is not understood: {type(error).__name__}"
    except SQLAlchemyError as error:
        return str(getattr(error, "orig", None) or error)


def database_error(url: str, trouble: str) -> CommandError:
    """
    :param trouble: what the driver said.
    :return: what to tell a person about it.
    """
    parts = urlsplit(url)
    user = parts.username or "nobody"
    name = parts.path.lstrip("/")
    where = f"{parts.hostname}:{parts.port or 5432}"
    setting = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    if _WRONG_PASSWORD.search(trouble) or _NO_SUCH_ROLE.search(trouble):
        return CommandError(
            f"The database at {where} does not let the user {user!r} in: a wrong password, or no such user.",
            remedy=(
                f"Correct the password in {setting}. With docker compose that is POSTGRES_PASSWORD in .env, and a "
                "volume keeps the password with which it was made: put that one back, or give the database the new one "
                f'(docker compose exec postgres psql -c "\\password {user}" -U {user} {name}). Nothing was changed.'
            ),
        )
    if _NO_SUCH_DATABASE.search(trouble):
        return CommandError(
            f"There is no database {name!r} at {where}.",
            remedy=f"Create it (createdb -O {user} {name}), or correct {setting}.",
        )
    if _NO_ENTRY.search(trouble):
        return CommandError(
            f"The database at {where} does not let anybody in from this machine as {user!r}.",
            remedy="Allow it in its pg_hba.conf, or use the machine or user that is allowed.",
        )
    if _NO_SUCH_HOST.search(trouble):
        return CommandError(
            f"There is no machine {parts.hostname!r} for the database.", remedy=f"Correct the host in {setting}."
        )
    if _NO_ROOM.search(trouble):
        return CommandError(
            f"The database at {where} has no connection left.",
            remedy="Raise its max_connections (docker-compose.yaml: postgres, command), or put a pooler before it.",
        )
    if _NOT_UP.search(trouble):
        return CommandError(
            f"The database at {where} does not answer.",
            remedy=f"Start it and look at its log (docker compose logs postgres), or correct the address in {setting}.",
        )
    first = trouble.strip().splitlines()[0] if trouble.strip() else "no reason was given"
    if parts.password:
        first = first.replace(parts.password, "***")
    return CommandError(
        f"The database at {where} cannot be used: {first}", remedy=f"Correct {setting}, or the database."
    )
