"""Failing as a sensor was asked to, also outside of its poke."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException


@contextmanager
def failing_as_asked(sensor: BaseSensorOperator) -> Iterator[None]:
    """Honour soft_fail and never_fail as the base class does around poke, for what happens outside it."""
    try:
        yield
    except (AirflowFailException, AirflowSensorTimeout) as error:
        if sensor.soft_fail or sensor.never_fail:
            raise AirflowSkipException(f"Skipped instead of failed: {error}") from error
        raise
    except AirflowSkipException:
        raise
    except Exception as error:
        if sensor.never_fail:
            raise AirflowSkipException(f"Skipped instead of failed: {error}") from error
        raise
