"""The fourth task of the road: the clips in the store become an MP3, an M4B, or both."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from narration import logs, metrics
from narration.operators.base import RoadOperator
from narration.operators.manifest import clips_of, laid_out, published_manifest
from narration.operators.parameters import OUTPUTS

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.audio.timeline import Piece, Timeline
    from narration.store import Store, StoredClip
    from narration.synthesis.planning import Plan


class AssembleNarrationOperator(RoadOperator):
    """
    Join the clips of a plan into the finished audio files and lay them beside where the manifest will be.

    Nothing counts as published before :class:`~narration.operators.publish.PublishNarrationOperator` has written the
    manifest. A narration that is published already, clip for clip and pause for pause the same, is not made again.

    Returns ``{"narration", "plan", "reused", "mp3", "m4b", "mp3_bytes", "m4b_bytes", "duration_seconds",
    "sample_rate"}``; names are relative to the store, and those of files that nobody wants are left out.

    :param plan: name of the plan in the store.
    :param bitrate_kbps: of each file.
    """

    template_fields = ("request", "plan")
    ui_color = "#dff5e4"

    def __init__(self, *, plan: Any, bitrate_kbps: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.bitrate_kbps = bitrate_kbps

    def work(self, context: Context) -> dict[str, Any]:
        from narration.store import Store
        from narration.synthesis.planning import Plan

        parameters = self.parameters(context)
        store = Store(location=parameters.storage, conn_id=parameters.storage_conn_id)
        self.lineage.reads(store.uri_of("plans", f"{self.plan}.json"))
        plan = Plan.from_dict(store.handed_over("plans", f"{self.plan}.json"))
        logs.add(document=plan.title)
        slug = slug_of(plan.title)
        name = f"{slug}-{plan.narration_key[:10]}"

        published = published_manifest(store, name, outputs=parameters.outputs)
        if published is not None:
            self.log.info("%s is published already, clip for clip the same; it is not assembled again.", name)
            self._tell(plan, store=store, name=name, audio=published["audio"], is_new=False, service=parameters.service)
            return {"narration": name, "plan": self.plan, "reused": True, **published["audio"]}

        # What was made for somebody before stays there.
        before = published_manifest(store, name)
        outputs = [kind for kind in OUTPUTS if kind in parameters.outputs or (before and kind in before["audio"])]
        clips = clips_of(plan, store)
        for order_id in sorted({clip.order_id for clip in clips.values()} - {""}):
            self.lineage.reads(store.uri_of("orders", f"{order_id}.record.json"))
        pieces, timeline = laid_out(plan, clips)
        with self._folder() as folder, metrics.assembling(service=parameters.service):
            audio = self._assembled(
                plan,
                clips,
                pieces,
                timeline,
                context=context,
                store=store,
                folder=folder,
                slug=slug,
                outputs=outputs,
            )
            for kind in outputs:
                store.upload(folder / audio[kind], "narrations", name, audio[kind])
        self._tell(plan, store=store, name=name, audio=audio, is_new=True, service=parameters.service)
        return {"narration": name, "plan": self.plan, "reused": False, **audio}

    @staticmethod
    @contextmanager
    def _folder() -> Iterator[Path]:
        """
        Give a folder for the files while they are made.

        :raises narration.hooks.machine.DiskError: there is no room for them on this machine.
        """
        from narration.audio.errors import AssemblyError
        from narration.hooks.machine import disk_error, writing

        with writing(f"The finished audio, made in {tempfile.gettempdir()},"):
            folder = tempfile.TemporaryDirectory(prefix="narration-")
        with folder as name:
            try:
                yield Path(name)
            except AssemblyError as error:
                if not isinstance(error.__cause__, OSError):
                    raise
                raise disk_error(f"The finished audio, made in {name},", error.__cause__) from error

    def _tell(
        self, plan: Plan, *, store: Store, name: str, audio: Mapping[str, Any], is_new: bool, service: str
    ) -> None:
        self.lineage.says(
            title=plan.title,
            service=service,
            voice=plan.profile.voice,
            engine=plan.profile.engine,
            durationSeconds=audio["duration_seconds"],
        )
        for kind in (kind for kind in OUTPUTS if kind in audio):
            self.lineage.makes(
                store.uri_of("narrations", name, audio[kind]),
                description=f"{plan.title}, read by {plan.profile.voice}",
                size=audio[f"{kind}_bytes"] if is_new else None,
            )

    def _assembled(
        self,
        plan: Plan,
        clips: dict[str, StoredClip],
        pieces: list[Piece],
        timeline: Timeline,
        *,
        context: Context,
        store: Store,
        folder: Path,
        slug: str,
        outputs: Collection[str],
    ) -> dict[str, Any]:
        from narration.audio.assembly import assemble
        from narration.audio.decoding import decode_clip
        from narration.audio.tags import Tags

        def load(key: str) -> Any:
            clip = clips[key]
            return decode_clip(store.clip_audio(clip), audio_format=clip.audio_format, sample_rate=clip.sample_rate)

        state: Any = context.get("task_state_store")

        def show_progress(share: float) -> None:
            percent = round(share * 100)
            if state is not None:
                state.set("progress", {"percent": percent})
            if percent % 10 == 0:
                self.log.info("Assembled %d %%.", percent)

        self.log.info(
            "Assembling %d paragraphs in %d chapters, %.0f s of audio.",
            len(pieces),
            len(timeline.chapters),
            timeline.duration_seconds,
        )
        report = assemble(
            timeline,
            pieces=pieces,
            load_clip=load,
            mp3_path=folder / f"{slug}.mp3" if "mp3" in outputs else None,
            m4b_path=folder / f"{slug}.m4b" if "m4b" in outputs else None,
            tags=Tags(
                title=plan.title,
                author=plan.author,
                language=plan.profile.language_code or plan.language,
                narrator=plan.profile.voice,
                comment=f"Synthetic voice: {plan.profile.service}, {plan.profile.voice}, {plan.profile.engine}",
            ),
            chapter_titles=plan.chapter_titles,
            bitrate_kbps=self.bitrate_kbps,
            progress=show_progress,
        )
        sizes = {"mp3": report.mp3_bytes, "m4b": report.m4b_bytes}
        return {
            **{kind: f"{slug}.{kind}" for kind in outputs},
            **{f"{kind}_bytes": sizes[kind] for kind in outputs},
            "duration_seconds": report.duration_seconds,
            "sample_rate": timeline.sample_rate,
        }


def slug_of(title: str) -> str:
    """Make a file name of a title: ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "narration"
