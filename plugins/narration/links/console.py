"""Where a person can see, with a browser, what lies in an object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_S3 = ("s3", "s3a", "s3n")
_GOOGLE = ("gs", "gcs")
_AZURE = ("abfs", "abfss", "az", "adl", "wasb", "wasbs")


def console_url(path: ObjectStoragePath) -> str:
    """Give the address at which a person can see a folder, or an empty text if there is none."""
    bucket, key = _parts(path)
    folder = f"{key.strip('/')}/" if key.strip("/") else ""
    if path.protocol in _S3:
        if endpoint := _endpoint(path):
            return f"{endpoint}/{bucket}/{quote(folder)}"
        return f"https://console.aws.amazon.com/s3/buckets/{bucket}?prefix={quote(folder, safe='')}"
    if path.protocol in _GOOGLE:
        return f"https://console.cloud.google.com/storage/browser/{bucket}/{quote(folder)}"
    if account := _account(path):
        return f"https://{account}.blob.core.windows.net/{bucket}/{quote(folder)}"
    return ""


def object_url(path: ObjectStoragePath) -> str:
    """Give the address at which a person can see one object, or an empty text if there is none."""
    bucket, key = _parts(path)
    if path.protocol in _S3:
        if endpoint := _endpoint(path):
            return f"{endpoint}/{bucket}/{quote(key)}"
        return f"https://console.aws.amazon.com/s3/object/{bucket}?prefix={quote(key, safe='')}"
    if path.protocol in _GOOGLE:
        return f"https://console.cloud.google.com/storage/browser/_details/{bucket}/{quote(key)}"
    if account := _account(path):
        return f"https://{account}.blob.core.windows.net/{bucket}/{quote(key)}"
    return ""


def _parts(path: ObjectStoragePath) -> tuple[str, str]:
    bucket, _, key = str(path.path).lstrip("/").partition("/")
    return bucket, key


def _endpoint(path: ObjectStoragePath) -> str:
    """Give the address of an S3 that is not AWS's own."""
    settings = getattr(path.fs, "client_kwargs", None) or {}
    endpoint = getattr(path.fs, "endpoint_url", None) or settings.get("endpoint_url")
    return str(endpoint).rstrip("/") if endpoint and ".amazonaws." not in endpoint else ""


def _account(path: ObjectStoragePath) -> str:
    return (getattr(path.fs, "account_name", None) or "") if path.protocol in _AZURE else ""
