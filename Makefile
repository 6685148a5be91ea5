# Every command does its own set-up in .venv; none needs anything but Python 3.11 or 3.12.
# What is typed as NAME=value reaches include/commands through the environment.

# Airflow imports thousands of modules: each of its processes would compile them all anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run up cloud airflow cluster env test crash-test cluster-test drop-in-test plugins-zip wheel lint clean

venv_python := .venv/bin/python

help:
	@cat include/commands/help.txt

# The recipes that stay in the foreground are single commands without a shell in between:
# a signal sent to make then reaches them.
run up cloud airflow:
	@sh include/commands/set_up.sh run
	@$(venv_python) -m include.commands $@

cluster:
	@sh include/commands/set_up.sh cluster
	@$(venv_python) -m include.commands $@

env:
	@"$$(sh include/commands/set_up.sh find)" -m include.commands.environment $(if $(CLOUD),CLOUD=$(CLOUD))

test:
	@sh include/commands/set_up.sh dev
	$(venv_python) -m pytest -q -m "not e2e and not crash and not drop_in and not cluster" -n 2 --dist loadfile
	$(venv_python) -m pytest -q -s -m drop_in -p no:xdist tests/packaging
	$(venv_python) -m pytest -q -m e2e -p no:xdist --timeout 600 tests/e2e
	$(venv_python) -m include.commands.servers
	CLUSTER_DOCUMENTS=6 $(venv_python) -m pytest -q -m cluster -p no:xdist tests/cluster

# What is typed as SEED=123 gives the same faults again; without it a run has a seed of its own, which it prints.
crash-test: export CRASH_SEED = $(SEED)
crash-test: export CRASH_FAULTS = $(FAULTS)
crash-test:
	@sh include/commands/set_up.sh dev
	$(venv_python) -m pytest -q -s -m crash -p no:xdist tests/crash
	CRASH_AIRFLOW_FAULTS=30 $(venv_python) -m pytest -q -s -m crash -p no:xdist --timeout 3600 tests/e2e

# Other people's Airflow: MWAA's versions, Astronomer's layout, a plain installation.
drop-in-test:
	@sh include/commands/set_up.sh dev
	$(venv_python) -m pytest -q -s -p no:xdist tests/packaging

plugins-zip:
	@"$$(sh include/commands/set_up.sh find)" -m include.commands.plugins_zip

# setuptools would pack what it left in build/ the last time, modules that are no more included.
wheel:
	@rm -rf build dist/narration-*.whl
	@"$$(sh include/commands/set_up.sh find)" -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/narration-*.whl

# When what dies is left to chance, which SEED=123 repeats, unless it is said: seconds after the runs were started.
cluster-test: export CLUSTER_SEED = $(SEED)
cluster-test: export CLUSTER_DOCUMENTS = $(DOCUMENTS)
cluster-test: export CLUSTER_KILL_WORKER = $(KILL_WORKER)
cluster-test: export CLUSTER_KILL_TRIGGERER = $(KILL_TRIGGERER)
cluster-test: export CLUSTER_RESTART_DATABASE = $(RESTART_DATABASE)
cluster-test: export CLUSTER_DATABASE_DOWN = $(DATABASE_DOWN)
cluster-test: export CLUSTER_COMES_BACK = $(COMES_BACK)
cluster-test: export CLUSTER_STORAGE = $(STORAGE)
cluster-test:
	@sh include/commands/set_up.sh dev
	@$(venv_python) -m include.commands.servers
	$(venv_python) -m pytest -q -s -m cluster -p no:xdist tests/cluster

lint:
	@sh include/commands/set_up.sh dev
	$(venv_python) -m ruff check
	$(venv_python) -m ruff format --check
	$(venv_python) -m mypy plugins include dags

clean:
	@"$$(sh include/commands/set_up.sh find)" -m include.commands.clean $(if $(ALL),--all)
