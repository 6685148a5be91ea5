"""Where a limit is counted: on this machine, or in the Redis that several machines were given."""

from __future__ import annotations

from functools import cached_property

from narration.hooks.limits_server import LimitServer, RedisAwayError, limit_server
from narration.hooks.machine import shared_folder
from narration.hooks.places import Place, Places, Rate
from narration.hooks.places_file import FilePlaces
from narration.hooks.places_redis import RedisPlaces
from narration.synthesis.keys import digest


class SharedPlaces(Places):
    """
    The places of one kind of call of one account.

    With the setting ``[narration] limits`` (``AIRFLOW__NARRATION__LIMITS``) they are counted in the Redis that it
    names, for every process that has the same setting. Without it, and while that Redis does not answer, they are
    counted in a file in the temporary folder, for the processes of one machine. The service's own throttling, which
    every caller honours too, is what holds between machines then.

    :param account: who is limited.
    :param call: the kind of call.
    """

    def __init__(self, *, account: str, call: str) -> None:
        # Not the rate: processes with an older quota must go on sharing with those that have the new one.
        self.name = digest({"account": account, "call": call})[:16]
        self._in_redis: RedisPlaces | None = None

    def take(self, rate: Rate, *, at_once: bool) -> Place | float:
        server = limit_server()
        if server is not None:
            try:
                return self.in_redis(server).take(rate, at_once=at_once)
            except RedisAwayError:
                # Logged already. Paid work goes on.
                return self.on_this_machine.take(rate, at_once=at_once)
        return self.on_this_machine.take(rate, at_once=at_once)

    @cached_property
    def on_this_machine(self) -> FilePlaces:
        """The count of this machine. Only made if it is needed: a container may have no folder to write to."""
        return FilePlaces(shared_folder() / f"limit-{self.name}.sqlite")

    def in_redis(self, server: LimitServer) -> RedisPlaces:
        """The count in Redis."""
        if self._in_redis is None:
            self._in_redis = RedisPlaces(server=server, name=self.name)
        return self._in_redis
