"""The last task of the road: the manifest, whose being there makes a narration published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.operators.assemble import MANIFEST, manifest_of, published_manifest
from narration.operators.parameters import NarrationParameters

if TYPE_CHECKING:
    from airflow.sdk import Context


class PublishNarrationOperator(BaseOperator):
    """
    Write the manifest beside the audio and say where everything lies and what it cost.

    Returns ``{"title", "narration_uri", "manifest_uri", "mp3_uri", "m4b_uri", "duration_seconds", "mp3_bytes",
    "m4b_bytes", "chapters", "paragraphs", "billed_characters", "bought_characters_this_run"}``.

    :param service: the speech service that the Dag stands for.
    :param assembled: what :class:`~narration.operators.assemble.AssembleNarrationOperator` returned.
    :param orders_task_id: the mapped task whose results say what this run bought.
    """

    template_fields = ("assembled",)
    ui_color = "#dff5e4"

    def __init__(self, *, service: str, assembled: Any, orders_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.service = service
        self.assembled = assembled
        self.orders_task_id = orders_task_id

    def execute(self, context: Context) -> dict[str, Any]:
        from narration.store import Store
        from narration.synthesis.planning import Plan

        parameters = NarrationParameters.of(context["params"], service=self.service)
        store = Store(location=parameters.storage, conn_id=parameters.storage_conn_id)
        name = self.assembled["narration"]
        manifest = published_manifest(store, name)
        if manifest is None:
            plan = Plan.from_dict(store.handed_over("plans", f"{self.assembled['plan']}.json"))
            audio = {key: value for key, value in self.assembled.items() if key not in ("narration", "plan", "reused")}
            manifest = manifest_of(plan, store, audio=audio)
            store.write_json("narrations", name, MANIFEST, value=manifest)
        bought = sum(result["bought_characters"] for result in self._order_results(context))
        audio = manifest["audio"]
        result = {
            "title": manifest["title"],
            "narration_uri": store.uri_of("narrations", name),
            "manifest_uri": store.uri_of("narrations", name, MANIFEST),
            "mp3_uri": store.uri_of("narrations", name, audio["mp3"]),
            "m4b_uri": store.uri_of("narrations", name, audio["m4b"]),
            "duration_seconds": audio["duration_seconds"],
            "mp3_bytes": audio["mp3_bytes"],
            "m4b_bytes": audio["m4b_bytes"],
            "chapters": len(manifest["chapters"]),
            "paragraphs": len(manifest["paragraphs"]),
            "billed_characters": manifest["billed_characters"],
            "bought_characters_this_run": bought,
        }
        self.log.info("Published %(title)r: %(mp3_uri)s, %(duration_seconds).0f s.", result)
        if bought:
            self.log.info("This run bought %d characters.", bought)
        else:
            self.log.info("This run bought nothing: every paragraph was in the store already or adopted.")
        return result

    def _order_results(self, context: Context) -> Iterable[Mapping[str, Any]]:
        results: Any = context["ti"].xcom_pull(task_ids=self.orders_task_id)
        if results is None:
            return []
        return [results] if isinstance(results, Mapping) else [result for result in results if result]
