"""
The pages of paragraphs: of one task instance, and of a whole run.

They are read-only, and each asks Airflow whether the reader may read the Dag's task instances: an application that a
plugin mounts is otherwise open to everybody who reaches the API server.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException as AnyHTTPException

from narration.ui.orders import read_order
from narration.ui.pages import Page, message_page, run_page, task_page
from narration.ui.runs import TaskFacts, run_exists, tasks_of


def make_app() -> FastAPI:
    """Make the application, for Airflow to mount at :data:`narration.links.paragraphs.URL_PREFIX`."""
    # Routes are plain functions: Airflow's database and the store are read in threads, beside the event loop.
    app = FastAPI(title="Narration", docs_url=None, redoc_url=None, openapi_url=None)
    may_read = [Depends(_requires_access())]
    app.add_api_route(
        "/dags/{dag_id}/runs/{run_id}", _run, methods=["GET"], dependencies=may_read, response_class=HTMLResponse
    )
    app.add_api_route(
        "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}",
        _task,
        methods=["GET"],
        dependencies=may_read,
        response_class=HTMLResponse,
    )
    app.add_exception_handler(AnyHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    return app


def _requires_access() -> Any:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag

    return requires_access_dag(method="GET", access_entity=DagAccessEntity.TASK_INSTANCE)


def _index(value: Any) -> Any:
    """Read an index; where a task has none, Airflow leaves the placeholder of the tab's address as it is."""
    return -1 if value == "{MAP_INDEX}" else value


def _run(request: Request, dag_id: str, run_id: str) -> HTMLResponse:
    page = Page(root=_root(request), dag_id=dag_id, run_id=run_id, is_tab=_is_tab(request))
    return _answer(run_page(page, tasks=_tasks(dag_id=dag_id, run_id=run_id)))


def _task(
    request: Request,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: Annotated[int, BeforeValidator(_index), Query(ge=-1)] = -1,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    found = _tasks(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
    if not found:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"The run has no task {task_id} with the index {map_index}.")
    (facts,) = found
    about = Page(root=_root(request), dag_id=dag_id, run_id=run_id, is_tab=_is_tab(request))
    orders = [read_order(place, failed=facts.failed) for place in facts.orders] if facts.sees_orders_through else []
    return _answer(task_page(about, facts=facts, orders=orders, number=page))


def _tasks(*, dag_id: str, run_id: str, **which: Any) -> Sequence[TaskFacts]:
    from airflow.utils.session import create_session

    with create_session() as session:
        if not run_exists(session, dag_id=dag_id, run_id=run_id):
            raise HTTPException(HTTPStatus.NOT_FOUND, f"The Dag {dag_id} has no run {run_id} (any more).")
        return tasks_of(session, dag_id=dag_id, run_id=run_id, **which)


def _root(request: Request) -> str:
    """Give the path under which this application lies, that of Airflow included."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _is_tab(request: Request) -> bool:
    """Tell whether the page is shown within Airflow's, whose sandbox lets no link lead anywhere."""
    return request.headers.get("sec-fetch-dest") == "iframe"


def _answer(html: str, *, status: int = HTTPStatus.OK) -> HTMLResponse:
    return HTMLResponse(
        html,
        status_code=int(status),
        headers={
            # What is shown comes from documents of whomever: nothing of it may run, load or send anything.
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'self'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )


def _refused(request: Request, error: Exception) -> HTMLResponse:
    status = getattr(error, "status_code", HTTPStatus.INTERNAL_SERVER_ERROR)
    said = {
        HTTPStatus.UNAUTHORIZED: "Sign in to Airflow first, then open this page again.",
        HTTPStatus.FORBIDDEN: "You may not see this Dag. Ask whoever runs this Airflow for the right to read it.",
    }.get(status, str(getattr(error, "detail", "")))
    title = HTTPStatus(status).phrase
    return _answer(message_page(root=_root(request), title=title, message=said), status=status)


def _not_understood(request: Request, error: Exception) -> HTMLResponse:
    message = "The address of this page is not complete. Open it from the task in Airflow, by the link Paragraphs."
    page = message_page(root=_root(request), title="Which task?", message=message)
    return _answer(page, status=HTTPStatus.UNPROCESSABLE_ENTITY)
