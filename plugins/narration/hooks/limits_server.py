"""The Redis in which several machines count their limits: what the setting says of it, and whether it answers."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from narration.errors import PermanentNarrationError

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

Result = TypeVar("Result")

SETTING = "AIRFLOW__NARRATION__LIMITS"
"""The setting, as an environment variable."""

#: How long Redis may take to accept a connection and to answer (seconds).
_TIMEOUT = 2.0
#: How long it is left alone after it did not answer (seconds).
_ASK_AGAIN = 30.0

_SCHEMES = ("redis", "rediss")
_CONNECTION_ID = re.compile(r"[\w.-]+")
_TLS_EXTRAS = ("ssl", "ssl_cert_reqs", "ssl_ca_certs", "ssl_keyfile", "ssl_certfile", "ssl_check_hostname")
_FORM = "redis://[[user]:password@]host[:6379][/database], rediss://… (TLS), or the id of a connection of type redis"


class LimitSettingError(PermanentNarrationError):
    """The setting that says where limits are counted cannot be used; nothing was sent or bought."""


class RedisAwayError(Exception):
    """Redis does not answer, or not as it should. It was logged, once; whoever catches this counts elsewhere."""


class LimitServer:
    """
    One Redis, asked through one client, which threads and forks may share.

    When it does not answer, that is said in one warning and everybody goes on without it; it is asked again every
    half minute, by one caller at a time.

    :param client: the client.
    :param where: host, port and database, for messages.
    """

    def __init__(self, *, client: Redis, where: str) -> None:
        self.client = client
        self.where = where
        self._away = False
        self._ask_again = 0.0

    def ask(self, question: Callable[[], Result]) -> Result:
        """
        Ask something.

        :raises RedisAwayError: there is no answer.
        """
        from redis import RedisError

        if self._away:
            if time.monotonic() < self._ask_again:
                raise RedisAwayError
            # Before the answer is there: meanwhile the others need not wait for it.
            self._ask_again = time.monotonic() + _ASK_AGAIN
        try:
            answer = question()
        # The last one is what a host name becomes that cannot be one.
        except (RedisError, OSError, UnicodeError) as error:
            self._went_away(error)
            raise RedisAwayError from error
        if self._away:
            self._away = False
            log.info("Redis at %s answers again; the rate limits are counted there.", self.where)
        return answer

    def _went_away(self, error: Exception) -> None:
        self._ask_again = time.monotonic() + _ASK_AGAIN
        if self._away:
            return
        self._away = True
        log.warning(
            "The rate limits cannot be counted in Redis at %s (%s: %s). Until they can, each machine counts for "
            "itself: together they may be too fast, and the service then refuses calls, which are repeated and cost "
            "nothing. Check that this Redis runs, that it can be reached from here, and that %s is right; it is asked "
            "again every %g s.",
            *(self.where, type(error).__name__, error, SETTING, _ASK_AGAIN),
        )


@lru_cache(maxsize=1)
def limit_server() -> LimitServer | None:
    """
    Give the Redis that is set; ``None`` if there is none, and every machine counts for itself.

    Reads the setting once in a process. May block: the value may be in a secrets backend.

    :raises LimitSettingError: the setting is wrong, with what to do about it.
    """
    from airflow.sdk import conf

    value = str(conf.get("narration", "limits", fallback="")).strip()
    if not value:
        return None
    try:
        import redis  # noqa: F401
    except ImportError:
        raise LimitSettingError(
            f"{SETTING} is set, and the Python package redis is not installed here. Install it on all workers and "
            "triggerers (pip install 'redis>=5'; it also comes with celery[redis]), or leave the setting empty: each "
            "machine then counts for itself."
        ) from None
    return _from_connection(value) if _CONNECTION_ID.fullmatch(value) else _from_url(value)


def _from_url(url: str) -> LimitServer:
    for secret in _secrets(url):
        _mask(secret)
    where = _where(url)
    client = _client_of(url) if where else None
    if where is None or client is None:
        # The parser's own words might hold a part of the password, so this is said without them, and not within
        # the handling of their exception.
        raise LimitSettingError(
            f"The value of {SETTING} is not an address that can be used. Write {_FORM}. Characters of a password that "
            "mean something in an address (/ ? # @ : %) are written as %2F %3F %23 %40 %3A %25."
        )
    return LimitServer(client=client, where=where)


def _where(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        database = parts.path.strip("/")
        if parts.scheme not in _SCHEMES or not parts.hostname or not (database or "0").isdecimal():
            return None
        return f"{parts.hostname}:{parts.port or 6379}/{database or 0}"
    except ValueError:
        return None


def _secrets(url: str) -> Iterator[str]:
    """Find what no log may show, also in an address that is written wrongly."""
    rest = url.partition("://")[2] or url
    user_info, at, _ = rest.rpartition("@")
    written = [user_info.partition(":")[2]] if at else []
    written += [part.partition("=")[2] for part in re.split("[?&]", rest) if part.startswith("password=")]
    for secret in filter(None, written):
        yield from {url, secret, unquote(secret)}


def _mask(secret: str) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret(secret)


def _client_of(url: str) -> Redis | None:
    from redis import Redis

    try:
        client = Redis.from_url(url, **_manners())
        # Without a look at the network: it refuses parameters of the address that do not exist.
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    except (TypeError, ValueError):
        return None
    return client


def _from_connection(conn_id: str) -> LimitServer:
    from airflow.exceptions import AirflowNotFoundException
    from airflow.sdk import BaseHook
    from redis import Redis

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise LimitSettingError(
            f"{SETTING} names the Airflow connection {conn_id!r}, and there is none. Create it (type redis), or write "
            f"{_FORM}."
        ) from None
    if connection.password:
        _mask(connection.password)
    extra: Mapping[str, Any] = connection.extra_dejson
    database = str(extra.get("db") or connection.schema or 0)
    if connection.conn_type not in _SCHEMES or not connection.host or not database.isdecimal():
        raise LimitSettingError(
            f"{SETTING} names the Airflow connection {conn_id!r}, which leads to no Redis. It needs the type redis, a "
            'host and, in its extra, a number as database: {"db": 1}.'
        )
    tls = {name: extra[name] for name in _TLS_EXTRAS if name in extra}
    if connection.conn_type == "rediss":
        tls["ssl"] = True
    port = connection.port or 6379
    client = Redis(
        host=connection.host,
        port=port,
        db=int(database),
        username=connection.login or None,
        password=connection.password or None,
        **tls,
        **_manners(),
    )
    return LimitServer(client=client, where=f"{connection.host}:{port}/{database}")


def _manners() -> dict[str, Any]:
    """How a client behaves that nobody may have to wait for."""
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.retry import Retry

    return {
        "socket_connect_timeout": _TIMEOUT,
        "socket_timeout": _TIMEOUT,
        # Once more at once: a connection that was left idle may be dead, because Redis was started anew.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        "retry_on_error": [RedisConnectionError],
        # Which Redis 5 speaks too.
        "protocol": 2,
    }
