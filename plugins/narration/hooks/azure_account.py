"""What an Airflow connection of type ``azure_speech`` says: which resource, at which hosts, and who pays."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from narration.hooks.azure_api import CUSTOM_DOMAINS, FACTS, HOSTS, AzureCloud, Rate, SynthesisApi
from narration.hooks.azure_errors import AzureSpeechArgumentError, AzureSpeechAuthError

KEY = "key"
ENTRA = "entra"

_REGION = re.compile(r"[a-z][a-z0-9]{2,}")
_CUSTOM_DOMAINS = "|".join(re.escape(domain) for domain in CUSTOM_DOMAINS)
#: What the portal shows as the endpoint of a resource without a name of its own, and the hosts of single APIs.
_REGIONAL_HOST = re.compile(
    r"(?P<region>[a-z0-9]+)\.(?:api\.cognitive|customvoice\.api\.speech|tts\.speech|stt\.speech)"
    r"\.(?:microsoft\.com|azure\.cn|azure\.us|microsoft\.us)"
)
_CUSTOM_HOST = re.compile(rf"[a-z0-9][a-z0-9-]*(?:{_CUSTOM_DOMAINS})")


@dataclass(frozen=True, kw_only=True)
class AzureSpeechAccount:
    """
    A connection, read and checked: the resource that pays and how to reach it.

    :param conn_id: its Airflow name, for messages.
    :param region: region of the resource, such as ``eastus``; empty if only an endpoint is known.
    :param cloud: whose hosts and identities are meant.
    :param endpoint: address to use instead of the region's: a custom domain, a gateway or a local cloud; without a
        slash at the end. A host of Azure is always spoken to over https. Any other is as well, because the key and
        the texts go there, unless it is this machine or the extra has ``allow_http: true`` (for a test host inside a
        private network).
    :param auth: ``key`` or ``entra``.
    :param key: one of the two keys of the resource.
    :param resource: a name for the resource, if the connection gives one; it keeps :attr:`account` the same when the
        key is replaced.
    :param quotas: requests in a window, where Azure granted the resource more (or less) than it documents.
    """

    conn_id: str
    region: str = ""
    cloud: AzureCloud = AzureCloud.PUBLIC
    endpoint: str = ""
    auth: str = KEY
    key: str = field(default="", repr=False)
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    managed_identity_client_id: str = ""
    resource: str = ""
    quotas: Mapping[SynthesisApi, Rate] = field(default_factory=dict)

    @classmethod
    def read(
        cls, *, conn_id: str, connection: Any, extra: Mapping[str, Any], region: str | None = None
    ) -> AzureSpeechAccount:
        """
        Read an Airflow connection.

        :param connection: with ``host``, ``schema``, ``port``, ``login`` and ``password``.
        :param extra: its extra, parsed.
        :param region: overrides the connection's.
        :raises AzureSpeechAuthError: it lacks what every request needs; the message says what and where.
        :raises AzureSpeechArgumentError: something in it cannot be right.
        """
        where = f"Connection {conn_id!r}"
        auth = _text(extra, "auth").lower() or KEY
        allow_http = _text(extra, "allow_http").lower() == "true"
        endpoint, host_region = _endpoint(connection, where, allow_http=allow_http)
        found = cls(
            conn_id=conn_id,
            region=_region(region or _text(extra, "region") or host_region, where),
            cloud=_cloud(_text(extra, "cloud"), where),
            endpoint=endpoint,
            auth=auth,
            resource=_text(extra, "resource"),
            quotas=_quotas(extra.get("quotas"), where),
        )
        if not found.endpoint and not found.region:
            raise AzureSpeechAuthError(
                f"{where} names no region. Put the region of the Speech resource, such as eastus, into its extra as "
                "'region', or the address of the resource's custom domain into its host."
            )
        if auth == KEY:
            return replace(found, key=_key(connection, where))
        if auth != ENTRA:
            raise AzureSpeechArgumentError(f"{where}: 'auth' is {auth!r}; it must be 'key' or 'entra'.")
        return found._with_identity(connection, extra, where)

    def _with_identity(self, connection: Any, extra: Mapping[str, Any], where: str) -> AzureSpeechAccount:
        login, password = (connection.login or "").strip(), (connection.password or "").strip()
        tenant_id = _text(extra, "tenant_id")
        if (login or password) and not (login and password and tenant_id):
            raise AzureSpeechAuthError(
                f"{where} holds a part of a service principal. It takes all three: the client id as login, the client "
                "secret as password, 'tenant_id' in the extra; or neither login nor password, for the identity of the "
                "machine."
            )
        if not self.endpoint:
            raise AzureSpeechAuthError(
                f"{where}: Microsoft Entra ID works only with a resource that has a custom domain. Give the resource "
                "one (Azure portal, Networking) and put its address, such as "
                "https://my-name.cognitiveservices.azure.com, into the host."
            )
        return replace(
            self,
            tenant_id=tenant_id,
            client_id=login,
            client_secret=password,
            managed_identity_client_id=_text(extra, "managed_identity_client_id"),
        )

    @property
    def has_custom_domain(self) -> bool:
        """Whether the endpoint is a custom domain of Azure, rather than a local cloud or a gateway."""
        return bool(_CUSTOM_HOST.fullmatch(urlsplit(self.endpoint).hostname or ""))

    @property
    def account(self) -> str:
        """
        Who pays: one resource, the same in every process.

        A custom domain is a resource. Otherwise the key stands for it, as a short hash; whoever replaces keys gives
        the resource a name in the connection, so that its jobs are still recognised afterwards.
        """
        place = urlsplit(self.endpoint).netloc.lower() if self.endpoint else self.region
        if self.has_custom_domain:
            return f"azure:{place}"
        if self.resource:
            return f"azure:{place}:{self.resource}"
        identity = [self.auth, self.key, self.tenant_id, self.client_id, self.managed_identity_client_id]
        return f"azure:{place}:{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]}"

    def rate(self, api: SynthesisApi) -> Rate:
        """How many requests of this API the resource may send."""
        return self.quotas.get(api, FACTS[api].rate)

    def base_url(self, api: SynthesisApi) -> str:
        """
        Give the address before an API's path.

        :raises AzureSpeechAuthError: the API cannot be reached in the way that the connection describes.
        """
        facts = FACTS[api]
        if self.endpoint and not (facts.on_custom_voice_host and self.has_custom_domain):
            return self.endpoint
        if self.auth == ENTRA:
            raise AzureSpeechAuthError(
                f"{api.value} is documented on regional hosts only, and those do not take tokens of Microsoft Entra "
                f"ID. Use batch synthesis 2024-04-01 with connection {self.conn_id!r}, or another connection with a "
                "key and a region."
            )
        hosts = HOSTS[self.cloud]
        pattern = hosts.custom_voice if facts.on_custom_voice_host else hosts.cognitive
        return pattern.format(region=self._needed_region(api.value))

    def voices_url(self) -> str:
        """Give the address of the list of voices."""
        if self.has_custom_domain:
            return f"{self.endpoint}/tts/cognitiveservices/voices/list"
        base = self.endpoint or HOSTS[self.cloud].speech.format(region=self._needed_region("The list of voices"))
        return f"{base}/cognitiveservices/voices/list"

    @property
    def place(self) -> str:
        """Where the resource is, for messages."""
        return " at ".join(filter(None, [self.region, self.endpoint]))

    @property
    def payer(self) -> str:
        """Which resource is meant, for messages."""
        return f"connection {self.conn_id!r}, {self.place}"

    def address(self, url: str) -> str:
        """Name what in the connection led to an address, for messages."""
        if self.endpoint and url.startswith(self.endpoint):
            return f"the address {self.endpoint} in connection {self.conn_id!r}"
        return f"the region {self.region!r} in connection {self.conn_id!r}"

    def _needed_region(self, what: str) -> str:
        if not self.region:
            raise AzureSpeechAuthError(
                f"{what} needs the region of the resource: put it, such as eastus, into the extra of connection "
                f"{self.conn_id!r} as 'region'."
            )
        return self.region


def _key(connection: Any, where: str) -> str:
    key = (connection.password or "").strip()
    if not key:
        raise AzureSpeechAuthError(
            f"{where} holds no key. Put one of the two keys of the Speech resource (Azure portal, Keys and Endpoint) "
            "into its password, or set 'auth' to 'entra' in its extra."
        )
    if not key.isascii() or not key.isprintable():
        raise AzureSpeechAuthError(
            f"{where}: the password is not a key of a Speech resource; a key is made of letters and digits. Copy it "
            "again from the Azure portal, Keys and Endpoint."
        )
    return key


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine, so that what is sent there crosses no network."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _endpoint(connection: Any, where: str, *, allow_http: bool) -> tuple[str, str]:
    """Give the endpoint, and the region that it names: one that merely names a region is no endpoint of its own."""
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        return "", ""
    if "://" not in host:
        scheme = connection.schema if connection.schema in {"http", "https"} else "https"
        host = f"{scheme}://{host}"
    try:
        parts = urlsplit(host)
        port, name = parts.port, (parts.hostname or "").lower()
    except ValueError:
        port, name, parts = None, "", urlsplit("")
    if parts.scheme not in {"http", "https"} or not name or "@" in parts.netloc or parts.query or parts.fragment:
        # The host is not repeated: somebody may have pasted a key or a signed URL.
        raise AzureSpeechArgumentError(
            f"{where}: its host is not an address such as https://my-name.cognitiveservices.azure.com."
        )
    if regional := _REGIONAL_HOST.fullmatch(name):
        return "", regional["region"]
    if connection.port and not port:
        parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    if _CUSTOM_HOST.fullmatch(name):
        # The portal shows it with a path for some of the services. Without https, the key could be read on its way.
        parts = parts._replace(scheme="https", path="")
    if parts.scheme == "http" and not (allow_http or is_loopback(name)):
        raise AzureSpeechArgumentError(
            f"{where}: its host begins with http://, so the key and the texts could be read on their way. Write "
            "https://. If it is a test host inside a private network, put 'allow_http': true into the extra."
        )
    return parts.geturl(), ""


def _region(region: str, where: str) -> str:
    # "East US" is how the portal shows it.
    plain = region.lower().replace(" ", "")
    if plain and not _REGION.fullmatch(plain):
        raise AzureSpeechArgumentError(f"{where}: {region!r} is not a region such as eastus.")
    return plain


def _cloud(name: str, where: str) -> AzureCloud:
    try:
        return AzureCloud(name.lower() or AzureCloud.PUBLIC)
    except ValueError:
        raise AzureSpeechArgumentError(
            f"{where}: 'cloud' is {name!r}; it must be one of {', '.join(AzureCloud)}."
        ) from None


def _quotas(value: Any, where: str) -> dict[SynthesisApi, Rate]:
    quotas = {}
    try:
        if isinstance(value, str):
            # The form has no field for nested values; it hands over what was typed.
            value = json.loads(value) if value.strip() else None
        for name, rate in dict(value or {}).items():
            quotas[SynthesisApi(name)] = found = Rate(requests=int(rate["requests"]), seconds=float(rate["seconds"]))
            if found.requests < 1 or found.seconds <= 0:
                raise ValueError("a rate is positive")
    except (TypeError, ValueError, KeyError):
        raise AzureSpeechArgumentError(
            f"{where}: 'quotas' cannot be read; it looks like "
            f'{{"{SynthesisApi.LONG_AUDIO.value}": {{"requests": 5, "seconds": 1}}}} and knows the APIs '
            f"{', '.join(SynthesisApi)}."
        ) from None
    return quotas


def _text(extra: Mapping[str, Any], name: str) -> str:
    value = extra.get(name)
    return str(value).strip() if value is not None else ""
