"""The files that start a cluster: docker-compose.yaml, the Dockerfile, the Helm values, and what they share."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.commands.cluster import COMPOSE_FILE, PROFILE
from include.commands.compose import Service, chosen, read
from include.commands.environment import SECRETS, filled_in, fresh_secrets
from include.commands.settings import CHECKOUT, read_settings

VALUES = CHECKOUT / "deploy" / "helm" / "values.yaml"
EXAMPLE = (CHECKOUT / ".env.example").read_text()
SHARED = ("settings.env", "cluster.env")

#: Read by the scheduler, and not in Airflow's own list of its settings.
UNLISTED = {("scheduler", "num_stuck_in_queued_retries")}


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE_FILE.read_text())


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    lines = filled_in(EXAMPLE, values=fresh_secrets(), real=False).splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines if line[:1] not in ("", "#"))}


@pytest.fixture(scope="module")
def services(variables: dict[str, str]) -> dict[str, Service]:
    return read(COMPOSE_FILE, variables)


class TestCompose:
    def test_it_is_what_the_compose_specification_calls_a_compose_file(self) -> None:
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        done = subprocess.run([*command, str(COMPOSE_FILE)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_check_against_the_specification_sees_a_mistake(self, tmp_path: Path, raw: dict[str, Any]) -> None:
        wrong = json.loads(json.dumps(raw))
        wrong["services"]["redis"]["health_check"] = wrong["services"]["redis"].pop("healthcheck")
        (tmp_path / "docker-compose.yaml").write_text(yaml.safe_dump(wrong))
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        done = subprocess.run([*command, str(tmp_path / "docker-compose.yaml")], capture_output=True, timeout=60)
        assert done.returncode == 1

    def test_it_has_every_part_of_a_cluster(self, services: dict[str, Service]) -> None:
        assert set(chosen(services, profiles=[])) == {
            "postgres",
            "redis",
            "airflow-init",
            "airflow-apiserver",
            "airflow-scheduler",
            "airflow-dag-processor",
            "airflow-worker",
            "airflow-triggerer",
        }
        assert services["airflow-worker"].replicas == services["airflow-triggerer"].replicas == 2
        assert services["airflow-worker"].environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"

    def test_real_accounts_leave_the_local_cloud_out(self, services: dict[str, Service], raw: dict[str, Any]) -> None:
        extra = set(chosen(services, profiles=[PROFILE])) - set(chosen(services, profiles=[]))
        assert extra == {"local-cloud", "local-cloud-connections"}
        for name in set(services) - extra:
            for needed, how in (raw["services"][name].get("depends_on") or {}).items():
                assert (how.get("required", True) is False) == (needed in extra), f"{name} needs {needed}"

    def test_nothing_runs_as_root_or_can_become_root(self, raw: dict[str, Any]) -> None:
        for name, service in raw["services"].items():
            assert service["user"] not in ("root", "0", "0:0"), name
            assert service["cap_drop"] == ["ALL"], name
            assert "no-new-privileges:true" in service["security_opt"], name

    def test_everything_that_stays_is_checked_limited_and_started_again(
        self, services: dict[str, Service], raw: dict[str, Any]
    ) -> None:
        for name, service in services.items():
            limits = raw["services"][name]["deploy"]["resources"]["limits"]
            assert {"cpus", "memory"} <= set(limits), name
            once = name in ("airflow-init", "local-cloud-connections")
            assert service.restarts != once, name
            assert bool(service.health) != once, name

    def test_only_the_ui_and_the_local_cloud_can_be_reached_and_only_from_this_machine(
        self, raw: dict[str, Any]
    ) -> None:
        published = {name: service["ports"] for name, service in raw["services"].items() if "ports" in service}
        assert set(published) == {"airflow-apiserver", "local-cloud"}
        assert all("127.0.0.1" in port for ports in published.values() for port in ports)

    def test_what_must_be_given_is_asked_for_and_make_env_gives_it(self, raw: dict[str, Any]) -> None:
        text = COMPOSE_FILE.read_text()
        asked = set(re.findall(r"\$\{(\w+):\?", text))
        assert asked == {*SECRETS, "NARRATION_STORAGE"}
        written = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, flags=re.MULTILINE))
        compose_s_own = {name for name in written if name.startswith("COMPOSE_")}
        used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
        assert written - compose_s_own <= used
        not_told = used - written
        assert not_told <= {
            "NARRATION_IMAGE",
            "NARRATION_CLOUD_IMAGE",
            "AIRFLOW_ADMIN_USER",
            "LOCAL_CLOUD_PRESET",
            "LOCAL_CLOUD_SPEECH_PORT",
            "LOCAL_CLOUD_S3_PORT",
        }

    def test_no_secret_stands_in_it(self, services: dict[str, Service], variables: dict[str, str]) -> None:
        text = COMPOSE_FILE.read_text()
        assert not [name for name in SECRETS if variables[name] in text]
        for service in services.values():
            for name, value in service.environment.items():
                if re.search(r"PASSWORD|SECRET|_KEY$", name):
                    assert value in variables.values(), f"{service.name}: {name}"

    def test_workers_are_not_given_what_signs_and_encrypts(
        self, services: dict[str, Service], variables: dict[str, str]
    ) -> None:
        worker = services["airflow-worker"].environment
        for name in ("AIRFLOW_FERNET_KEY", "AIRFLOW_SECRET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_ADMIN_PASSWORD"):
            assert variables[name] not in worker.values(), name

    def test_all_of_airflow_has_the_same_settings(self, services: dict[str, Service]) -> None:
        stay = [service for name, service in services.items() if name.startswith("airflow-") and service.restarts]
        for file in SHARED:
            for name in read_settings(CHECKOUT / "include" / "airflow" / file):
                assert len({service.environment[name] for service in stay}) == 1, name

    def test_every_worker_takes_from_one_place_what_another_has_bought(self, services: dict[str, Service]) -> None:
        worker = services["airflow-worker"]
        assert worker.environment["AIRFLOW__NARRATION__STORAGE"].startswith("s3://")
        assert worker.volumes["/opt/airflow/store"] == "narration-store"
        assert worker.environment["AIRFLOW__NARRATION__LIMITS"].endswith("@redis:6379/1")

    def test_every_named_volume_is_declared(self, services: dict[str, Service], raw: dict[str, Any]) -> None:
        used = {source for service in services.values() for source in service.volumes.values()}
        assert {name for name in used if not name.startswith(("./", "/"))} == set(raw["volumes"])
        for source in used - set(raw["volumes"]):
            assert (CHECKOUT / source).exists(), source


class TestSettings:
    def test_every_setting_of_a_cluster_exists_in_airflow_or_its_celery_provider(self) -> None:
        from airflow.configuration import conf
        from airflow.providers.celery.get_provider_info import get_provider_info

        described = {**get_provider_info()["config"], **conf.configuration_description}
        described["celery"] = get_provider_info()["config"]["celery"]
        known = {(section, option) for section, options in described.items() for option in options["options"]}
        for variable in read_settings(CHECKOUT / "include" / "airflow" / "cluster.env"):
            _, section, option = variable.split("__")
            assert (section.lower(), option.lower()) in known | UNLISTED, variable

    def test_a_setting_that_airflow_does_not_list_is_read_all_the_same(self) -> None:
        from airflow.jobs import scheduler_job_runner

        source = Path(scheduler_job_runner.__file__).read_text()
        for _, option in UNLISTED:
            assert f'key="{option}"' in source

    def test_a_cluster_overrides_nothing_that_all_installations_share(self) -> None:
        shared, cluster = (read_settings(CHECKOUT / "include" / "airflow" / name) for name in SHARED)
        assert not set(shared) & set(cluster)

    def test_as_much_is_under_way_as_the_workers_have_places(self, services: dict[str, Service]) -> None:
        settings = read_settings(CHECKOUT / "include" / "airflow" / "cluster.env")
        places = services["airflow-worker"].replicas * int(settings["AIRFLOW__CELERY__WORKER_CONCURRENCY"])
        assert int(settings["AIRFLOW__CORE__PARALLELISM"]) == places

    def test_celery_takes_over_what_it_is_told(self) -> None:
        settings = read_settings(CHECKOUT / "include" / "airflow" / "cluster.env")
        code = (
            "from airflow.providers.celery.executors.celery_executor import app; import json;"
            "c = app.conf;"
            "print(json.dumps([c.result_backend_always_retry, c.result_backend_max_retries, c.database_engine_options,"
            " c.task_acks_late, c.worker_prefetch_multiplier, c.broker_transport_options]))"
        )
        url = "postgresql+psycopg2://airflow@127.0.0.1:1/airflow"
        own = {"AIRFLOW__CELERY__RESULT_BACKEND": f"db+{url}", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}
        done = subprocess.run(
            [sys.executable, "-c", code], env={**settings, **own}, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert json.loads(done.stdout.splitlines()[-1]) == [
            True,
            30,
            {"pool_pre_ping": True, "pool_recycle": 1800},
            True,
            1,
            {"visibility_timeout": 21600},
        ]


class TestHelm:
    def test_its_pods_have_the_settings_of_the_compose_file(self) -> None:
        values = yaml.safe_load(VALUES.read_text())
        given = {entry["name"]: entry["value"] for entry in values["env"]}
        assert len(given) == len(values["env"]), "a variable is there twice"
        for file in SHARED:
            for name, value in read_settings(CHECKOUT / "include" / "airflow" / file).items():
                assert given[name] == value, name

    def test_it_starts_what_the_compose_file_starts(self, services: dict[str, Service]) -> None:
        values = yaml.safe_load(VALUES.read_text())
        assert values["executor"] == "CeleryExecutor"
        assert values["workers"]["celery"]["replicas"] == services["airflow-worker"].replicas
        assert values["triggerer"]["replicas"] == services["airflow-triggerer"].replicas
        auth = "AIRFLOW__CORE__AUTH_MANAGER"
        given = {entry["name"]: entry["value"] for entry in values["env"]}
        assert given[auth] == services["airflow-apiserver"].environment[auth]

    def test_no_secret_stands_in_it(self) -> None:
        values = yaml.safe_load(VALUES.read_text())
        names = ("metadataSecretName", "resultBackendSecretName", "brokerUrlSecretName")
        assert all(values["data"][name] for name in names)
        assert all(values[name] for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"))
        direct = {"fernetKey", "apiSecretKey", "jwtSecret", "pass", "password", "metadataConnection", "brokerUrl"}
        todo: list[Any] = [values]
        while todo:
            value = todo.pop()
            if isinstance(value, dict):
                assert not direct & set(value)
                todo += value.values()
            elif isinstance(value, list):
                todo += value
            else:
                assert not re.search(r"://[^/@\s]*:[^/@\s]+@", str(value)), "an address with a password"

    def test_it_is_for_the_airflow_of_the_image(self) -> None:
        version = re.search(r"AIRFLOW_VERSION=(\S+)", (CHECKOUT / "Dockerfile").read_text())
        assert version is not None
        assert yaml.safe_load(VALUES.read_text())["airflowVersion"] == version.group(1)


class TestImages:
    @pytest.fixture(scope="class")
    def stages(self) -> dict[str, list[str]]:
        """The instructions of each stage."""
        text = (CHECKOUT / "Dockerfile").read_text()
        text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
        stages: dict[str, list[str]] = {}
        lines: list[str] = []
        for line in filter(None, map(str.strip, text.splitlines())):
            if line.startswith("FROM "):
                lines = stages[line.split()[-1]] = []
            lines.append(line)
        return stages

    @staticmethod
    def copied(stage: list[str]) -> set[str]:
        words = [re.sub(r"--\S+ ", "", line).split()[1:-1] for line in stage if line.startswith("COPY")]
        return {word for line in words for word in line}

    def test_the_services_of_the_compose_file_are_built_from_it(
        self, stages: dict[str, list[str]], raw: dict[str, Any]
    ) -> None:
        built = {service["build"]["target"] for service in raw["services"].values() if "build" in service}
        assert built == set(stages)
        assert list(stages)[-1] == "narration"

    def test_all_that_is_copied_is_there_and_not_kept_out(self, stages: dict[str, list[str]]) -> None:
        ignored = [
            line
            for line in (CHECKOUT / ".dockerignore").read_text().splitlines()
            if line and not line.startswith(("#", "!"))
        ]
        for stage in stages.values():
            for name in self.copied(stage):
                assert (CHECKOUT / name).exists(), name
                assert not any(fnmatch.fnmatch(name, pattern) for pattern in ignored), name

    def test_no_secret_and_no_state_can_get_into_one(self) -> None:
        ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
        assert {".env", ".env.*", "accounts.env*", ".narration", ".git", ".venv"} <= set(ignored)

    def test_they_do_not_run_as_root(self, stages: dict[str, list[str]]) -> None:
        for name, stage in stages.items():
            assert [line for line in stage if line.startswith("USER")][-1] == "USER 50000:0", name

    def test_they_hold_the_versions_that_the_tests_ran_with(self, stages: dict[str, list[str]]) -> None:
        for name, stage in stages.items():
            installs = [line for line in stage if "pip install" in line and "--no-deps" not in line]
            assert installs, name
            assert all("--constraint constraints.txt" in line for line in installs), name

    def test_the_narration_image_has_the_project_and_not_the_local_cloud(self, stages: dict[str, list[str]]) -> None:
        copied = self.copied(stages["narration"])
        assert {"dags", "plugins", "include/airflow", "include/commands", "requirements-cluster.txt"} <= copied
        assert not {"include", "include/local_cloud", "."} & copied

    def test_the_local_cloud_needs_nothing_that_its_image_lacks(self) -> None:
        """Every import of the local cloud is a package that its requirements name, or the standard library."""
        import ast

        from packaging.requirements import Requirement

        lines = (line.split("#")[0].strip() for line in (CHECKOUT / "requirements-cloud.txt").read_text().splitlines())
        named = {Requirement(line).name.replace("-", "_") for line in lines if line}
        # What these bring along by necessity.
        brought = {"starlette": "fastapi", "werkzeug": "moto", "requests": "moto"}
        imported = set()
        for path in (CHECKOUT / "include" / "local_cloud").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.split(".")[0])
        foreign = imported - set(sys.stdlib_module_names) - {"include"}
        assert {brought.get(name, name) for name in foreign} <= named
