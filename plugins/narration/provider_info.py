"""What Airflow learns about this package once it is installed: above all, its connection type and the form for it."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """
    Describe the package as an Airflow provider (entry point ``apache_airflow_provider``).

    Airflow discovers providers among installed distributions only. Without installing it, from the plugins folder,
    everything works but the form: a connection is then written as ``AIRFLOW_CONN_…``, or with
    ``airflow connections add --conn-type azure_speech``. The plugin of an installed package is not named here but in an
    entry point of its own, see :mod:`narration.installed_plugin`: Airflow would report one from here as an error
    wherever the plugins folder has it too.
    """
    return {
        "package-name": "narration",
        "name": "Narration",
        "description": "Audiobooks from long texts, through asynchronous cloud speech jobs",
        "integrations": [
            {
                "integration-name": "Azure AI Speech",
                "external-doc-url": "https://learn.microsoft.com/azure/ai-services/speech-service/batch-synthesis",
                "tags": ["azure"],
            },
        ],
        "config": {
            "narration": {
                "description": "Defaults of this installation for narrations.",
                "options": {
                    "storage": {
                        "description": "Where clips, orders and narrations are kept, unless the form of a Dag says "
                        "otherwise: a folder that all workers share, or a location such as s3://bucket/narration.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://my-bucket/narration",
                        "default": "",
                    },
                    "polly_bucket": {
                        "description": "S3 bucket that Polly writes into, unless the form of a Dag says otherwise.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "my-polly-output",
                        "default": "",
                    },
                    "prices": {
                        "description": "Prices of a million characters as JSON, for estimates and budgets; those of "
                        "the public price lists are used without it.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": '{"currency": "EUR", "polly": {"neural": 14.8}}',
                        "default": "",
                    },
                    "limits": {
                        "description": "Where the calls per second of an account are counted. Empty: on each machine "
                        "for itself. With several, a Redis that all workers and triggerers reach: its address, or "
                        "the id of an Airflow connection of type redis. Needs the Python package redis.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "redis://:password@redis:6379/1",
                        "default": "",
                        # The address may hold a password.
                        "sensitive": True,
                    },
                    "inbox": {
                        "description": "Folder or URI that narrate_nightly looks through; its form may name another. "
                        "See docs/nightly.md.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://my-bucket/inbox",
                        "default": "",
                    },
                    "inbox_layout": {
                        "description": "Which run a document of the inbox belongs to: modified (by its time of "
                        "modification) or date (by the dated folder that it lies in).",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "date",
                        "default": "modified",
                    },
                    "inbox_folders": {
                        "description": "Names of the inbox's dated folders; a percent sign is written twice in "
                        "airflow.cfg, and once in the environment.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "%%Y/%%m/%%d",
                        "default": "%%Y-%%m-%%d",
                    },
                    "inbox_profile": {
                        "description": "YAML: how documents are narrated that have no profile of their own.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "service: azure_batch",
                        "default": "",
                    },
                    "nightly_schedule": {
                        "description": "When narrate_nightly runs, a cron expression; each run is about the time "
                        "since the one before.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "0 3 * * *",
                        "default": "0 0 * * *",
                    },
                    "nightly_timezone": {
                        "description": "Time zone of that schedule, and of the days that folders are named by.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "Europe/Berlin",
                        "default": "UTC",
                    },
                    "notices": {
                        "description": "Who is told when a run succeeds or fails, is over its budget or is late: a "
                        "JSON object of lists. See docs/notices.md.",
                        "type": "string",
                        "version_added": None,
                        "example": '{"success": ["slack:narration_slack"], "failure": ["smtp:ops@example.com"]}',
                        "default": "",
                    },
                    "nightly_deadline": {
                        "description": "How long a nightly run may take, counted from the end of its interval, before "
                        "somebody is told: 6h, 90m, 1h30m, or off.",
                        "type": "string",
                        "version_added": None,
                        "example": "90m",
                        "default": "6h",
                    },
                },
            },
        },
        "hooks": [
            {"integration-name": "Azure AI Speech", "python-modules": ["narration.hooks.azure_speech"]},
        ],
        "connection-types": [
            {
                "connection-type": "azure_speech",
                "hook-class-name": "narration.hooks.azure_speech.AzureSpeechHook",
                "hook-name": "Azure AI Speech",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {
                        "host": "Custom domain or endpoint",
                        "login": "Client ID (Entra ID only)",
                        "password": "Key, or client secret (Entra ID)",
                    },
                    "placeholders": {
                        "host": "empty, or https://my-name.cognitiveservices.azure.com",
                        "login": "empty, unless a service principal signs in",
                        "password": "one of the two keys of the Speech resource",
                    },
                },
                "conn-fields": {
                    "region": {
                        "label": "Region",
                        "description": "Region of the Speech resource, such as eastus. Pricing tier S0 is needed.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "auth": {
                        "label": "Sign in with",
                        "description": "key, or entra (Microsoft Entra ID; needs a custom domain; batch synthesis "
                        "2024-04-01 only). Without client ID and secret, entra uses the identity of the machine.",
                        "schema": {"type": ["string", "null"], "enum": ["key", "entra"], "default": "key"},
                    },
                    "cloud": {
                        "label": "Cloud",
                        "description": "Microsoft's public cloud, or a sovereign one.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["public", "china", "government"],
                            "default": "public",
                        },
                    },
                    "tenant_id": {
                        "label": "Tenant ID",
                        "description": "Entra ID with a service principal: its directory.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "managed_identity_client_id": {
                        "label": "Managed identity client ID",
                        "description": "Entra ID with a user-assigned managed identity: which one.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "resource": {
                        "label": "Resource name",
                        "description": "A name for the resource, of your choice. With it, jobs that are under way are "
                        "still recognised after the key was replaced; without it, the key stands for the resource.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "quotas": {
                        "label": "Quotas",
                        "description": 'Other rates than the documented ones: {"long-audio-v3.0": {"requests": 5, '
                        '"seconds": 1}}; also batch-synthesis-3.1-preview1 and batch-synthesis-2024-04-01.',
                        "schema": {"type": ["object", "null"]},
                    },
                },
            },
        ],
    }
