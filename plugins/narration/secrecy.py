"""
What must not be seen in a log, taken out of the lines of the libraries that talk to clouds.

Airflow masks the secrets that it knows in the log of a task. That leaves two gaps, both at the level DEBUG. Airflow
3.3.2 repeats the lines of a task on the console of the scheduler or worker, unmasked. And it does not know what a cloud
gives out while a task runs: tokens, temporary keys, signatures. So the lines are cleaned before they leave the process.
"""

from __future__ import annotations

import logging
import re

_VALUE = r"[^\s,;&'\"<>)\]}]+"
# Each with words of which one is in every text that it finds something in: most lines hold none.
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    # Headers, as they are written into text, dictionaries and lists of pairs.
    (("authorization",), re.compile(r"((?:proxy-)?authorization['\"]?\)?\s*[:=,]\s*b?['\"])[^'\"]*", re.IGNORECASE)),
    (
        ("authorization",),
        re.compile(r"((?:proxy-)?authorization\s*[:=]\s*)(?!b?['\"])[^\r\n]+", re.IGNORECASE),
    ),
    (
        ("x-amz-security-token", "ocp-apim-subscription-key"),
        re.compile(
            rf"((?:x-amz-security-token|ocp-apim-subscription-key)['\"]?\s*[:=,]\s*b?['\"]?){_VALUE}", re.IGNORECASE
        ),
    ),
    (("bearer",), re.compile(rf"(\bBearer\s+){_VALUE}", re.IGNORECASE)),
    # Signed addresses.
    (
        ("sig", "x-amz-", "awsaccesskeyid"),
        re.compile(
            rf"([?&](?:sig|x-amz-signature|x-amz-security-token|x-amz-credential|signature|awsaccesskeyid)=){_VALUE}",
            re.IGNORECASE,
        ),
    ),
    # The answers of those who give out credentials, as XML, as JSON and as Python's words for that.
    (
        ("secretaccesskey", "sessiontoken", "accesskeyid"),
        re.compile(r"(<(?:SecretAccessKey|SessionToken|AccessKeyId)>)[^<]+"),
    ),
    (
        ("secretaccesskey", "token", "secret"),
        re.compile(
            r"""(['"](?:SecretAccessKey|SessionToken|Token|(?:access|refresh|id)_?token|client_?secret)['"]\s*:\s*['"])"""
            r"[^'\"]+",
            re.IGNORECASE,
        ),
    ),
    (("signature:",), re.compile(r"(^\s*Signature:\s*)[0-9A-Za-z+/=]{20,}", re.MULTILINE)),
    # Whoever is named with a password in an address, and addresses that are a password themselves.
    (("@",), re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@'\"]{0,200}:)[^\s/@'\"]+(?=@)", re.IGNORECASE)),
    (("hooks.slack.com",), re.compile(r"(\bhttps://hooks\.slack\.com/)\S+", re.IGNORECASE)),
)


def without_credentials(text: str) -> str:
    """Take keys, tokens, signatures and passwords out of a text, by where they stand in it."""
    folded = text.lower()
    for words, pattern in _PATTERNS:
        if any(word in folded for word in words):
            text = pattern.sub(r"\1***", text)
    return text


class Guard(logging.Filter):
    """Clean every line that passes; also of the secrets that Airflow knows."""

    def filter(self, record: logging.LogRecord) -> bool:
        from airflow.sdk.log import redact

        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            # A line that cannot be formatted; Python says so where it is written.
            return True
        clean = without_credentials(str(redact(text)))
        if clean != text:
            record.msg, record.args = clean, ()
        return True


def guard() -> None:
    """
    Have every line cleaned that a library writes through Python's logging, from now on and in all of this process.

    To be called before credentials are used; again and again does no harm.
    """
    for handler in logging.getLogger().handlers:
        if not any(isinstance(present, Guard) for present in handler.filters):
            handler.addFilter(Guard())
