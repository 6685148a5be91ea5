"""Ask AWS, before anything is bought, whether the voice, the lexicons and the bucket are really there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from narration.errors import NarrationError, PermanentNarrationError
from narration.hooks.polly import PollyHook
from narration.hooks.polly_errors import PollyRefusedError
from narration.synthesis.polly_choice import VoiceChoiceError, check_choice
from narration.synthesis.profile import Lexicon, VoiceProfile

POLLY = "polly"
"""The name of the service."""


class BucketError(PermanentNarrationError):
    """The bucket that Polly is to write into cannot be used."""


def polly_profile(
    hook: PollyHook,
    *,
    voice: str,
    engine: str,
    language_code: str | None,
    audio_format: str,
    sample_rate: int | None,
    lexicons: Sequence[str],
) -> VoiceProfile:
    """
    Make the voice profile that takes effect, as the account's Region really offers it.

    :raises VoiceChoiceError: if the Region does not offer it, naming the remedy.
    """
    rate = check_choice(
        voice=voice,
        engine=engine,
        language_code=language_code,
        audio_format=audio_format,
        sample_rate=sample_rate,
        lexicons=lexicons,
    )
    region = hook.conn_region_name
    offered = {entry["Id"]: entry for entry in hook.describe_voices(engine=engine)}
    if voice not in offered:
        raise VoiceChoiceError(
            f"{region} does not offer {voice} with the {engine} engine. DescribeVoices lists {len(offered)} voices for "
            f"this engine there{': ' + ', '.join(sorted(offered)[:12]) if offered else ''}."
        )
    entry = offered[voice]
    languages = [entry["LanguageCode"], *entry.get("AdditionalLanguageCodes", [])]
    if language_code and language_code not in languages:
        raise VoiceChoiceError(f"{voice} does not speak {language_code} in {region}; it speaks {', '.join(languages)}.")
    return VoiceProfile(
        service=POLLY,
        voice=voice,
        engine=engine,
        language_code=language_code or None,
        audio_format=audio_format,
        sample_rate=rate,
        lexicons=tuple(_lexicon(hook, name) for name in lexicons),
    )


def _lexicon(hook: PollyHook, name: str) -> Lexicon:
    try:
        content = hook.get_lexicon(name=name)["Lexicon"]["Content"]
    except PollyRefusedError as error:
        raise VoiceChoiceError(
            f"The lexicon {name!r} cannot be read in {hook.conn_region_name}: {error} "
            "Upload it with PutLexicon, or leave it out."
        ) from error
    return Lexicon(name=name, sha256=hashlib.sha256(content.encode()).hexdigest())


def check_bucket(hook: PollyHook, *, s3: Any, bucket: str) -> None:
    """
    Make sure that Polly can write into the bucket, as far as a look at it tells.

    :raises BucketError: if it does not exist, is another account's, or lies in another Region.
    """
    if not bucket:
        raise BucketError(
            "No bucket is set for Polly to write into. Give the field Bucket for Polly (parameter 'output_bucket'), or "
            "set AIRFLOW__NARRATION__POLLY_BUCKET."
        )
    region = hook.conn_region_name
    try:
        answer = s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 404:
            raise BucketError(
                f"The bucket {bucket!r} does not exist. Create it in {region} "
                f"(aws s3 mb s3://{bucket} --region {region}), or name another one in 'output_bucket'."
            ) from error
        if status == 403:
            raise BucketError(
                f"The bucket {bucket!r} may not be used with connection {hook.aws_conn_id!r}: it belongs to "
                "another account, or the principal lacks s3:ListBucket on it."
            ) from error
        if status == 301:
            raise BucketError(f"The bucket {bucket!r} cannot be used from {region}: {error}") from error
        raise NarrationError(
            f"The bucket {bucket!r} could not be looked at: {error}. Is the session token out of date? Try again."
        ) from error
    except BotoCoreError as error:
        raise NarrationError(f"S3 could not be asked for the bucket {bucket!r}: {error}. Try again.") from error
    lies_in = answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    if lies_in and lies_in != region:
        raise BucketError(
            f"The bucket {bucket!r} lies in {lies_in}, but Polly is called in {region} and writes only within "
            "its own Region. Name a bucket there, or set the connection's region_name."
        )


def check_lexicons(hook: PollyHook, profile: VoiceProfile) -> None:
    """
    Make sure that the lexicons still are what they were when the narration was planned.

    :raises VoiceChoiceError: if one was changed, for the clips' keys stand for the old one.
    """
    for lexicon in profile.lexicons:
        if _lexicon(hook, lexicon.name) != lexicon:
            raise VoiceChoiceError(
                f"The lexicon {lexicon.name!r} was changed after the narration was planned, and nothing more is bought "
                "with it. Start the Dag again: paragraphs are then bought with the lexicon as it is."
            )
