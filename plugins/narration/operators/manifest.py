"""The manifest of a narration: what it is made of, where each paragraph is heard, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from narration.errors import PermanentNarrationError
from narration.operators.parameters import OUTPUTS
from narration.operators.records import read_record
from narration.synthesis.billing import Bill, Difference, bill_of
from narration.synthesis.estimate import price_facts

if TYPE_CHECKING:
    from narration.audio.timeline import Piece, Timeline
    from narration.services.base import SpeechService
    from narration.store import Store, StoredClip
    from narration.synthesis.planning import Plan
    from narration.synthesis.prices import Price

MANIFEST = "manifest.json"
_MOST_NAMED = 10


class NarrationHoleError(PermanentNarrationError):
    """Paragraphs have no clip; a narration with a hole is never published."""


def published_manifest(store: Store, name: str, *, outputs: Iterable[str] = ()) -> dict[str, Any] | None:
    """
    Give the manifest of a published narration, or ``None`` if it or one of its files is not there.

    :param outputs: files that it must have been made into.
    """
    try:
        manifest = store.read_json("narrations", name, MANIFEST)
    except FileNotFoundError:
        return None
    audio = manifest["audio"]
    if not set(outputs) <= set(audio):
        return None
    for kind in (output for output in OUTPUTS if output in audio):
        path = store.path("narrations", name, audio[kind])
        if not path.exists() or path.stat().st_size != audio[f"{kind}_bytes"]:
            return None
    return manifest


def clips_of(plan: Plan, store: Store) -> dict[str, StoredClip]:
    """
    Give the facts of every clip of a plan.

    :raises NarrationHoleError: naming the paragraphs that have none.
    """
    clips = store.clips(paragraph.clip.clip_key for paragraph in plan.paragraphs)
    holes = [p.clip.place for p in plan.paragraphs if p.clip.clip_key not in clips]
    if holes:
        more = len(holes) - _MOST_NAMED
        raise NarrationHoleError(
            f"{len(holes)} paragraph(s) of {plan.title!r} have no clip in the store, so nothing is published: "
            f"{'; '.join(holes[:_MOST_NAMED])}{f'; and {more} more' if more > 0 else ''}. Start the Dag again: it buys "
            "what is missing and nothing else."
        )
    return clips


def laid_out(plan: Plan, clips: dict[str, StoredClip]) -> tuple[list[Piece], Timeline]:
    """Lay the clips of a plan out on the master's time."""
    from narration.audio.timeline import Pauses, Piece, build_timeline, master_sample_rate

    pieces = [
        Piece(
            clip_key=paragraph.clip.clip_key,
            chapter=paragraph.chapter,
            role=paragraph.role,
            scene_break_before=paragraph.scene_break_before,
            samples=clips[paragraph.clip.clip_key].samples,
            sample_rate=clips[paragraph.clip.clip_key].sample_rate,
        )
        for paragraph in plan.paragraphs
    ]
    rate = master_sample_rate([piece.sample_rate for piece in pieces])
    return pieces, build_timeline(pieces, pauses=Pauses(**plan.pauses), sample_rate=rate)


def manifest_of(
    plan: Plan, store: Store, *, audio: dict[str, Any], service: SpeechService, price: Price | None
) -> dict[str, Any]:
    """
    Describe a finished narration.

    :param audio: what the assembly said of its files.
    :param service: the adapter of the account; knows what it bills beyond the paragraphs.
    :param price: the price of today, for the bill; ``None`` if none is known.
    """
    clips = clips_of(plan, store)
    _, timeline = laid_out(plan, clips)
    paragraphs: list[dict[str, Any]] = []
    first_use: dict[str, int] = {}
    for number, (paragraph, entry) in enumerate(zip(plan.paragraphs, timeline.entries, strict=True)):
        clip = clips[paragraph.clip.clip_key]
        repeats = first_use.setdefault(clip.clip_key, number)
        paragraphs.append(
            {
                "number": number,
                "chapter": paragraph.chapter,
                "role": paragraph.role,
                "place": paragraph.clip.place,
                "start_seconds": timeline.seconds(entry.start),
                "end_seconds": timeline.seconds(entry.end),
                "text": paragraph.clip.spoken_text,
                "clip_key": clip.clip_key,
                "job_id": clip.job_id,
                "billed_characters": clip.characters if repeats == number else 0,
                "billed_characters_reported_by_service": clip.characters_reported,
                **({"repeats_paragraph": repeats} if repeats != number else {}),
            }
        )
    return {
        "schema_version": 1,
        "narration_key": plan.narration_key,
        "title": plan.title,
        "author": plan.author,
        "language": plan.language,
        "source": plan.source,
        "voice_profile": plan.profile.to_dict(),
        "pauses": asdict_of(plan.pauses),
        "audio": audio,
        "billed_characters": sum(paragraph["billed_characters"] for paragraph in paragraphs),
        "bill": bill_facts(bill_of_narration(plan, clips, store, service=service), price=price),
        "chapters": [
            {
                "title": plan.chapter_titles[span.chapter],
                "start_seconds": timeline.seconds(span.start),
                "end_seconds": timeline.seconds(span.end),
            }
            for span in timeline.chapters
        ],
        "paragraphs": paragraphs,
        "left_out": [dict(item) for item in plan.left_out],
    }


def asdict_of(pauses: Any) -> dict[str, int]:
    """Give every pause that takes effect, defaults included."""
    from narration.audio.timeline import Pauses

    return asdict(Pauses(**pauses))


def bill_of_narration(plan: Plan, clips: Mapping[str, StoredClip], store: Store, *, service: SpeechService) -> Bill:
    """
    Reconcile what a whole narration cost, whichever runs bought it, with what it was estimated to cost.

    The service counts jobs and not clips. So what it counted is taken from the records of the orders, for all jobs
    that made nothing but clips of this narration, those included that were paid for in vain. Clips of other jobs, and
    of records that are gone, count as the store has noted them.
    """
    wanted = {paragraph.clip.clip_key: paragraph.clip for paragraph in plan.paragraphs}
    characters = {key: clip.characters for key, clip in wanted.items()}
    places = {paragraph.clip.clip_key: paragraph.clip.place for paragraph in reversed(plan.paragraphs)}
    made_by = {key: clip.job_id for key, clip in clips.items()}
    order_ids = sorted({clip.order_id for clip in clips.values()} - {""})
    bill = Bill()
    seen: set[str] = set()
    for record in store.parallel(lambda order_id: read_record(store, order_id), order_ids):
        whole = [
            job
            for job in record.jobs.values()
            if job.job_id not in seen and job.characters is not None and set(job.clip_keys) <= set(characters)
        ]
        seen.update(job.job_id for job in whole)
        bill += bill_of(
            whole,
            record=record,
            made_by=made_by,
            characters=characters,
            places=places,
            extra=lambda keys: service.extra_characters([wanted[key] for key in keys], profile=plan.profile),
        )
    others: dict[str, list[StoredClip]] = {}
    for clip in clips.values():
        if clip.job_id not in seen:
            others.setdefault(clip.job_id, []).append(clip)
    for job_id, made in others.items():
        bill += _bill_by_clips(job_id, made, characters=characters, places=places)
    return bill


def _bill_by_clips(
    job_id: str, made: list[StoredClip], *, characters: Mapping[str, int], places: Mapping[str, str]
) -> Bill:
    estimated = sum(characters[clip.clip_key] for clip in made)
    billed = sum(clip.characters for clip in made)
    differences: tuple[Difference, ...] = ()
    if estimated != billed:
        named = tuple(places[clip.clip_key] for clip in made[:3])
        differences = (
            Difference(job_id=job_id, characters_estimated=estimated, characters_billed=billed, paragraphs=named),
        )
    return Bill(
        jobs=1,
        characters_estimated=estimated,
        characters_billed=billed,
        uncounted=int(not all(clip.characters_reported for clip in made)),
        differences=differences,
        different=len(differences),
    )


def bill_facts(bill: Bill, *, price: Price | None) -> dict[str, Any]:
    """Give a bill with what it comes to at a price, as JSON types."""
    facts = price_facts(price, characters=bill.characters_billed, name="amount_billed")
    return {**bill.to_dict(), **facts}
