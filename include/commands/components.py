"""What there is to run: the local cloud, and the components of Airflow."""

from __future__ import annotations

from collections.abc import Mapping

from include.commands.plan import Component
from include.commands.settings import Layout, Ports, local_cloud_environment

#: A task that is about to report needs the API server and the local cloud, and these need nobody.
LAST = 1

#: Airflow's long-running components, by the names that its health endpoint gives them.
HEALTH_NAMES = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def local_cloud(environment: Mapping[str, str], *, layout: Layout, ports: Ports) -> Component:
    return Component(
        name="local-cloud",
        module="include.local_cloud",
        environment=local_cloud_environment(environment, layout=layout, ports=ports),
        log=str(layout.log("local-cloud")),
        stop_order=LAST,
    )


def airflow(*, layout: Layout) -> list[Component]:
    """
    The four components, and the step before them that brings the database up to date.

    The servers through which workers and triggerer would hand out their logs are left out:
    here the API server reads the same files.
    """

    def component(name: str, *arguments: str, preload: tuple[str, ...] = (), once: bool = False) -> Component:
        return Component(
            name=name,
            airflow=arguments,
            log=str(layout.log(name)),
            once=once,
            after="" if once else "database",
            preload=preload,
            stop_order=LAST if name == "api-server" else 0,
        )

    return [
        component("database", "prepare", once=True),
        component(
            "api-server",
            "api-server",
            preload=(
                "airflow.api_fastapi.core_api.routes.public",
                "airflow.api_fastapi.execution_api.routes",
                "uvicorn",
            ),
        ),
        component("scheduler", "scheduler", "--skip-serve-logs", preload=("airflow.jobs.scheduler_job_runner",)),
        component("dag-processor", "dag-processor", preload=("airflow.dag_processing.manager",)),
        component("triggerer", "triggerer", "--skip-serve-logs", preload=("airflow.jobs.triggerer_job_runner",)),
    ]
