"""A small client for the two HTTP services that the commands talk to, both on this machine."""

from __future__ import annotations

import http.client
import json
import secrets
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

_PAGE = 1000
# No answer, an error inside of the server (such as a database that was locked for too long), or not up.
_BUSY = (0, 500, 503)
_PAUSE = 1.0
_LONGEST_EXPLANATION = 300


class RestError(Exception):
    """
    An answer other than success, or none.

    :param status: the HTTP status; 0 when there was no answer.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """
    JSON over HTTP.

    :param url: of the server.
    :param timeout: for each request (seconds): Airflow on two busy cores takes a while.
    """

    def __init__(self, *, url: str, timeout: float = 30.0) -> None:
        self._url = url
        self._timeout = timeout
        self._token = ""
        # Without the proxies of the environment: this is loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request(
        self, method: str, path: str, *, body: Any = None, query: dict[str, Any] | None = None, accept: str = ""
    ) -> Any:
        """
        :raises RestError: for anything but a 2xx answer; its text is the first line of the
            server's own explanation, at most 300 characters.
        """
        url = self._url + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        request.add_header("Accept", accept or "application/json")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise RestError(_explanation(error), status=error.code) from error
        except (OSError, http.client.HTTPException) as error:
            raise RestError(f"no answer from {self._url}: {error}", status=0) from error
        return json.loads(content) if content else None


class Airflow(Rest):
    """The part of Airflow's REST API (``/api/v2``) that the commands and the tests use."""

    def log_in(self) -> None:
        """Get a token. Everybody who reaches this server over loopback is its administrator."""
        self._token = self.request("GET", "/auth/token")["access_token"]

    def log_in_as(self, name: str, password: str) -> None:
        """Get a token from a server that knows its users."""
        body = {"username": name, "password": password}
        self._token = self.request("POST", "/auth/token", body=body)["access_token"]

    def health(self) -> dict[str, Any]:
        return self.request("GET", "/api/v2/monitor/health")

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """A Dag with its parameters; None as long as it has not been parsed."""
        try:
            return self.request("GET", f"/api/v2/dags/{quote(dag_id)}/details")
        except RestError as error:
            if error.status == 404:
                return None
            raise

    def import_errors(self) -> list[dict[str, Any]]:
        return self.request("GET", "/api/v2/importErrors", query={"limit": 100})["import_errors"]

    def unpause(self, dag_id: str) -> None:
        self.request("PATCH", f"/api/v2/dags/{quote(dag_id)}", body={"is_paused": False})

    def trigger(
        self, dag_id: str, conf: dict[str, Any], *, logical_date: str | None = None, patience: float = 180.0
    ) -> str:
        """
        Start a run, once, however often that has to be asked of a server that is too busy to answer.

        :param logical_date: the moment that the run is about, if it is about one.
        :param patience: seconds for which no answer is not yet a failure.
        :return: the id of the new run.
        """
        # Chosen here, so that a request that was carried out and not answered is recognised when it is repeated.
        run_id = f"manual__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f%z}_{secrets.token_hex(4)}"
        body = {"conf": conf, "logical_date": logical_date, "dag_run_id": run_id}
        deadline = time.monotonic() + patience
        asked = 0
        while True:
            asked += 1
            try:
                return self.request("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", body=body)["dag_run_id"]
            except RestError as error:
                if error.status == 409 and asked > 1:
                    return run_id
                if error.status not in _BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)

    def runs(self, dag_id: str, *, states: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        query: dict[str, Any] = {"limit": 100, "order_by": "-run_after"}
        if states:
            query["state"] = list(states)
        return self.request("GET", f"/api/v2/dags/{quote(dag_id)}/dagRuns", query=query)["dag_runs"]

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return self.request("GET", _run(dag_id, run_id))

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All of a run, however many pages that takes."""
        found: list[dict[str, Any]] = []
        while True:
            query = {"limit": _PAGE, "offset": len(found)}
            page = self.request("GET", f"{_run(dag_id, run_id)}/taskInstances", query=query)
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        """A value that a task handed on; None when it has not."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}"
        try:
            return self.request("GET", path, query={"map_index": map_index})["value"]
        except RestError as error:
            if error.status == 404:
                return None
            raise

    def task_state(self, dag_id: str, run_id: str, task_id: str, key: str, *, map_index: int = -1) -> Any:
        """A value from a task's state store; None when there is none."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id)}/state-store/{quote(key)}"
        try:
            return self.request("GET", path, query={"map_index": map_index})["value"]
        except RestError as error:
            if error.status == 404:
                return None
            raise

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, *, try_number: int, map_index: int = -1
    ) -> list[dict[str, Any]]:
        """The structured lines of one attempt."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id)}/logs/{try_number}"
        content = self.request("GET", path, query={"map_index": map_index, "full_content": "true"})["content"]
        return [line for line in content if isinstance(line, dict)]

    def clear(self, dag_id: str, run_id: str, *, task_ids: list[Any] | None = None, only_failed: bool = False) -> None:
        """
        Have a run do its tasks again.

        :param task_ids: which: task ids, or ``[task id, map index]`` for one instance of a mapped task; all unless
            given.
        """
        body: dict[str, Any] = {
            "dry_run": False,
            "dag_run_id": run_id,
            "only_failed": only_failed,
            "reset_dag_runs": True,
        }
        if task_ids is not None:
            body["task_ids"] = task_ids
        self.request("POST", f"/api/v2/dags/{quote(dag_id)}/clearTaskInstances", body=body)


def _run(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _explanation(error: urllib.error.HTTPError) -> str:
    text = error.read().decode("utf-8", errors="replace")
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}: {_first_line(text)}"
    return _first_line(detail if isinstance(detail, str) else json.dumps(detail))


def _first_line(text: str) -> str:
    """What of an explanation is worth showing: Airflow adds the whole schema of a parameter to what is wrong."""
    line = text.strip().partition("\n")[0].rstrip()
    return line if len(line) <= _LONGEST_EXPLANATION else f"{line[: _LONGEST_EXPLANATION - 1]}…"
