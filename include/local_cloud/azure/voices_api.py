"""The voices list on the wire, on the path of the regional host and on that of a custom domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from starlette.responses import JSONResponse, Response

from include.local_cloud.azure.api import AzureApi, Call, Handler, Operation
from include.local_cloud.azure.voices import voices_list

SERVICE = "azure_voices"
_PATH = "/cognitiveservices/voices/list"


class VoicesApi(AzureApi):
    """A bare array, of which there is only one page."""

    service = SERVICE
    operations: ClassVar[Mapping[str, Operation]] = {
        "ListVoices": Operation(method="GET", path=_PATH),
        "ListVoicesOfCustomDomain": Operation(method="GET", path=f"/tts{_PATH}"),
    }

    def handlers(self) -> Mapping[str, Handler]:
        return dict.fromkeys(self.operations, self._list)

    async def _list(self, _: Call) -> Response:
        return JSONResponse(voices_list())
