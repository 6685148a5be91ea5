"""The four arguments by which every block says which AWS account it talks to, and how."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from narration.hooks.failing import failing_at_once

if TYPE_CHECKING:
    from narration.hooks.polly import PollyHook

__all__ = ["AwsConnectionMixin", "failing_at_once"]


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
