from __future__ import annotations

import json
import logging
import re
import socket
import sys
import threading
import time
import traceback

import pytest

from narration.hooks import limits_server
from narration.hooks.limits import shared_limiter
from narration.hooks.limits_server import SETTING, LimitServer, LimitSettingError, limit_server
from narration.hooks.windows import shared_window
from tests.redis_server import ENCODED, PASSWORD

pytestmark = pytest.mark.usefixtures("own_limits", "_nothing_masked")


@pytest.fixture
def setting(monkeypatch):
    def write(value: str) -> None:
        monkeypatch.setenv(SETTING, value)
        limit_server.cache_clear()

    return write


@pytest.fixture
def _nothing_masked(monkeypatch):
    """What one test has had masked must not hide it from another one."""
    from airflow.sdk._shared.secrets_masker import _secrets_masker

    monkeypatch.setattr(_secrets_masker(), "patterns", set())
    monkeypatch.setattr(_secrets_masker(), "replacer", None)


@pytest.fixture
def masked():
    """What Airflow's logs make of a text."""
    from airflow.sdk._shared.secrets_masker import redact

    return redact


@pytest.fixture
def _time_flies(monkeypatch):
    monkeypatch.setattr(limits_server, "_ASK_AGAIN", 0.2)


def take(times: int = 1) -> None:
    for _ in range(times):
        shared_limiter(account="polly:a:", call="read", per_second=3).take()


def shared_files(folder) -> list[str]:
    return [path.name for path in folder.rglob("*.sqlite")]


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class TestWhereItIsCounted:
    def test_on_this_machine_without_the_setting(self, own_limits):
        take()

        assert limit_server() is None
        assert len(shared_files(own_limits)) == 1

    def test_in_redis_with_it_and_nowhere_on_the_disk(self, setting, redis, own_limits):
        setting(redis.url)

        take()
        with shared_window(account="azure", call="long-audio", requests=5, seconds=1).turn():
            pass

        with redis.client() as client:
            assert len({key.split(b":")[2] for key in client.scan_iter("narration:limit:*")}) == 2
        assert not list(own_limits.iterdir())

    def test_two_machines_share_it(self, setting, redis, tmp_path_factory, monkeypatch):
        setting(redis.url)
        take(2)
        # Another machine has another temporary folder, and a client of its own.
        monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path_factory.mktemp("another")))
        shared_limiter.cache_clear()
        limit_server.cache_clear()

        begun = time.monotonic()
        take(2)

        assert time.monotonic() - begun > 0.9

    @pytest.mark.parametrize("form", ["uri", "json"])
    def test_a_connection_says_it_too(self, setting, redis, monkeypatch, form):
        described = {"conn_type": "redis", "host": "127.0.0.1", "port": redis.port, "password": PASSWORD}
        monkeypatch.setenv(
            "AIRFLOW_CONN_OUR_LIMITS",
            redis.url if form == "uri" else json.dumps({**described, "extra": {"db": 1}}),
        )
        setting("our_limits")

        take()

        server = limit_server()
        assert server
        assert server.where == f"127.0.0.1:{redis.port}/1"
        with redis.client() as client:
            assert client.dbsize() == 1

    def test_with_tls_if_the_address_or_the_connection_says_so(self, setting, monkeypatch):
        from redis import SSLConnection

        monkeypatch.setenv("AIRFLOW_CONN_A", "rediss://host:6390")
        monkeypatch.setenv("AIRFLOW_CONN_B", '{"conn_type": "redis", "host": "host", "extra": {"ssl": true}}')
        for value in ("rediss://user:secret@host:6380/2?ssl_cert_reqs=none", "a", "b"):
            setting(value)
            server = limit_server()
            assert server
            assert server.client.connection_pool.connection_class is SSLConnection

    def test_the_setting_is_read_once_and_not_for_each_call(self, setting, redis, monkeypatch):
        from airflow.sdk import conf

        setting(redis.url)
        take()
        monkeypatch.setattr(conf, "get", None)

        take()


class TestASettingThatIsWrong:
    @pytest.mark.parametrize(
        "value",
        [
            "http://host:6379",
            "redis://",
            "redis://:6379",
            "redis://host:port/1",
            "redis://host/limits",
            "redis://host:6379/1?ssl_cert_requirements=none",
            f"redis://:{PASSWORD}@host:6379/1",
            "redis://:secret-part#and-more@host:6379",
            "redis://:[secret-part@host:6379",
            f"redis://host:6379/limits?password={ENCODED}",
            f":{PASSWORD}@host:6379",
            "host:6379",
        ],
    )
    def test_is_named_with_the_right_form_and_without_a_secret(self, setting, masked, value):
        setting(value)

        with pytest.raises(LimitSettingError) as caught:
            take()

        told = "".join(traceback.format_exception(caught.value))
        assert re.search(rf"{SETTING} is not an address.*redis://.*connection of type redis.*%2F", str(caught.value))
        assert "During handling" not in told
        for secret in (PASSWORD, ENCODED, "word-that-no-log", "secret-part", "and-more"):
            assert secret not in told
        if "@" in value or "password" in value:
            assert value not in masked(f"It says {value}.")

    def test_a_connection_that_is_missing_is_named(self, setting):
        setting("no_such_limits")

        with pytest.raises(
            LimitSettingError, match=f"{SETTING} names .*'no_such_limits', and there is none.*Create it"
        ):
            take()

    @pytest.mark.parametrize(
        "described",
        [
            {"conn_type": "aws", "host": "h"},
            {"conn_type": "redis"},
            {"conn_type": "redis", "host": "h", "extra": {"db": "limits"}},
        ],
    )
    def test_a_connection_that_leads_elsewhere_is_named(self, setting, monkeypatch, described):
        monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps({**described, "password": PASSWORD}))
        setting("wrong")

        with pytest.raises(LimitSettingError, match=r"'wrong', which leads to no Redis.*type redis, a host") as caught:
            take()
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))

    def test_a_missing_package_is_named_with_the_way_to_install_it(self, setting, monkeypatch):
        setting("redis://host")
        monkeypatch.setitem(sys.modules, "redis", None)

        with pytest.raises(LimitSettingError, match=r"pip install 'redis>=5'.*leave the setting empty"):
            take()

    def test_the_package_is_not_needed_without_the_setting(self, monkeypatch):
        for name in [name for name in sys.modules if name.split(".")[0] == "redis"]:
            monkeypatch.setitem(sys.modules, name, None)

        take()


class TestAPassword:
    @pytest.mark.parametrize("way", ["address", "parameter", "connection"])
    def test_is_masked_in_logs_however_it_is_written(self, setting, monkeypatch, masked, redis, way):
        secret, written = "h%40%2Fsecret", "h@/secret"
        monkeypatch.setenv("AIRFLOW_CONN_HIDDEN", f"redis://:{secret}@localhost:{redis.port}")
        values = {
            "address": f"redis://user:{secret}@localhost:{redis.port}",
            "parameter": f"redis://localhost:{redis.port}?password={secret}",
            "connection": "hidden",
        }
        setting(values[way])
        limit_server()

        assert written not in masked(f"The password is {written}.")
        if way != "connection":
            assert secret not in masked(f"The password is {secret}, of {values[way]}.")

    def test_that_is_wrong_is_in_no_log_and_stops_no_work(self, setting, redis, caplog):
        setting(redis.url.replace(ENCODED, "wrong-secret"))
        caplog.set_level(logging.DEBUG)

        take()

        assert "AuthenticationError" in caplog.text
        assert "wrong-secret" not in caplog.text

    def test_is_in_no_log_when_all_is_well(self, setting, redis, caplog):
        caplog.set_level(logging.DEBUG)
        setting(redis.url)
        take()

        assert not any(secret in caplog.text + repr(limit_server()) for secret in (PASSWORD, ENCODED))


class TestARedisThatDoesNotAnswer:
    def test_is_said_once_with_the_remedy_and_the_machine_s_own_limit_holds(self, setting, caplog):
        port = unused_port()
        setting(f"redis://127.0.0.1:{port}/1")
        begun = time.monotonic()

        take(4)
        with shared_window(account="azure", call="long-audio", requests=5, seconds=1).turn():
            pass

        assert time.monotonic() - begun > 0.9
        (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert f"Redis at 127.0.0.1:{port}/1 (ConnectionError" in warning
        assert f"{SETTING} is right" in warning
        assert "each machine counts for itself" in warning

    @pytest.mark.usefixtures("_time_flies")
    def test_is_used_again_when_it_answers_again(self, setting, redis, caplog):
        caplog.set_level(logging.INFO, logger=limits_server.__name__)
        setting(redis.url)
        take()
        redis.kill()
        take()
        redis.start()
        time.sleep(0.25)

        take()

        with redis.client() as client:
            assert client.dbsize() == 1
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert "answers again" in caplog.records[-1].getMessage()

    def test_is_left_alone_for_a_while(self, setting, redis):
        setting(redis.url)
        take()
        redis.kill()
        take()
        redis.start()

        take()

        with redis.client() as client:
            assert client.dbsize() == 0

    def test_holds_up_one_caller_for_a_moment_and_not_all_again_and_again(self, setting, monkeypatch):
        monkeypatch.setattr(limits_server, "_TIMEOUT", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            setting(f"redis://127.0.0.1:{silent.getsockname()[1]}")
            take()
            begun = time.monotonic()
            take(2)

        assert time.monotonic() - begun < 0.3

    def test_is_asked_again_by_one_caller_while_the_others_go_on(self, caplog):
        inside, go_on = threading.Event(), threading.Event()
        server = LimitServer(client=None, where="here")  # type: ignore[arg-type]
        with pytest.raises(limits_server.RedisAwayError):
            server.ask(_fail)
        server._ask_again = 0

        def slow() -> str:
            inside.set()
            go_on.wait(10)
            return "an answer"

        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(server.ask(slow)))
        asking.start()
        assert inside.wait(10)
        with pytest.raises(limits_server.RedisAwayError):
            server.ask(lambda: "not asked")
        go_on.set()
        asking.join()

        assert answers == ["an answer"]
        assert server.ask(lambda: "asked") == "asked"

    def test_because_its_name_can_be_none_is_no_reason_to_stop_either(self, setting, caplog):
        setting("redis://" + "a" * 70 + ".example")

        take()

        assert "cannot be counted in Redis" in caplog.text

    def test_but_refuses_is_bypassed_too(self, setting, redis, caplog):
        with redis.client() as client:
            client.acl_setuser("reader", enabled=True, passwords=["+secret-of-reader"], commands=["+get"], keys=["*"])
        setting(f"redis://reader:secret-of-reader@127.0.0.1:{redis.port}/1")

        take()

        assert "NoPermissionError" in caplog.text


def _fail() -> None:
    raise ConnectionRefusedError
