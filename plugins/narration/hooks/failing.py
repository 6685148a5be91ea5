"""Failing a task without spending retries that cannot help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from narration.errors import PermanentNarrationError


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Turn what another attempt cannot put right into the exception that spends no retries on it."""
    try:
        yield
    except PermanentNarrationError as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
