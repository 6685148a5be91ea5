"""The last task of the road: the manifest, whose being there makes a narration published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from narration import logs, metrics
from narration.links.narration import (
    NarrationFolderLink,
    NarrationM4bLink,
    NarrationManifestLink,
    NarrationMp3Link,
    persist_narration,
)
from narration.operators.assets import tell_of_narration
from narration.operators.base import RoadOperator
from narration.operators.manifest import MANIFEST, bill_facts, manifest_of, published_manifest
from narration.operators.parameters import OUTPUTS
from narration.operators.run_note import push_note
from narration.synthesis.billing import Bill
from narration.synthesis.estimate import price_from_facts

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.synthesis.prices import Price


class PublishNarrationOperator(RoadOperator):
    """
    Write the manifest beside the audio and say where everything lies and what it cost.

    Returns ``{"title", "narration_uri", "manifest_uri", "mp3_uri", "m4b_uri", "duration_seconds", "mp3_bytes",
    "m4b_bytes", "chapters", "paragraphs", "billed_characters", "bought_characters_this_run"}``, and pushes ``bill``:
    what this run bought, as a :class:`~narration.synthesis.billing.Bill` with its price and the plan's estimate. A job
    of which the service counted something else than was estimated is named in a warning. Links lead to the narration
    where its storage has a console.

    :param assembled: what :class:`~narration.operators.assemble.AssembleNarrationOperator` returned.
    :param orders_task_id: the task, mapped or not, whose results say what this run bought.
    :param plan_task_id: the task that planned, with its ``summary`` in XCom.
    """

    template_fields = ("request", "assembled")
    ui_color = "#dff5e4"
    operator_extra_links = (NarrationFolderLink(), NarrationMp3Link(), NarrationM4bLink(), NarrationManifestLink())

    def __init__(self, *, assembled: Any, orders_task_id: str, plan_task_id: str = "plan", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.assembled = assembled
        self.orders_task_id = orders_task_id
        self.plan_task_id = plan_task_id

    def work(self, context: Context) -> dict[str, Any]:
        from narration.services.registry import make_service
        from narration.store import Store
        from narration.synthesis.planning import Plan

        parameters = self.parameters(context)
        store = Store(location=parameters.storage, conn_id=parameters.storage_conn_id)
        name = self.assembled["narration"]
        manifest = published_manifest(store, name, outputs=parameters.outputs)
        planned = self.pulled(context, task_id=self.plan_task_id, key="summary")
        price = price_from_facts(planned)
        if manifest is None:
            plan = Plan.from_dict(store.handed_over("plans", f"{self.assembled['plan']}.json"))
            audio = {key: value for key, value in self.assembled.items() if key not in ("narration", "plan", "reused")}
            manifest = manifest_of(
                plan,
                store,
                audio=audio,
                service=make_service(parameters.service, parameters.connection()),
                price=price,
            )
            store.write_json("narrations", name, MANIFEST, value=manifest)
            metrics.published(service=parameters.service, seconds=manifest["audio"]["duration_seconds"])
        logs.add(document=manifest["title"])
        bill = sum((Bill.from_dict(result["bill"]) for result in self._order_results(context)), Bill())
        audio = manifest["audio"]
        result = {
            "title": manifest["title"],
            "narration_uri": store.uri_of("narrations", name),
            "manifest_uri": store.uri_of("narrations", name, MANIFEST),
            **{f"{kind}_uri": store.uri_of("narrations", name, audio[kind]) for kind in OUTPUTS if kind in audio},
            "duration_seconds": audio["duration_seconds"],
            **{f"{kind}_bytes": audio[f"{kind}_bytes"] for kind in OUTPUTS if kind in audio},
            "chapters": len(manifest["chapters"]),
            "paragraphs": len(manifest["paragraphs"]),
            "billed_characters": manifest["billed_characters"],
            "bought_characters_this_run": bill.characters_billed,
        }
        files = {**{kind: audio[kind] for kind in OUTPUTS if kind in audio}, "manifest": MANIFEST}
        persist_narration(context=context, operator=self, folder=store.path("narrations", name), files=files)
        self.lineage.reads(parameters.document, conn_id=parameters.storage_conn_id, description=str(manifest["title"]))
        for kind in (*OUTPUTS, "manifest"):
            if f"{kind}_uri" in result:
                self.lineage.makes(result[f"{kind}_uri"], description=str(manifest["title"]))
        self._tell_of(manifest, bill=bill, price=price, service=parameters.service)
        self.log.info("Published %(title)r: %(narration_uri)s, %(duration_seconds).0f s.", result)
        self._tell_the_bill(context, bill, planned=planned["characters_to_buy"], price=price)
        if self.request is not None:
            from narration.operators.inbox_records import InboxRecords

            result = self.marked(context, result)
            InboxRecords.of(self.request).published(self.request, narration=name, storage=store.uri)
        tell_of_narration(context, result)
        return result

    def _tell_of(self, manifest: Mapping[str, Any], *, bill: Bill, price: Price | None, service: str) -> None:
        voice = manifest["voice_profile"]
        self.lineage.says(
            title=manifest["title"],
            service=service,
            voice=voice["voice"],
            engine=voice["engine"],
            language=voice.get("language_code") or manifest["language"],
            audioFormat=voice["audio_format"],
            charactersBought=bill.characters_billed,
            charactersOfNarration=manifest["billed_characters"],
            amount=None if price is None else float(price.amount(bill.characters_billed)),
            currency=None if price is None else price.currency,
            durationSeconds=manifest["audio"]["duration_seconds"],
        )

    def _tell_the_bill(self, context: Context, bill: Bill, *, planned: int, price: Price | None) -> None:
        facts = {**bill_facts(bill, price=price), "characters_planned": planned}
        context["ti"].xcom_push(key="bill", value=self.marked(context, facts))
        for warning in bill.warnings:
            self.log.warning("The service's count differs from the estimate: %s.", warning)
        note = bill_note(bill, planned=planned, price=price)
        self.log.info("%s", note)
        push_note(context, note)

    def _order_results(self, context: Context) -> Iterable[Mapping[str, Any]]:
        results = self.pulled(context, task_id=self.orders_task_id)
        if results is None:
            return []
        return [results] if isinstance(results, Mapping) else [result for result in results if result]


def bill_note(bill: Bill, *, planned: int, price: Price | None) -> str:
    """
    Say what a run cost against what was planned.

    :param planned: billable characters that the plan wanted to buy.
    """
    if not bill.jobs:
        return "This run bought nothing: every paragraph was in the store already, or bought before and adopted."
    amount = f", {price.describe(bill.characters_billed)}" if price is not None else ""
    parts = [f"The service billed {bill.characters_billed:,} characters{amount}; {planned:,} were planned."]
    if bill.characters_billed < planned and not bill.different:
        parts.append("The rest was bought before and adopted.")
    if bill.uncounted:
        parts.append(f"Of {bill.uncounted:,} jobs the service does not say what it billed; they count as estimated.")
    if bill.different:
        parts.append(f"Different from the estimate: {'; '.join(bill.warnings)}.")
    return " ".join(parts)
