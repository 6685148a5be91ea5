"""The second task of the road: which clips the narration needs, which of them exist, and the orders for the rest."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from narration import logs, metrics
from narration.links.paragraphs import ParagraphsLink
from narration.operators.base import RoadOperator
from narration.operators.parameters import configured
from narration.operators.records import read_record
from narration.operators.run_note import push_note
from narration.synthesis.estimate import Count, Estimate
from narration.synthesis.failed import FAILED_PARAGRAPHS, kept
from narration.synthesis.reconcile import JobState

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.operators.cost import CostLimits
    from narration.services.base import SpeechService
    from narration.store import Store
    from narration.synthesis.orders import Order, WantedClip
    from narration.synthesis.planning import Plan
    from narration.synthesis.prices import Price

MOST_ORDERS = 1024
"""Airflow's default ceiling for one mapped task (``[core] max_map_length``)."""

_LONGEST_PLACE = 160
# What Polly accepted it remembers for 72 hours, and Azure for longer.
_BELIEVED_SECONDS = 71 * 3600.0


class PlanNarrationOperator(RoadOperator):
    """
    Plan a narration, price it, and return the orders that are not complete yet, for a task to be mapped over.

    Asks the service whether it offers the voice, the lexicons and the place for its output, so that nonsense ends
    here, before anything is bought; so does a plan that is over the budget. Each returned order names its file in the
    store rather than carrying its text. A dry run returns no orders.

    Pushes ``plan`` (the plan's name in the store), ``summary`` (see
    :class:`~narration.synthesis.estimate.Estimate`) and ``run_note`` to XCom, and ``failed_paragraphs`` if the service
    would refuse some. The link *Paragraphs* leads to these, or to the orders.

    :param document: what :class:`~narration.operators.read.ReadDocumentOperator` returned.
    """

    template_fields = ("request", "document")
    ui_color = "#dfe8f5"
    operator_extra_links = (ParagraphsLink(),)

    def __init__(self, *, document: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.document = document

    def work(self, context: Context) -> list[dict[str, Any]]:
        from narration.document.model import Document
        from narration.services.registry import make_service
        from narration.store import Store
        from narration.synthesis.orders import distinct, pack
        from narration.synthesis.planning import UnspeakableError, plan_narration

        ParagraphsLink.persist_page(context=context, operator=self)
        parameters = self.parameters(context)
        store = Store(location=parameters.storage, conn_id=parameters.storage_conn_id)
        service = make_service(parameters.service, parameters.connection())
        profile = service.profile(**parameters.voice_choice())
        price = parameters.cost.price(profile, configured=configured("prices"))
        service.check_output()
        self.lineage.reads(store.uri_of("documents", f"{self.document['document']}.json"))
        document = Document.from_dict(store.handed_over("documents", f"{self.document['document']}.json"))
        logs.add(document=document.title)
        try:
            plan = plan_narration(document, profile=profile, rules=service.rules(profile), pauses=parameters.pauses)
        except UnspeakableError as error:
            context["ti"].xcom_push(key=FAILED_PARAGRAPHS, value=kept(error.paragraphs))
            self.log.error("Their text is under Paragraphs: a tab of this task, and a link under its Details.")
            raise

        clips = distinct(paragraph.clip for paragraph in plan.paragraphs)
        stored = store.clips(clip.clip_key for clip in clips)
        all_orders = pack(
            clips,
            profile=profile,
            limits=service.order_limits(
                paragraphs_per_order=max(parameters.paragraphs_per_order, -(-len(clips) // MOST_ORDERS))
            ),
            account=service.account,
        )
        incomplete = [order for order in all_orders if any(clip.clip_key not in stored for clip in order.clips)]
        missing = {clip.clip_key for clip in clips if clip.clip_key not in stored}
        orders = service.combined(incomplete, missing=missing, profile=profile)
        estimate = _estimate(
            plan,
            clips=clips,
            orders=orders,
            stored=stored,
            coming=_coming(store, {order.order_id for order in (*incomplete, *orders)}),
            service=service,
            price=price,
        )
        self._tell(context, plan=plan, estimate=estimate, cost=parameters.cost)
        parameters.cost.check(estimate.to_buy.characters, price=price)
        store.write_json("plans", f"{plan.narration_key}.json", value=plan.to_dict())
        if parameters.cost.dry_run:
            return []
        store.parallel(lambda order: store.write_order(order.order_id, order.to_dict()), orders)
        self._count(plan, estimate, orders=orders, store=store, service=service.name)
        chapters = chapters_of(plan)
        return [
            {
                "order_id": order.order_id,
                "label": label_of(order),
                "document": plan.title,
                "chapter": chapter_of(order, chapters=chapters),
                "storage": store.uri,
                "service": service.name,
                "connection": service.connection(),
            }
            for order in orders
        ]

    def _count(self, plan: Plan, estimate: Estimate, *, orders: Sequence[Order], store: Store, service: str) -> None:
        """Tell those who watch what was planned; last of all, so that another attempt does not tell it again."""
        stored, to_buy, price = estimate.stored, estimate.to_buy, estimate.price
        metrics.reused(service=service, engine=plan.profile.engine, clips=stored.clips, characters=stored.characters)
        self.lineage.says(
            title=plan.title,
            service=service,
            voice=plan.profile.voice,
            engine=plan.profile.engine,
            language=plan.profile.language_code or plan.language,
            audioFormat=plan.profile.audio_format,
            clips=estimate.whole.clips,
            clipsReused=stored.clips,
            charactersReused=stored.characters,
            charactersPlanned=to_buy.characters,
            amount=None if price is None else float(price.amount(to_buy.characters)),
            currency=None if price is None else price.currency,
        )
        self.lineage.makes(store.uri_of("plans", f"{plan.narration_key}.json"), description=f"{plan.title}: its plan")
        for order in orders:
            self.lineage.makes(store.uri_of("orders", f"{order.order_id}.json"), description=label_of(order))

    def _tell(self, context: Context, *, plan: Plan, estimate: Estimate, cost: CostLimits) -> None:
        self.log.info("%s", estimate.describe())
        if cost.budget is not None and estimate.price is not None:
            most = estimate.price.amount(estimate.at_most)
            if estimate.price.amount(estimate.to_buy.characters) <= cost.budget < most:
                self.log.warning(
                    "By the dearest reading of the service's rule this costs more than the budget: %s.",
                    estimate.price.describe(estimate.at_most),
                )
        ti = context["ti"]
        ti.xcom_push(key="plan", value=plan.narration_key)
        ti.xcom_push(key="summary", value=self.marked(context, estimate.to_dict()))
        push_note(context, f"Dry run, nothing was bought. {estimate.note}" if cost.dry_run else estimate.note)


def _estimate(
    plan: Plan,
    *,
    clips: Sequence[WantedClip],
    orders: Sequence[Order],
    stored: Collection[str],
    coming: Collection[str],
    service: SpeechService,
    price: Price | None,
) -> Estimate:
    """Count what there is, what is coming and what is to be bought."""
    missing = [clip for clip in clips if clip.clip_key not in stored]
    on_order = [clip for clip in missing if clip.clip_key in coming]
    to_buy = [clip for clip in missing if clip.clip_key not in coming]
    extra = 0
    for order in orders:
        bought = [clip for clip in order.clips if clip.clip_key not in stored and clip.clip_key not in coming]
        extra += service.extra_characters(bought, profile=plan.profile) if bought else 0
    rules = service.rules(plan.profile)
    bounds = [rules.character_bounds(clip.text, clip.text_type) for clip in to_buy]
    return Estimate(
        title=plan.title,
        paragraphs=len(plan.paragraphs),
        whole=_count(clips),
        stored=_count(clip for clip in clips if clip.clip_key in stored),
        on_order=_count(on_order),
        to_buy=_count(to_buy, extra=extra),
        at_least=sum(least for least, _ in bounds) + extra,
        at_most=sum(most for _, most in bounds) + extra,
        orders=len(orders),
        price=price,
    )


def _coming(store: Store, order_ids: Iterable[str]) -> frozenset[str]:
    """
    Name the clips that somebody has bought and that are not fetched yet, as far as the records of orders know.

    For the price only: whether it is true, the service is asked before anything is bought.
    """
    records = store.parallel(lambda order_id: read_record(store, order_id), sorted(order_ids))
    oldest = time.time() - _BELIEVED_SECONDS
    parts = (
        part
        for record in records
        for part in record.judged(
            [job for job in record.jobs.values() if job.created_at is not None and job.created_at > oldest],
            grace=float("inf"),
        )
    )
    return frozenset(key for part in parts if part.state is not JobState.FAILED for key in part.clip_keys)


def _count(clips: Iterable[WantedClip], *, extra: int = 0) -> Count:
    counted = list(clips)
    return Count(clips=len(counted), characters=sum(clip.characters for clip in counted) + extra)


def chapters_of(plan: Plan) -> dict[str, str]:
    """Give the title of the chapter in which each clip is first heard, by clip key."""
    return {p.clip.clip_key: plan.chapter_titles[p.chapter] for p in reversed(plan.paragraphs)}


def chapter_of(order: Order, *, chapters: Mapping[str, str]) -> str:
    """Name the chapter of an order's paragraphs, or the first and the last one."""
    first, last = (chapters[order.clips[number].clip_key] for number in (0, -1))
    return first if first == last else f"{first} to {last}"


def label_of(order: Order) -> str:
    """Name an order for the UI: where it begins and what it holds, within the 250 characters of Airflow's column."""
    begins = order.clips[0].place.split(" (line ")[0]
    if len(begins) > _LONGEST_PLACE:
        begins = begins[: _LONGEST_PLACE - 1] + "…"
    return f"{begins} and on: {len(order.clips)} paragraphs"
