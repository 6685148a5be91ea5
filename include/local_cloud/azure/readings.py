"""Where Azure is silent or contradicts itself: the reading taken, the first one being the default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _one_of(*values: str) -> Any:
    return field(default=values[0], metadata={"values": values})


@dataclass(frozen=True, kw_only=True)
class AzureReadings:
    """Settings named ``LOCAL_CLOUD_AZURE_READINGS``.

    :param free_tier: what an F0 resource gets: 400 InvalidRequest (or BadRequest), or 403 Forbidden.
    :param preview_unknown_job: the preview's answer to GET and DELETE of an unknown id.
    :param batch_unknown_get: 2024-04-01, GET of an unknown id.
    :param batch_unknown_delete: 2024-04-01, DELETE of an unknown id.
    :param batch_repeated_put: 2024-04-01, PUT of an id that exists: 400 BadRequest or 409 Conflict.
    :param batch_first_status: 2024-04-01, the status in the answer to PUT.
    :param batch_time_to_live: 2024-04-01, hours when none are asked for.
    :param batch_list_key: 2024-04-01, the member that holds the page.
    :param batch_destination_returned: 2024-04-01, whether the destination container is shown.
    :param long_audio_created: Long Audio's answer to a create: 202 without a body, or 201 with the job.
    :param long_audio_unknown_delete: Long Audio, DELETE of an unknown id.
    :param long_audio_unknown_patch: Long Audio, PATCH of an unknown id: 404, or the 409 NotFound of the schema.
    :param ascii_without_bom: Long Audio, a script of nothing but ASCII that has no byte-order mark.
    :param list_order: of all three APIs.
    :param all_inputs_failed: the status of a batch job none of whose inputs could be spoken.
    :param ssml_white_space: how runs of white space in SSML are billed.
    """

    free_tier: str = _one_of("bad_request", "forbidden")
    preview_unknown_job: str = _one_of("204", "404")
    batch_unknown_get: str = _one_of("404", "204")
    batch_unknown_delete: str = _one_of("204", "404")
    batch_repeated_put: str = _one_of("bad_request", "conflict")
    batch_first_status: str = _one_of("NotStarted", "Running")
    batch_time_to_live: str = _one_of("168", "744")
    batch_list_key: str = _one_of("value", "values")
    batch_destination_returned: str = _one_of("no", "yes")
    long_audio_created: str = _one_of("202", "201")
    long_audio_unknown_delete: str = _one_of("204", "404")
    long_audio_unknown_patch: str = _one_of("404", "409")
    ascii_without_bom: str = _one_of("refuse", "accept")
    list_order: str = _one_of("oldest_first", "newest_first")
    all_inputs_failed: str = _one_of("Failed", "Succeeded")
    ssml_white_space: str = _one_of("collapsed", "literal")
