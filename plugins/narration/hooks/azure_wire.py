"""Every request to Azure Speech as it goes out, and the answer as it comes back, for either HTTP client.

What an answer means is read in :mod:`narration.hooks.azure_answers`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from urllib3.filepost import encode_multipart_formdata

from narration.hooks.azure_account import AzureSpeechAccount
from narration.hooks.azure_api import FACTS, LIST_PAGE_SIZE, SynthesisApi
from narration.hooks.azure_errors import AzureSpeechArgumentError

KEY_HEADER = "Ocp-Apim-Subscription-Key"
_BOM = "\ufeff"
_BATCH_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,62}[a-zA-Z0-9]")
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class AzureRequest:
    """
    One request, ready to be sent by either client, but for the header that says who pays.

    :param what: what it does, for messages.
    :param api: whose rate limit it counts against; None for the list of voices, which is another service.
    :param creates: whether it buys; then it is sent once, whatever happens.
    :param deletes: whether it deletes.
    :param job_id: the job that it is about.
    :param if_not_found: what to do when that job is not known.
    :param auth: the header that says who pays.
    :param account: who pays, for messages.
    :param pages: the addresses of the pages before this one, of a list.
    """

    what: str
    method: str
    url: str
    api: SynthesisApi | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = field(default=None, repr=False)
    creates: bool = False
    deletes: bool = False
    job_id: str = ""
    if_not_found: str = "Check the address in the connection; the API that was asked for may not exist there."
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    account: AzureSpeechAccount | None = field(default=None, repr=False)
    pages: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def payer(self) -> str:
        """Which resource it is sent to, in brackets, for messages."""
        return f" ({self.account.payer})" if self.account else ""

    @property
    def address(self) -> str:
        """What in which connection led to its address, for messages."""
        return self.account.address(self.url) if self.account else "the address in the connection"

    @property
    def secrets(self) -> list[str]:
        """What no message may repeat."""
        return [part for value in self.auth.values() for part in {value, value.removeprefix("Bearer ")}]

    @property
    def all_headers(self) -> dict[str, str]:
        return {"Accept": "application/json", **self.headers, **self.auth}

    def signed(self, auth: Mapping[str, str], *, account: AzureSpeechAccount | None = None) -> AzureRequest:
        """Give the same request with the header that says who pays."""
        return replace(self, auth=auth, account=account)


@dataclass(frozen=True, kw_only=True)
class AzureAnswer:
    """
    One answer.

    :param headers: with names in lower case.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)

    @property
    def is_markup(self) -> bool:
        """Whether it is a page for people to read, which no API of Azure sends."""
        return "html" in self.headers.get("content-type", "").lower() or self.content.lstrip()[:1] == b"<"

    @property
    def looks_like(self) -> str:
        """What it is, for messages; a page of a proxy may repeat the request, so none of it is quoted."""
        if 300 <= self.status < 400:
            return f"a redirect to {host_of(self.headers.get('location', '')) or 'the same host'}"
        if self.is_markup:
            return f"an HTML page of {len(self.content):,} bytes, as a proxy sends"
        if not self.content:
            return f"nothing beyond the status {reason(self.status)}"
        return f"{len(self.content):,} bytes that are not an error of Azure"


def host_of(url: str) -> str:
    """Give the host of an address; nothing if it has none, or cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def reason(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def key_header(account: AzureSpeechAccount) -> dict[str, str]:
    return {KEY_HEADER: account.key}


def bearer_header(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# ---- requests


def voices(account: AzureSpeechAccount, *, api: SynthesisApi) -> AzureRequest:
    """List voices: Long Audio has a list of its own, and everybody else that of the region."""
    if api is SynthesisApi.LONG_AUDIO:
        return AzureRequest(
            what="the list of Long Audio voices", method="GET", url=_url(account, api, "voices"), api=api
        )
    return AzureRequest(what="the list of voices", method="GET", url=account.voices_url())


def create_batch(
    account: AzureSpeechAccount,
    *,
    api: SynthesisApi,
    inputs: Sequence[str],
    input_kind: str,
    synthesis_id: str | None,
    display_name: str | None,
    description: str | None,
    synthesis_config: Mapping[str, Any] | None,
    custom_voices: Mapping[str, str] | None,
    properties: Mapping[str, Any] | None,
    custom_properties: Mapping[str, str] | None,
) -> AzureRequest:
    """Buy a batch synthesis job: PUT of an id that we choose, or POST under the preview."""
    if not inputs or isinstance(inputs, str):
        raise AzureSpeechArgumentError("A batch synthesis takes at least one input, in a list.")
    shared = {
        "description": description,
        "synthesisConfig": synthesis_config,
        "customVoices": custom_voices,
        "properties": properties,
    }
    if api is SynthesisApi.BATCH:
        if synthesis_id is None or not _BATCH_ID.fullmatch(synthesis_id):
            raise AzureSpeechArgumentError(
                f"synthesis_id {synthesis_id!r} is not an id for {api.value}: 3 to 64 letters, digits, '-', '_' and "
                "'.', with a letter or digit at both ends."
            )
        if display_name is not None or custom_properties is not None:
            raise AzureSpeechArgumentError(f"{api.value} has no display_name and no custom_properties.")
        body = {"inputKind": input_kind, "inputs": [{"content": text} for text in inputs], **shared}
        method, url = "PUT", _url(account, api, synthesis_id)
    elif api is SynthesisApi.BATCH_PREVIEW:
        if synthesis_id is not None or not display_name:
            raise AzureSpeechArgumentError(f"{api.value} chooses the id itself and needs a display_name.")
        body = {
            "displayName": display_name,
            "textType": input_kind,
            "inputs": [{"text": text} for text in inputs],
            "customProperties": custom_properties,
            **shared,
        }
        method, url = "POST", _url(account, api)
    else:
        raise AzureSpeechArgumentError(f"{api.value} takes no batch; create_long_audio_synthesis is for it.")
    return AzureRequest(
        what=f"the creation of {synthesis_id or display_name!r} ({api.value})",
        method=method,
        url=url,
        api=api,
        params=_version(api),
        headers=_JSON,
        content=_json(_given(body)),
        creates=True,
        job_id=synthesis_id or "",
    )


def create_long_audio(
    account: AzureSpeechAccount,
    *,
    display_name: str,
    locale: str,
    voices: Sequence[Mapping[str, Any]],
    script: str,
    description: str | None,
    output_format: str | None,
    concatenate_result: bool,
    destination_container_url: str | None,
    custom_properties: Mapping[str, str] | None,
) -> AzureRequest:
    """Buy a Long Audio job: a form with the script as a file, UTF-8 with exactly one byte-order mark."""
    api = SynthesisApi.LONG_AUDIO
    fields: dict[str, Any] = _given(
        {
            "displayName": display_name,
            "description": description,
            "locale": locale,
            "voices": json.dumps(list(voices), ensure_ascii=False),
            "outputFormat": output_format,
            "concatenateResult": "true" if concatenate_result else "false",
            "destinationContainerUrl": destination_container_url,
            "customProperties": json.dumps(custom_properties, ensure_ascii=False) if custom_properties else None,
        }
    )
    fields = {name: _encoded(value) for name, value in fields.items()}
    fields["script"] = ("script.txt", _encoded(_BOM + script.lstrip(_BOM)), "text/plain")
    content, content_type = encode_multipart_formdata(fields)
    return AzureRequest(
        what=f"the creation of {display_name!r} ({api.value})",
        method="POST",
        url=_url(account, api),
        api=api,
        headers={"Content-Type": content_type},
        content=content,
        creates=True,
    )


def get_job(account: AzureSpeechAccount, *, api: SynthesisApi, job_id: str) -> AzureRequest:
    return _about_job(account, api, job_id, "GET", "the question about")


def delete_job(account: AzureSpeechAccount, *, api: SynthesisApi, job_id: str) -> AzureRequest:
    return replace(_about_job(account, api, job_id, "DELETE", "the deletion of"), deletes=True)


def update_long_audio(
    account: AzureSpeechAccount,
    *,
    job_id: str,
    display_name: str | None,
    description: str | None,
    custom_properties: Mapping[str, str] | None,
) -> AzureRequest:
    request = _about_job(account, SynthesisApi.LONG_AUDIO, job_id, "PATCH", "the change of")
    body = {"displayName": display_name, "description": description, "customProperties": custom_properties}
    return replace(request, headers=_JSON, content=_json(_given(body)))


def long_audio_files(account: AzureSpeechAccount, *, job_id: str, sas_validity_seconds: int | None) -> AzureRequest:
    request = _about_job(account, SynthesisApi.LONG_AUDIO, job_id, "GET", "the list of files of")
    validity = {} if sas_validity_seconds is None else {"sasValidityInSeconds": str(sas_validity_seconds)}
    return replace(request, url=f"{request.url}/files", params=validity)


def list_jobs(account: AzureSpeechAccount, *, api: SynthesisApi, page_size: int, skip: int) -> AzureRequest:
    if not 1 <= page_size <= LIST_PAGE_SIZE or skip < 0:
        raise AzureSpeechArgumentError(f"page_size must be 1 to {LIST_PAGE_SIZE} and skip not negative.")
    params = {"skip": str(skip), FACTS[api].page_size_parameter: str(page_size), **_version(api)}
    return AzureRequest(
        what=f"the list of jobs ({api.value})", method="GET", url=_url(account, api), api=api, params=params
    )


def get_operation(account: AzureSpeechAccount, *, operation_id: str) -> AzureRequest:
    api = SynthesisApi.BATCH
    base = account.base_url(api)
    return AzureRequest(
        what=f"the question about operation {operation_id!r}",
        method="GET",
        url=f"{base}/texttospeech/operations/{quote(operation_id, safe='')}",
        api=api,
        params=_version(api),
        if_not_found="The operation is unknown to this resource.",
    )


def _about_job(account: AzureSpeechAccount, api: SynthesisApi, job_id: str, method: str, doing: str) -> AzureRequest:
    if not job_id or job_id.strip(".") == "":
        raise AzureSpeechArgumentError(f"{job_id!r} is not the id of a job.")
    return AzureRequest(
        what=f"{doing} job {job_id!r} ({api.value})",
        method=method,
        url=_url(account, api, job_id),
        api=api,
        params=_version(api),
        job_id=job_id,
        if_not_found=(
            "This resource knows no such job: another one bought it, it was deleted, or its time to live is over."
        ),
    )


def _url(account: AzureSpeechAccount, api: SynthesisApi, *segments: str) -> str:
    return "/".join([account.base_url(api) + FACTS[api].path, *(quote(segment, safe="") for segment in segments)])


def _version(api: SynthesisApi) -> dict[str, str]:
    version = FACTS[api].api_version
    return {"api-version": version} if version else {}


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _json(body: Mapping[str, Any]) -> bytes:
    return _encoded(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise AzureSpeechArgumentError(
            f"The text cannot be sent: character {error.start:,} is half of a surrogate pair, which UTF-8 has no place "
            "for."
        ) from None
