"""What every log line of a task names besides its message: the order, the chapter and the document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

WORDS = ("order", "chapter", "document", "account", "jobs")
"""
The fields, as they stand in Airflow's log lines beside ``dag_id``, ``run_id`` and ``map_index``:

* ``order``: the order's id, the name of its file in the store.
* ``chapter``: the chapters that its paragraphs stand in.
* ``document``: the title, or the name of the file before the title is known.
* ``account``, ``jobs``: in the triggerer, which account is watched and how many jobs are waited for.
"""

_LONGEST = 120


def begin(**words: Any) -> None:
    """
    Name what a task is about in all its lines from here on, those of Airflow itself and of every library included.

    :param words: some of :data:`WORDS`; ``None`` names nothing. What an earlier task of this process named is gone.
    """
    from structlog.contextvars import bind_contextvars, unbind_contextvars

    unbind_contextvars(*WORDS)
    bind_contextvars(**_said(words))


def add(**words: Any) -> None:
    """Name more of it, or name it better; see :func:`begin`."""
    from structlog.contextvars import bind_contextvars

    bind_contextvars(**_said(words))


@contextmanager
def about(**words: Any) -> Iterator[None]:
    """Name what the block is about, in the lines of the block alone."""
    from structlog.contextvars import bound_contextvars

    with bound_contextvars(**_said(words)):
        yield


def current() -> dict[str, str]:
    """Give what is named at this moment."""
    from structlog.contextvars import get_contextvars

    return {word: value for word, value in get_contextvars().items() if word in WORDS}


def task_field(name: str) -> str | None:
    """Give what Airflow has named of the task, such as its ``dag_id``; ``None`` outside of one."""
    from structlog.contextvars import get_contextvars

    value = get_contextvars().get(name)
    return None if value is None else str(value)


def _said(words: Mapping[str, Any]) -> dict[str, Any]:
    return {word: _short(value) for word, value in words.items() if value not in (None, "")}


def _short(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= _LONGEST:
        return value
    return value[: _LONGEST - 1] + "…"
