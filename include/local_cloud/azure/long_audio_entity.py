"""A Long Audio synthesis as the API shows it."""

from __future__ import annotations

from typing import Any

from include.local_cloud.azure import timestamps
from include.local_cloud.azure.jobs import Job

SCRIPT, RESULT = "LongAudioSynthesisScript", "LongAudioSynthesisResult"
RESULT_NAME = "voicesynthesis_waves.zip"


def describe(job: Job) -> dict[str, Any]:
    """The entity, in the order of the vendor's page; what is not known is left out."""
    request, result = job.request, job.result
    properties: dict[str, Any] = {
        "outputFormat": request["outputFormat"],
        "concatenateResult": request["concatenateResult"],
    }
    for name in ("totalDuration", "billableCharacterCount", "error"):
        if name in result:
            properties[name] = result[name]
    if request.get("destination"):
        # Without its signature, which nobody but the owner of the container has any business to know.
        properties["destinationContainerUrl"] = request["destination"]["url"]
    described: dict[str, Any] = {
        "models": request["models"],
        "properties": properties,
        "id": job.job_id,
        "lastActionDateTime": timestamps.milliseconds(job.last_action),
        "status": job.status,
        "createdDateTime": timestamps.milliseconds(job.created),
        "locale": request["locale"],
        "displayName": job.display_name,
    }
    if job.description is not None:
        described["description"] = job.description
    if request.get("customProperties"):
        described["customProperties"] = request["customProperties"]
    return described


def describe_file(*, name: str, kind: str, size: int, created: float, url: str) -> dict[str, Any]:
    """One entry of ``/files``."""
    return {
        "name": name,
        "kind": kind,
        "properties": {"size": size},
        "createdDateTime": timestamps.milliseconds(created),
        "links": {"contentUrl": url},
    }
