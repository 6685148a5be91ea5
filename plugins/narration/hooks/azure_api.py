"""The three Azure speech-synthesis APIs: their names, paths, hosts and rates.

Nothing here talks to anybody; a Dag file may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SynthesisApi(StrEnum):
    """Azure's asynchronous synthesis APIs, by the names that parameters and connections use."""

    BATCH = "batch-synthesis-2024-04-01"
    BATCH_PREVIEW = "batch-synthesis-3.1-preview1"
    LONG_AUDIO = "long-audio-v3.0"


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many requests a service takes in any window of so many seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ApiFacts:
    """
    What tells one API from another on the wire.

    :param path: of the collection of jobs.
    :param api_version: value of the query parameter ``api-version``, where there is one.
    :param page_size_parameter: name of the query parameter that sets the page size (at most 100).
    :param rate: documented limit of one resource, all calls together.
    :param on_custom_voice_host: whether regional requests go to ``customvoice.api.speech`` rather than to the host of
        the Azure AI services.
    """

    path: str
    page_size_parameter: str
    rate: Rate
    api_version: str | None = None
    on_custom_voice_host: bool = True


#: How many jobs a resource keeps, where that is limited: the next one is refused.
MOST_STORED = {SynthesisApi.LONG_AUDIO: 20_000}

#: The most that one page of any of the lists holds.
LIST_PAGE_SIZE = 100

FACTS = {
    SynthesisApi.BATCH: ApiFacts(
        path="/texttospeech/batchsyntheses",
        api_version="2024-04-01",
        page_size_parameter="maxpagesize",
        rate=Rate(requests=100, seconds=10),
        on_custom_voice_host=False,
    ),
    SynthesisApi.BATCH_PREVIEW: ApiFacts(
        path="/api/texttospeech/3.1-preview1/batchsynthesis",
        page_size_parameter="top",
        rate=Rate(requests=50, seconds=5),
    ),
    SynthesisApi.LONG_AUDIO: ApiFacts(
        path="/api/texttospeech/v3.0/longaudiosynthesis",
        page_size_parameter="top",
        rate=Rate(requests=5, seconds=1),
    ),
}


class AzureCloud(StrEnum):
    """Microsoft's public cloud and the sovereign ones, which share neither hosts nor identities."""

    PUBLIC = "public"
    CHINA = "china"
    GOVERNMENT = "government"


@dataclass(frozen=True, kw_only=True)
class CloudHosts:
    """
    The host names of one cloud; ``{region}`` is a region such as ``eastus``.

    :param cognitive: batch synthesis 2024-04-01.
    :param custom_voice: Long Audio and batch synthesis 3.1-preview1.
    :param speech: the list of voices.
    :param scope: what a token of Microsoft Entra ID must be asked for.
    :param authority: who issues such tokens.
    """

    cognitive: str
    custom_voice: str
    speech: str
    scope: str
    authority: str


HOSTS = {
    AzureCloud.PUBLIC: CloudHosts(
        cognitive="https://{region}.api.cognitive.microsoft.com",
        custom_voice="https://{region}.customvoice.api.speech.microsoft.com",
        speech="https://{region}.tts.speech.microsoft.com",
        scope="https://cognitiveservices.azure.com/.default",
        authority="https://login.microsoftonline.com",
    ),
    AzureCloud.CHINA: CloudHosts(
        cognitive="https://{region}.api.cognitive.azure.cn",
        custom_voice="https://{region}.customvoice.api.speech.azure.cn",
        speech="https://{region}.tts.speech.azure.cn",
        scope="https://cognitiveservices.azure.cn/.default",
        authority="https://login.chinacloudapi.cn",
    ),
    AzureCloud.GOVERNMENT: CloudHosts(
        cognitive="https://{region}.api.cognitive.microsoft.us",
        custom_voice="https://{region}.customvoice.api.speech.azure.us",
        speech="https://{region}.tts.speech.azure.us",
        scope="https://cognitiveservices.azure.us/.default",
        authority="https://login.microsoftonline.us",
    ),
}
#: How a host begins to be a resource's own (a custom domain), in any of the clouds.
CUSTOM_DOMAINS = (".cognitiveservices.azure.com", ".cognitiveservices.azure.cn", ".cognitiveservices.azure.us")
