"""The second task of the road: which clips the narration needs, which of them exist, and the orders for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from narration.operators.parameters import NarrationParameters

if TYPE_CHECKING:
    from airflow.sdk import Context

    from narration.synthesis.orders import Order

MOST_ORDERS = 1024
"""Airflow's default ceiling for one mapped task (``[core] max_map_length``)."""


_LONGEST_PLACE = 160


class PlanNarrationOperator(BaseOperator):
    """
    Plan a narration and return the orders that are not complete yet, for a task to be mapped over.

    Asks the service whether it offers the voice, the lexicons and the place for its output, so that nonsense ends
    here, before anything is bought. Each returned order names its file in the store rather than carrying its text.

    Pushes ``plan`` (the plan's name in the store) and ``summary`` to XCom.

    :param service: the speech service that the Dag stands for.
    :param document: what :class:`~narration.operators.read.ReadDocumentOperator` returned.
    """

    template_fields = ("document",)
    ui_color = "#dfe8f5"

    def __init__(self, *, service: str, document: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.service = service
        self.document = document

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from narration.document.model import Document
        from narration.services.registry import make_service
        from narration.store import Store
        from narration.synthesis.orders import distinct, pack
        from narration.synthesis.planning import plan_narration

        parameters = NarrationParameters.of(context["params"], service=self.service)
        store = Store(location=parameters.storage, conn_id=parameters.storage_conn_id)
        service = make_service(parameters.service, parameters.connection())
        profile = service.profile(**parameters.voice_choice())
        service.check_output()
        document = Document.from_dict(store.handed_over("documents", f"{self.document['document']}.json"))
        plan = plan_narration(document, profile=profile, rules=service.rules(profile), pauses=parameters.pauses)

        clips = distinct(paragraph.clip for paragraph in plan.paragraphs)
        stored = store.clips(clip.clip_key for clip in clips)
        missing = [clip for clip in clips if clip.clip_key not in stored]
        all_orders = pack(
            clips,
            profile=profile,
            limits=service.order_limits(
                paragraphs_per_order=max(parameters.paragraphs_per_order, -(-len(clips) // MOST_ORDERS))
            ),
            account=service.account,
        )
        wanted = {clip.clip_key for clip in missing}
        orders = [order for order in all_orders if any(clip.clip_key in wanted for clip in order.clips)]
        store.parallel(lambda order: store.write_order(order.order_id, order.to_dict()), orders)
        store.write_json("plans", f"{plan.narration_key}.json", value=plan.to_dict())

        summary = {
            "title": plan.title,
            "paragraphs": len(plan.paragraphs),
            "clips": len(clips),
            "stored": len(stored),
            "to_buy": len(missing),
            "characters": sum(clip.characters for clip in clips),
            "characters_to_buy": sum(clip.characters for clip in missing),
            "orders": len(orders),
        }
        self.log.info(
            "%(paragraphs)d paragraphs are %(clips)d different clips; %(stored)d are in the store, %(to_buy)d are not "
            "(%(characters_to_buy)d billable characters, fewer if the service still holds some) in %(orders)d orders.",
            summary,
        )
        context["ti"].xcom_push(key="plan", value=plan.narration_key)
        context["ti"].xcom_push(key="summary", value=summary)
        return [
            {
                "order_id": order.order_id,
                "label": label_of(order),
                "storage": store.uri,
                "service": service.name,
                "connection": service.connection(),
            }
            for order in orders
        ]


def label_of(order: Order) -> str:
    """Name an order for the UI: where it begins and what it holds, within the 250 characters of Airflow's column."""
    begins = order.clips[0].place.split(" (line ")[0]
    if len(begins) > _LONGEST_PLACE:
        begins = begins[: _LONGEST_PLACE - 1] + "…"
    return f"{begins} and on: {len(order.clips)} paragraphs"
