"""Many who wake at once call one after the other."""

from __future__ import annotations

import asyncio
import time

import pytest

from narration.triggers.turns import Turns


async def test_the_first_turn_comes_at_once():
    begun = time.monotonic()
    await Turns.take("first", per_second=0.001)

    assert time.monotonic() - begun < 0.5


async def test_turns_are_spaced_evenly():
    begun = time.monotonic()
    await asyncio.gather(*(Turns.take("even", per_second=100) for _ in range(21)))

    assert time.monotonic() - begun >= 0.19


async def test_accounts_do_not_wait_for_each_other():
    await Turns.take("one", per_second=0.001)
    async with asyncio.timeout(0.5):
        await Turns.take("another", per_second=0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await Turns.take("one", per_second=0.001)


async def test_a_pause_saves_up_no_turns():
    await Turns.take("pause", per_second=50)
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    await asyncio.gather(*(Turns.take("pause", per_second=50) for _ in range(3)))

    assert time.monotonic() - begun >= 0.035
