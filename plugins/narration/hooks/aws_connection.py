"""The four arguments by which every block says which AWS account it talks to, and how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from narration.errors import PermanentNarrationError

if TYPE_CHECKING:
    from narration.hooks.polly import PollyHook


class AwsConnectionMixin:
    """
    Give an operator or a sensor its Polly hook and hand its connection arguments to a trigger, all of them.

    It takes the place of ``AwsBaseOperator`` and ``AwsBaseSensor`` from the Amazon provider, which cost about a
    second to import wherever a Dag file is parsed; here the hook is imported when a task runs.

    The class that mixes this in sets the attributes in its own ``__init__``, under these names.
    """

    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: dict[str, Any] | None

    @cached_property
    def hook(self) -> PollyHook:
        """The hook of this account, created when it is first needed."""
        from narration.hooks.polly import PollyHook

        return PollyHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=self.botocore_config,
        )

    @property
    def connection_arguments(self) -> dict[str, Any]:
        """What a trigger must be given so that it waits at the same account, Region and endpoint."""
        return {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Turn what another attempt cannot put right into the exception that spends no retries on it."""
    try:
        yield
    except PermanentNarrationError as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
