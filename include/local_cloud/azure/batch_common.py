"""What the two batch synthesis APIs have in common: who may create, where results go, how a job is deleted."""

from __future__ import annotations

from typing import Any, ClassVar

from starlette.responses import Response

from include.local_cloud.azure.api import AzureApi, Call
from include.local_cloud.azure.batch_request import BatchRequest, Words, read_batch_request
from include.local_cloud.azure.blobs import SERVICE_ACCOUNT, Blob, ContainerExpired, ContainerUnusable
from include.local_cloud.azure.errors import AzureError
from include.local_cloud.azure.jobs import Job
from include.local_cloud.azure.media_types import is_json, media_type, unsupported

LARGEST_PAGE = 100
# Regions of batch synthesis, 2025-11. Those that speak but take no batches: canadaeast, italynorth, japanwest and more.
REGIONS = frozenset(
    (
        "australiaeast",
        "brazilsouth",
        "canadacentral",
        "centralindia",
        "centralus",
        "eastasia",
        "eastus",
        "eastus2",
        "francecentral",
        "germanywestcentral",
        "japaneast",
        "koreacentral",
        "northcentralus",
        "northeurope",
        "norwayeast",
        "southafricanorth",
        "southcentralus",
        "southeastasia",
        "swedencentral",
        "switzerlandnorth",
        "uaenorth",
        "uksouth",
        "westeurope",
        "westus",
        "westus2",
    )
)


class BatchApi(AzureApi):
    """The base of both."""

    words: ClassVar[Words]
    container: ClassVar[str]
    creates: ClassVar[str] = "CreateBatchSynthesis"

    async def read(self, call: Call) -> None:
        kind = media_type(call.request.headers.get("content-type", ""))
        if not is_json(kind):
            raise unsupported(kind)
        call.content = read_batch_request(
            call.body,
            words=self.words,
            most_inputs=self.parts.quotas.inputs[self.service],
            refuse=lambda message: self.bad_request(message, inner="InvalidPayload"),
        )
        call.text = call.content.text

    def check_resource(self, call: Call) -> None:
        """
        :raises AzureError: for a resource of the free tier or of a region without batch synthesis.
        """
        if call.account.tier == "F0":
            message = "Only the Standard speech subscription for this region is valid."
            if self.parts.readings.free_tier == "forbidden":
                raise AzureError(403, "Forbidden", message)
            raise self.bad_request(message, inner="SkuLimitsExist")
        if call.account.region not in REGIONS:
            raise self.bad_request("The voice synthesis is not enabled in this region.", inner="SubscriptionNotFound")

    def destination(self, request: BatchRequest, *, prefix: str) -> dict[str, Any]:
        """What the job remembers of its destination container: nothing when there is none.

        :param prefix: the folder of the results in it.
        :raises AzureError: for a URL without a good signature.
        """
        if request.destination_url is None:
            return {}
        try:
            name = self.parts.blobs.writable_container(request.destination_url)
        except ValueError:
            raise self.refuse_destination("The destination container URL is not a valid SAS URL.") from None
        except ContainerExpired:
            raise self.refuse_destination("The SAS of the destination container URL has expired.") from None
        except ContainerUnusable:
            # Only found out when the results are written: the job fails.
            return {"destination": None}
        return {"destination": {"name": name, "prefix": prefix}}

    def refuse_destination(self, message: str) -> AzureError:
        """The refusal of a destination container, in the API's own shape."""
        return self.bad_request(message, inner="InaccessibleCustomerStorage")

    def outputs(self, call: Call, job: Job, *, hands_out: bool) -> dict[str, Any]:
        """The ``outputs`` of a job, with a signed URL made now.

        :param hands_out: whether an order for an expired URL applies to this answer.
        """
        result = job.result
        if "relative" in result:
            outputs = {"result": result["relative"]}
            if "relative_summary" in result:
                outputs["summary"] = result["relative_summary"]
            return {"outputs": outputs}
        if "blob" not in result:
            return {}
        blob = Blob(account=SERVICE_ACCOUNT, container=self.container, path=result["blob"])
        url = self.parts.blobs.url(
            blob,
            base_url=call.base_url,
            seconds=self.parts.quotas.url_seconds,
            permissions="r",
            expired=hands_out and self.expired_url_ordered(call),
        )
        return {"outputs": {"result": url}}

    def page_of(self, call: Call, *, size_name: str) -> tuple[list[Job], int, int, bool]:
        """The jobs of a page, with the ``skip`` and size asked for, and whether there are more.

        :raises AzureError: for a parameter out of its bounds.
        """
        skip = self._number(call, "skip", default=0)
        size = self._number(call, size_name, default=LARGEST_PAGE)
        if size > LARGEST_PAGE:
            raise self.bad_request(f"The {size_name} parameter should not be greater than {LARGEST_PAGE}.")
        if size < 1:
            raise self.bad_request(f"The {size_name} parameter should be greater than 0.")
        jobs, more = self.parts.ledger.page(
            service=self.service,
            account=call.account.id,
            skip=skip,
            size=size,
            newest_first=self.parts.readings.list_order == "newest_first",
        )
        return jobs, skip, size, more

    def delete_finished(self, job: Job) -> Response:
        """
        :raises AzureError: for a job that is still going on.
        """
        if not job.finished:
            raise self.bad_request(
                "The batch synthesis is still in use: only one with the status Succeeded or Failed can be deleted.",
                inner="DeleteNotAllowed",
            )
        self.parts.worker.delete(job)
        return Response(status_code=204)

    def _number(self, call: Call, name: str, *, default: int) -> int:
        text = call.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal()) or len(text) > 9:
            raise self.bad_request(f"The {name} parameter should be a number and not negative.")
        return int(text)


def not_found() -> AzureError:
    return AzureError(404, "NotFound", "The specified entity cannot be found. Make sure the synthesis ID is correct.")
