"""The way from a task in Airflow's UI to what it made at AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from narration.hooks.polly_errors import PollyArgumentError
from narration.hooks.polly_tasks import parse_output_uri
from narration.links.stored import StoredLink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import BaseOperator, Context

    from narration.hooks.polly import PollyHook

_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu")


class PollyOutputObjectLink(StoredLink):
    """Open the object that Polly writes: in the S3 console, or at the S3 endpoint that the connection names."""

    name = "Polly output object"
    key = "polly_output_object"


class PollyConsoleLink(StoredLink):
    """Open the task among the S3 synthesis tasks of the Polly console."""

    name = "Polly synthesis task"
    key = "polly_synthesis_task"


def persist_links(*, context: Context, operator: BaseOperator, hook: PollyHook, task: Mapping[str, Any]) -> None:
    """
    Write both links of a task down, without a signature: whoever follows one needs access of their own.

    :param task: Polly's ``SynthesisTask``; the place of the object is read from its ``OutputUri``.
    """
    region = hook.conn_region_name
    console = _CONSOLES.get(hook.conn_partition, "")
    task_url = console and f"https://{console}/polly/home/SynthesisTasks/{task['TaskId']}?region={region}"
    PollyConsoleLink.persist(context=context, operator=operator, url=task_url)

    try:
        bucket, key = parse_output_uri(task["OutputUri"])
    except PollyArgumentError as error:
        # The task is bought; a button in the UI is no reason to fail it.
        hook.log.warning("No link to the output: %s", error)
        return
    s3_endpoint = hook.conn_config.get_service_endpoint_url("s3")
    if s3_endpoint and not _is_aws(s3_endpoint):
        object_url = f"{s3_endpoint.rstrip('/')}/{bucket}/{quote(key)}"
    else:
        object_url = console and f"https://{console}/s3/object/{bucket}?region={region}&prefix={quote(key, safe='')}"
    PollyOutputObjectLink.persist(context=context, operator=operator, url=object_url)


def _is_aws(endpoint_url: str) -> bool:
    return (urlsplit(endpoint_url).hostname or "").endswith(_AWS_HOSTS)
