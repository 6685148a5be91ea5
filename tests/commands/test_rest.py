"""Talking to Airflow's REST API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest
from airflow.exceptions import ParamValidationError
from airflow.serialization.definitions.param import SerializedParam, SerializedParamsDict

from include.commands.rest import Airflow, RestError


class Server(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, tuple[int, Any] | list[tuple[int, Any]]]] = {}
    seen: ClassVar[list[tuple[str, Any]]] = []

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.seen.append((f"{self.command} {self.path}", body))
        answers = self.answers.get(self.path.partition("?")[0], (404, {"detail": "nothing here"}))
        status, answer = answers.pop(0) if isinstance(answers, list) else answers
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = _answer

    def log_message(self, *_: Any) -> None:
        """Silence."""


@pytest.fixture
def api() -> Iterator[Airflow]:
    Server.answers, Server.seen = {}, []
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Airflow(url=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def refusal_of_airflow(voice: str, *, enum: list[str]) -> str:
    """The detail of Airflow's 400 answer: the text of this exception."""
    labels = {name: f"{name} (en)" for name in enum}
    voices = SerializedParam(default=enum[0], type="string", enum=enum, values_display=labels)
    with pytest.raises(ParamValidationError) as caught:
        SerializedParamsDict({"voice": voices}).deep_merge({"voice": voice}).validate()
    return str(caught.value)


def test_a_refusal_carries_the_explanation_of_the_server(api: Airflow) -> None:
    detail = refusal_of_airflow("Nobody", enum=["Amy", "Joanna"])
    assert "Failed validating 'enum' in schema" in detail
    Server.answers["/api/v2/dags/narrate_polly/dagRuns"] = (400, {"detail": detail})
    with pytest.raises(RestError) as caught:
        api.trigger("narrate_polly", {"voice": "Nobody"})
    assert caught.value.status == 400
    assert str(caught.value) == "Invalid input for param voice: 'Nobody' is not one of ['Amy', 'Joanna']"


def test_a_refusal_that_is_long_is_cut(api: Airflow) -> None:
    detail = refusal_of_airflow("Nobody", enum=[f"Voice{number}" for number in range(100)])
    Server.answers["/api/v2/dags/narrate_polly/dagRuns"] = (400, {"detail": detail})
    with pytest.raises(RestError, match=r"^Invalid input for param voice: 'Nobody' is not one of .*…$") as caught:
        api.trigger("narrate_polly", {"voice": "Nobody"})
    assert len(str(caught.value)) == 300


def test_a_refusal_that_is_no_text_is_shown_and_cut_too(api: Airflow) -> None:
    detail = [
        {"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required", "input": {"conf": "x" * 999}}
    ]
    Server.answers["/api/v2/dags/narrate_polly/dagRuns"] = (422, {"detail": detail})
    with pytest.raises(RestError, match=r"logical_date.*Field required") as caught:
        api.trigger("narrate_polly", {})
    assert len(str(caught.value)) <= 300


def test_a_refusal_in_another_form_is_shown_as_it_is(api: Airflow) -> None:
    Server.answers["/api/v2/monitor/health"] = (502, b"<html>Bad gateway</html>")
    with pytest.raises(RestError, match="HTTP 502: <html>Bad gateway"):
        api.health()


def test_no_answer_has_the_status_zero() -> None:
    with pytest.raises(RestError) as caught:
        Airflow(url="http://127.0.0.1:1").health()
    assert caught.value.status == 0


def test_what_does_not_exist_yet_is_none(api: Airflow) -> None:
    assert api.dag("narrate_polly") is None
    assert api.xcom("d", "r", "plan", "summary") is None
    assert api.task_state("d", "r", "synthesize", "progress", map_index=0) is None


def test_run_ids_are_escaped(api: Airflow) -> None:
    Server.answers["/api/v2/dags/d/dagRuns/manual__2026-01-01T00%3A00%3A00%2B00%3A00"] = (200, {"state": "running"})
    assert api.run("d", "manual__2026-01-01T00:00:00+00:00") == {"state": "running"}


def test_all_pages_of_task_instances_are_read(api: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/api/v2/dags/d/dagRuns/r/taskInstances"
    Server.answers[path] = (200, {"task_instances": [{"task_id": "a"}, {"task_id": "b"}], "total_entries": 4})
    assert len(api.task_instances("d", "r")) == 4
    assert [seen.partition("offset=")[2] for seen, _ in Server.seen] == ["0", "2"]


class TestStartingARun:
    PATH = "/api/v2/dags/narrate_polly/dagRuns"

    @pytest.fixture(autouse=True)
    def _no_real_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("include.commands.rest._PAUSE", 0.0)

    def test_a_busy_server_is_asked_again_for_the_same_run(self, api: Airflow) -> None:
        busy = (500, {"detail": "database is locked"})
        Server.answers[self.PATH] = [busy, (503, {}), (200, {"dag_run_id": "the one"})]

        assert api.trigger("narrate_polly", {}) == "the one"

        assert len({body["dag_run_id"] for _, body in Server.seen}) == 1

    def test_a_run_that_was_started_without_an_answer_is_recognised(self, api: Airflow) -> None:
        Server.answers[self.PATH] = [(500, {}), (409, {"detail": "exists"})]

        assert api.trigger("narrate_polly", {}) == Server.seen[0][1]["dag_run_id"]

    def test_a_refusal_is_not_asked_again(self, api: Airflow) -> None:
        Server.answers[self.PATH] = [(400, {"detail": "no such voice"})]

        with pytest.raises(RestError, match="no such voice"):
            api.trigger("narrate_polly", {})

    def test_a_server_that_stays_busy_is_given_up(self, api: Airflow) -> None:
        Server.answers[self.PATH] = (503, {"detail": "starting"})

        with pytest.raises(RestError, match="starting"):
            api.trigger("narrate_polly", {}, patience=0.05)
