"""From the result zip of a finished Azure job to its clips. Nothing is guessed: what cannot be paired is a defect."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from narration.hooks.azure_errors import AzureJobNotFoundError, AzureSpeechRefusedError
from narration.hooks.azure_zip import AzureResultDamagedError
from narration.services.base import AudioMissingError, FetchedClip

if TYPE_CHECKING:
    from narration.hooks.azure_api import SynthesisApi
    from narration.hooks.azure_results import Boundary, ResultRow, Results
    from narration.hooks.azure_speech import AzureSpeechHook
    from narration.synthesis.reconcile import Job

_LARGEST_RESULT = 16 * 1024**3
_LARGEST_CLIP = 512 * 1024**2
_NUMBER = re.compile(r"0*(\d+)\.[^/]*")
_LONGEST_REASON = 500


def fetch_clips(hook: AzureSpeechHook, *, api: SynthesisApi, job: Job, extra_inputs: int = 0) -> Iterator[FetchedClip]:
    """
    Download a job's results and give each clip of the job.

    A download that arrives damaged is repeated once, and goes on where the first one broke off.

    :param job: with its clip keys in the order of its inputs.
    :param extra_inputs: inputs after those, which nobody wants.
    :raises AudioMissingError: if the results are not there, or arrive damaged again.
    :raises narration.hooks.azure_zip.AzureResultUnsafeError: if they hold what results never do.
    """
    given: set[str] = set()
    damage: AzureResultDamagedError | None = None
    for _ in range(2):
        try:
            for clip in _downloaded(hook, api=api, job=job, extra_inputs=extra_inputs, without=given):
                given.add(clip.clip_key)
                yield clip
        except AzureResultDamagedError as error:
            damage = error
        except AzureJobNotFoundError as error:
            raise AudioMissingError(f"Job {job.job_id} has no results any more: {error}") from error
        else:
            return
    raise AudioMissingError(f"The results of job {job.job_id} arrived damaged twice: {damage}") from damage


def _downloaded(
    hook: AzureSpeechHook, *, api: SynthesisApi, job: Job, extra_inputs: int, without: Collection[str]
) -> Iterator[FetchedClip]:
    from narration.hooks.azure_results import open_results

    with tempfile.TemporaryFile(prefix="narration-") as file:
        try:
            hook.download(api=api, job_id=job.job_id, to=file, max_bytes=_LARGEST_RESULT)
        except AzureSpeechRefusedError:
            _check_there_is_one(hook, api=api, job=job)
            raise
        with open_results(file) as results:
            pair = _by_summary if results.has_summary else _by_name
            yield from pair(results, job.clip_keys, extra_inputs=extra_inputs, without=frozenset(without))


def _check_there_is_one(hook: AzureSpeechHook, *, api: SynthesisApi, job: Job) -> None:
    try:
        hook.result_url(api=api, job_id=job.job_id)
    except AzureSpeechRefusedError as error:
        raise AudioMissingError(str(error)) from error


# -- batch synthesis: the summary says which file belongs to which input -----------------------------------------


def _by_summary(
    results: Results, keys: Sequence[str], *, extra_inputs: int, without: frozenset[str]
) -> Iterator[FetchedClip]:
    expected = len(keys) + extra_inputs
    if [row.position for row in results.rows] != list(range(expected)):
        reason = f"the summary has {len(results.rows)} results for {expected} inputs, so it is not known which is which"
        yield from _none(keys, results, reason=reason, without=without)
        return
    for key, row in zip(keys, results.rows, strict=False):
        if key in without:
            continue
        if not row.succeeded or row.audio_name is None:
            yield FetchedClip(clip_key=key, data=None, defect=row.error or "the summary names no audio")
            continue
        yield FetchedClip(
            clip_key=key,
            data=results.read(row.audio_name, max_bytes=_LARGEST_CLIP),
            boundaries=_boundaries(results, row),
            characters=row.billed_characters,
        )


def _boundaries(results: Results, row: ResultRow) -> dict[str, Any] | None:
    # The file of sentences is left out for an input in which nothing is spoken.
    if row.word_boundary_name is None and row.sentence_boundary_name is None:
        return None
    return {
        "words": [_as_json(each) for each in results.boundaries(row.word_boundary_name)],
        "sentences": [_as_json(each) for each in results.boundaries(row.sentence_boundary_name)],
    }


def _as_json(boundary: Boundary) -> dict[str, Any]:
    return {"text": boundary.text, "offset_ms": boundary.offset_ms, "duration_ms": boundary.duration_ms}


# -- Long Audio: there is no summary, only the names of the files ------------------------------------------------


def _by_name(
    results: Results, keys: Sequence[str], *, extra_inputs: int, without: frozenset[str]
) -> Iterator[FetchedClip]:
    """
    Pair files with paragraphs: all of them in their order, or, where some are missing, by numbers that account for all.

    A file that is missing without a trace would shift all that follow, so without proof nothing is paired.
    """
    expected = len(keys) + extra_inputs
    reports = results.error_reports()
    audio: dict[int, str] = {}
    if len(results.audio_names) == expected:
        audio = dict(enumerate(results.audio_names))
    else:
        audio, failed = _numbered(results.audio_names), _numbered(reports)
        if set(audio) | set(failed) != set(range(expected)) or set(audio) & set(failed):
            said = f"; it says: {' '.join(reports.values())[:_LONGEST_REASON]}" if reports else ""
            reason = (
                f"the result has {len(results.audio_names)} audio files for {expected} paragraphs, so it is not known "
                f"which is which{said}"
            )
            yield from _none(keys, results, reason=reason, without=without)
            return
        reports = {str(position): reports[name] for position, name in failed.items()}
    for position, key in enumerate(keys):
        if key in without:
            continue
        if position in audio:
            yield FetchedClip(clip_key=key, data=results.read(audio[position], max_bytes=_LARGEST_CLIP))
        else:
            reason = reports[str(position)][:_LONGEST_REASON]
            yield FetchedClip(clip_key=key, data=None, defect=reason or "the service made no audio and gives no reason")


def _numbered(names: Collection[str]) -> dict[int, str]:
    """Give the names by the position that the number at their beginning says, counted from 0."""
    found = {}
    for name in names:
        number = _NUMBER.fullmatch(name)
        if number is not None:
            found[int(number[1]) - 1] = name
    return found if len(found) == len(names) else {}


def _none(keys: Sequence[str], results: Results, *, reason: str, without: frozenset[str]) -> Iterator[FetchedClip]:
    for key in keys:
        if key not in without:
            yield FetchedClip(clip_key=key, data=None, defect=reason, uncertain=bool(results.audio_names))
