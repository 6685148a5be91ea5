"""Places counted for several machines, in a Redis that all of them reach."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from narration.hooks.limits_server import LimitServer, RedisAwayError
from narration.hooks.places import Place, Places, Rate, pause

#: How long a request may hold its place without an answer; the holder may have been killed (seconds).
_LONGEST_HOLD = 120.0
#: How many answers are remembered that Redis could not be told.
_UNTOLD = 1000
_MICROSECONDS = 1_000_000

# Both sets hold names of places with moments of Redis's own clock in microseconds: when one was taken that has no
# answer yet, and when the request of one arrived. A script is carried out as a whole, so nobody holds a lock.
_TAKE = """
local taken, arrived, place = KEYS[1], KEYS[2], ARGV[1]
local requests, window, hold, at_once = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function exact(number) return string.format('%.0f', number) end

-- The clock was set back, or another server has taken over: nothing can have come later than now.
for _, set in ipairs(KEYS) do
    for _, other in ipairs(redis.call('ZRANGEBYSCORE', set, '(' .. exact(now), '+inf')) do
        redis.call('ZADD', set, exact(now), other)
    end
end
redis.call('ZREMRANGEBYSCORE', arrived, '-inf', exact(now - window))
redis.call('ZREMRANGEBYSCORE', taken, '-inf', exact(now - window - hold))

local held = redis.call('ZCARD', taken)
-- Somebody who asks again because no answer came has it already.
if redis.call('ZSCORE', taken, place) or redis.call('ZSCORE', arrived, place) then return {0, held} end

local leaving = held + redis.call('ZCARD', arrived) - requests + 1
if leaving <= 0 then
    redis.call('ZADD', at_once and arrived or taken, exact(now), place)
    redis.call('PEXPIRE', arrived, exact(window / 1000 + 1000))
    redis.call('PEXPIRE', taken, exact((window + hold) / 1000 + 1000))
    return {0, held}
end
-- So many must leave before there is room; with fewer places than before (a lower quota) more than one.
local moments = {}
for _, set in ipairs(KEYS) do
    local found = redis.call('ZRANGE', set, 0, leaving - 1, 'WITHSCORES')
    for i = 2, #found, 2 do moments[#moments + 1] = tonumber(found[i]) end
end
table.sort(moments)
return {math.max(moments[leaving] + window - now, 1), held}
"""

_ANSWERED = """
local taken, arrived, place = KEYS[1], KEYS[2], ARGV[1]
local ago, window = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
redis.call('ZREM', taken, place)
-- Also if Redis has forgotten it since: the request was sent, and counts.
redis.call('ZADD', arrived, string.format('%.0f', time[1] * 1000000 + time[2] - ago), place)
redis.call('PEXPIRE', arrived, string.format('%.0f', window / 1000 + 1000))
"""


class RedisPlaces(Places):
    """
    Count in Redis (5 or later, not in its cluster mode), by Redis's own clock: those of the machines do not matter.

    What is kept there expires by itself. If Redis forgets everything, the count begins anew, and the service may see
    as many requests too many as one window has.

    :param server: the Redis.
    :param name: of the count.
    """

    def __init__(self, *, server: LimitServer, name: str) -> None:
        self._server = server
        self.keys = (f"narration:limit:{name}:taken", f"narration:limit:{name}:arrived")
        self._take = server.client.register_script(_TAKE)
        self._answered = server.client.register_script(_ANSWERED)
        self._untold: deque[tuple[str, float, float]] = deque(maxlen=_UNTOLD)

    def take(self, rate: Rate, *, at_once: bool) -> Place | float:
        """
        See :meth:`~narration.hooks.places.Places.take`.

        :raises RedisAwayError: there is no counting.
        """
        place, window = uuid4().hex, rate.seconds + rate.margin
        arguments = (place, rate.requests, _micro(window), _micro(_LONGEST_HOLD), int(at_once))
        wait, held = self._server.ask(partial(self._take, keys=self.keys, args=arguments))
        self._tell()
        if wait:
            return pause(wait / _MICROSECONDS, unanswered=held > 0)
        return _RedisPlace(places=self, name=place, window=window)

    def answered(self, place: str, *, window: float, ago: float) -> None:
        """See :meth:`Place.answered`."""
        self._untold.append((place, window, time.monotonic() - ago))
        self._tell()

    def give_back(self, place: str) -> None:
        """See :meth:`Place.give_back`."""
        try:
            for key in self.keys:
                self._server.ask(partial(self._server.client.zrem, key, place))
        except RedisAwayError:
            # Logged already; Redis gives the place up for dead.
            return

    def _tell(self) -> None:
        """Tell Redis of all answers, also of those that came while it was away: their places would be held too long."""
        while self._untold:
            try:
                untold = self._untold.popleft()
            except IndexError:
                # Another thread was quicker.
                return
            place, window, arrived = untold
            arguments = (place, _micro(time.monotonic() - arrived), _micro(window))
            try:
                self._server.ask(partial(self._answered, keys=self.keys, args=arguments))
            except RedisAwayError:
                # Logged already.
                self._untold.append(untold)
                return


@dataclass(frozen=True, kw_only=True)
class _RedisPlace(Place):
    places: RedisPlaces
    name: str
    window: float

    def answered(self, *, ago: float) -> None:
        self.places.answered(self.name, window=self.window, ago=ago)

    def give_back(self) -> None:
        self.places.give_back(self.name)


def _micro(seconds: float) -> int:
    return round(seconds * _MICROSECONDS)
