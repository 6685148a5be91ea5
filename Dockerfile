# Two images. The last one is what is built when none is named:
#
#   docker build -t narration .                                         Airflow with this project baked in
#   docker build -t narration-local-cloud --target local-cloud .        the local cloud, for trying without an account
#
# Neither runs as root, and neither needs anything at start but its environment.

# The Python that `make test` and `make cluster-test` use as well.
ARG AIRFLOW_VERSION=3.3.2
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS local-cloud
WORKDIR /opt/narration
COPY requirements-cloud.txt constraints.txt ./
RUN pip install --no-cache-dir --requirement requirements-cloud.txt --constraint constraints.txt
COPY include/local_cloud include/local_cloud
# The number that Airflow's image uses, so that both may be given the same rights.
RUN useradd --uid 50000 --gid 0 --no-create-home narration \
    && install --directory --owner=50000 --group=0 --mode=0775 /var/lib/local-cloud
ENV PYTHONUNBUFFERED=1 LOCAL_CLOUD_HOST=0.0.0.0 LOCAL_CLOUD_STATE=/var/lib/local-cloud
USER 50000:0
VOLUME /var/lib/local-cloud
EXPOSE 8600 8601
CMD ["python", "-m", "include.local_cloud"]

# The slim one: all that is added has the versions of constraints.txt, the ones that the tests ran with.
FROM apache/airflow:slim-${AIRFLOW_VERSION}-python${PYTHON_VERSION} AS narration
ARG AIRFLOW_VERSION
WORKDIR /opt/airflow
COPY --chown=50000:0 requirements.txt requirements-cluster.txt constraints.txt pyproject.toml README.md ./
# Airflow is named with its version: whatever the requirements say, it is the base image's that stays.
RUN pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" \
        --requirement requirements.txt --requirement requirements-cluster.txt --constraint constraints.txt
COPY --chown=50000:0 dags dags
COPY --chown=50000:0 plugins plugins
COPY --chown=50000:0 include/airflow include/airflow
COPY --chown=50000:0 include/commands include/commands
COPY --chown=50000:0 include/texts include/texts
# Airflow finds a provider, and with it the form for connections of the type azure_speech, among installed packages
# only. Linked and not copied: there is one copy of the code. The empty folders hand their rights to new volumes.
RUN pip install --no-cache-dir --no-deps --editable . \
    && install --directory --mode=0775 store logs texts
USER 50000:0
