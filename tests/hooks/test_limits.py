from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from narration.hooks.limits import shared_limiter


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    shared_limiter.cache_clear()
    yield
    shared_limiter.cache_clear()


def limiter(**change):
    return shared_limiter(**{"account": "polly:a:", "call": "read", "per_second": 10, **change})


def test_all_threads_and_processes_of_a_machine_share_one_account_s_calls():
    def calls(count: int) -> None:
        for _ in range(count):
            limiter().try_acquire("read")

    begun = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(calls, (5, 5)))
        # As another process would, which has only the file in common.
        shared_limiter.cache_clear()
        list(pool.map(calls, (1, 1)))

    assert time.monotonic() - begun > 0.9


def test_other_accounts_and_other_calls_have_limits_of_their_own():
    for _ in range(10):
        limiter().try_acquire("read")
    begun = time.monotonic()

    limiter(account="polly:b:").try_acquire("read")
    limiter(call="start:neural").try_acquire("start:neural")

    assert time.monotonic() - begun < 0.9


def test_a_user_without_a_name_can_be_limited_too(monkeypatch):
    # Containers often run as a number that no user has.
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: (_ for _ in ()).throw(KeyError(number)))

    limiter().try_acquire("read")
