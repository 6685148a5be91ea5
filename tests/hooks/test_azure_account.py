from __future__ import annotations

import json
from typing import Any

import pytest

from narration.errors import PermanentNarrationError
from narration.hooks.azure_account import AzureSpeechAccount
from narration.hooks.azure_api import Rate, SynthesisApi
from narration.hooks.azure_errors import AzureSpeechArgumentError, AzureSpeechAuthError

BATCH, PREVIEW, LONG_AUDIO = SynthesisApi.BATCH, SynthesisApi.BATCH_PREVIEW, SynthesisApi.LONG_AUDIO
KEY = "0123456789abcdef0123456789abcdef"


def account(*, region: str | None = None, extra: dict[str, Any] | None = None, **fields: Any) -> AzureSpeechAccount:
    from airflow.sdk import Connection

    connection = Connection(conn_id="speech", conn_type="azure_speech", **{"password": KEY, **fields})
    return AzureSpeechAccount.read(conn_id="speech", connection=connection, extra=extra or {}, region=region)


class TestHosts:
    @pytest.mark.parametrize(
        ("cloud", "batch", "long_audio", "voices"),
        [
            (
                "public",
                "https://eastus.api.cognitive.microsoft.com",
                "https://eastus.customvoice.api.speech.microsoft.com",
                "https://eastus.tts.speech.microsoft.com/cognitiveservices/voices/list",
            ),
            (
                "china",
                "https://eastus.api.cognitive.azure.cn",
                "https://eastus.customvoice.api.speech.azure.cn",
                "https://eastus.tts.speech.azure.cn/cognitiveservices/voices/list",
            ),
            (
                "government",
                "https://eastus.api.cognitive.microsoft.us",
                "https://eastus.customvoice.api.speech.azure.us",
                "https://eastus.tts.speech.azure.us/cognitiveservices/voices/list",
            ),
        ],
    )
    def test_a_region_leads_to_the_hosts_of_its_cloud(self, cloud, batch, long_audio, voices):
        found = account(extra={"region": "eastus", "cloud": cloud})

        assert found.base_url(BATCH) == batch
        assert found.base_url(LONG_AUDIO) == found.base_url(PREVIEW) == long_audio
        assert found.voices_url() == voices

    def test_a_custom_domain_serves_2024_04_01_and_the_region_the_older_apis(self):
        found = account(host="https://my-name.cognitiveservices.azure.com/", extra={"region": "westeurope"})

        assert found.base_url(BATCH) == "https://my-name.cognitiveservices.azure.com"
        assert found.base_url(LONG_AUDIO) == "https://westeurope.customvoice.api.speech.microsoft.com"
        assert found.voices_url() == "https://my-name.cognitiveservices.azure.com/tts/cognitiveservices/voices/list"

    def test_a_custom_domain_without_a_region_says_what_the_older_apis_need(self):
        found = account(host="https://my-name.cognitiveservices.azure.com")

        with pytest.raises(AzureSpeechAuthError, match=r"needs the region.*'speech'"):
            found.base_url(PREVIEW)

    @pytest.mark.parametrize(
        "host",
        [
            "https://westeurope.api.cognitive.microsoft.com/",
            "westeurope.tts.speech.microsoft.com",
            "https://westeurope.customvoice.api.speech.microsoft.com",
        ],
    )
    def test_the_address_that_the_portal_shows_for_a_region_is_read_as_the_region(self, host):
        found = account(host=host)

        assert (found.region, found.endpoint) == ("westeurope", "")

    @pytest.mark.parametrize(
        ("fields", "base"),
        [
            ({"host": "http://127.0.0.1:8600"}, "http://127.0.0.1:8600"),
            ({"host": "127.0.0.1", "port": 8600, "schema": "http"}, "http://127.0.0.1:8600"),
            ({"host": "http://localhost:8600"}, "http://localhost:8600"),
            ({"host": "http://[::1]:8600"}, "http://[::1]:8600"),
            ({"host": "gateway.example.org/speech"}, "https://gateway.example.org/speech"),
        ],
    )
    def test_any_other_address_stands_in_for_all_apis(self, fields, base):
        found = account(**fields)

        assert {found.base_url(api) for api in SynthesisApi} == {base}
        assert found.voices_url() == f"{base}/cognitiveservices/voices/list"

    @pytest.mark.parametrize("extra", [{}, {"allow_http": True}])
    @pytest.mark.parametrize(
        "fields",
        [
            {"host": "http://my-name.cognitiveservices.azure.com"},
            {"host": "my-name.cognitiveservices.azure.com", "schema": "http"},
        ],
    )
    def test_a_key_is_never_sent_to_azure_in_clear_text(self, fields, extra):
        assert account(extra=extra, **fields).base_url(BATCH) == "https://my-name.cognitiveservices.azure.com"

    @pytest.mark.parametrize("allow_http", [True, "true", "True"])
    def test_a_test_host_in_a_private_network_may_do_without_encryption_if_the_connection_says_so(self, allow_http):
        assert account(host="http://cloud.internal:8600", extra={"allow_http": allow_http}).endpoint == (
            "http://cloud.internal:8600"
        )

    def test_an_argument_overrides_the_connection_s_region(self):
        found = account(region="uksouth", extra={"region": "eastus"})

        assert found.region == "uksouth"

    def test_a_region_may_be_written_as_the_portal_shows_it(self):
        assert account(extra={"region": "East US"}).region == "eastus"


class TestWhatIsMissingOrWrong:
    @pytest.mark.parametrize(
        ("fields", "extra", "words"),
        [
            ({}, {}, r"names no region.*eastus"),
            ({"password": None}, {"region": "eastus"}, r"holds no key.*Keys and Endpoint"),
            ({"password": "schlüssel-0123"}, {"region": "eastus"}, r"not a key"),
            ({"password": "two\nlines-0123"}, {"region": "eastus"}, r"not a key"),
            ({}, {"region": "eastus", "auth": "entra"}, r"part of a service principal"),
            ({"password": None}, {"region": "eastus", "auth": "entra"}, r"custom domain"),
        ],
    )
    def test_what_no_request_can_do_without_is_named_with_its_place(self, fields, extra, words):
        with pytest.raises(AzureSpeechAuthError, match=words) as raised:
            account(extra=extra, **fields)

        assert "'speech'" in str(raised.value)
        assert isinstance(raised.value, PermanentNarrationError)

    @pytest.mark.parametrize(
        ("fields", "extra", "words"),
        [
            ({}, {"region": "eastus.evil.example/"}, "not a region"),
            ({}, {"region": "eastus", "cloud": "germany"}, "public, china, government"),
            ({}, {"region": "eastus", "auth": "password"}, "'key' or 'entra'"),
            ({}, {"region": "eastus", "quotas": {"long-audio-v3.0": 5}}, "'quotas' cannot be read"),
            ({}, {"region": "eastus", "quotas": {"long-audio": {"requests": 5, "seconds": 1}}}, "knows the APIs"),
            ({}, {"region": "eastus", "quotas": '{"long-audio-v3.0": {"requests": 0, "seconds": 1}}'}, "quotas"),
            ({}, {"region": "eastus", "quotas": "{"}, "quotas"),
            ({"host": "https://user:secret@host.example"}, {}, "not an address"),
            ({"host": "https://:secret@host.example"}, {}, "not an address"),
            ({"host": "https://host.example/x?sig=secret"}, {}, "not an address"),
            ({"host": "http://host.example/secret"}, {}, "Write https://.*'allow_http': true"),
            ({"host": "host.example", "schema": "http"}, {"allow_http": False}, "Write https://"),
            ({"host": "ftp://host.example"}, {}, "not an address"),
            ({"host": "https://[half"}, {}, "not an address"),
        ],
    )
    def test_what_cannot_be_right_is_refused_without_repeating_secrets(self, fields, extra, words):
        with pytest.raises(AzureSpeechArgumentError, match=words) as raised:
            account(extra=extra, **fields)

        assert "secret" not in str(raised.value)

    def test_quotas_are_read_from_the_form_s_text_as_well(self):
        quotas = {"long-audio-v3.0": {"requests": 10, "seconds": 2}}

        for value in (quotas, json.dumps(quotas)):
            found = account(extra={"region": "eastus", "quotas": value})
            assert found.rate(LONG_AUDIO) == Rate(requests=10, seconds=2)
            assert found.rate(BATCH) == Rate(requests=100, seconds=10)

    def test_the_documented_rates_hold_unless_the_connection_says_otherwise(self):
        found = account(extra={"region": "eastus", "quotas": ""})

        assert found.rate(LONG_AUDIO) == Rate(requests=5, seconds=1)
        assert found.rate(PREVIEW) == Rate(requests=50, seconds=5)


class TestWhoPays:
    def test_the_account_is_the_same_every_time_and_shows_no_key(self):
        first, second = (account(extra={"region": "eastus"}).account for _ in range(2))

        assert first == second
        assert KEY not in first
        assert first.startswith("azure:eastus:")

    def test_another_key_or_region_is_another_account(self):
        accounts = {
            account(extra={"region": "eastus"}).account,
            account(extra={"region": "westus"}).account,
            account(extra={"region": "eastus"}, password="another-key-0123").account,
        }

        assert len(accounts) == 3

    def test_a_resource_with_a_name_stays_the_same_when_its_key_is_replaced(self):
        named = {"region": "eastus", "resource": "publisher"}

        assert account(extra=named).account == account(extra=named, password="another-key-0123").account
        assert account(extra=named).account != account(extra={**named, "resource": "newsroom"}).account

    def test_a_custom_domain_is_the_resource_whatever_opens_it(self):
        domain = "https://my-name.cognitiveservices.azure.com"
        with_key = account(host=domain)
        with_identity = account(host=domain, password=None, extra={"auth": "entra"})

        assert with_key.account == with_identity.account == "azure:my-name.cognitiveservices.azure.com"

    def test_its_representation_shows_no_secret(self):
        found = account(
            host="https://my-name.cognitiveservices.azure.com",
            login="client",
            password="client-secret",
            extra={"auth": "entra", "tenant_id": "tenant"},
        )

        assert "client-secret" not in repr(found)
        assert KEY not in repr(account(extra={"region": "eastus"}))


class TestEntra:
    def test_the_older_apis_are_refused_with_a_way_out(self):
        found = account(
            host="https://my-name.cognitiveservices.azure.com",
            password=None,
            extra={"auth": "entra", "region": "eastus"},
        )

        assert found.base_url(BATCH)
        for api in (LONG_AUDIO, PREVIEW):
            with pytest.raises(AzureSpeechAuthError, match=r"regional hosts only.*2024-04-01"):
                found.base_url(api)
