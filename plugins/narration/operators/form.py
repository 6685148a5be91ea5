"""The parts of the ``narrate_*`` Dags' forms that all of them have, in the order in which the form shows them."""

from __future__ import annotations

from airflow.sdk import Param

from narration.operators.parameters import OUTPUTS, configured


def document_params(*, note: str = "") -> dict[str, Param]:
    """
    Give the parameters of what is narrated.

    :param note: Markdown that a person should read first, shown with the first field.
    """
    where = (
        "Path on the worker or URI (`s3://bucket/key`, `abfs://container/path`, `file:///path`) of a plain text "
        "(UTF-8) or SSML document."
    )
    return {
        "document": Param(
            type="string",
            minLength=1,
            title="Document",
            description_md=f"{where}\n\n{note}" if note else where,
        ),
        "title": Param(
            None, type=["null", "string"], title="Title", description="Default: from the document, or its file name."
        ),
        "text_type": Param(
            "auto",
            type="string",
            enum=["auto", "text", "ssml"],
            values_display={"auto": "Recognise it", "text": "Plain text", "ssml": "SSML"},
            title="Text or SSML",
        ),
    }


def paragraphs_per_order_param(*, maximum: int = 1000) -> dict[str, Param]:
    """Give the parameter that sets how much one task instance does."""
    return {
        "paragraphs_per_order": Param(
            100,
            type="integer",
            minimum=1,
            maximum=maximum,
            title="Paragraphs per order",
            description="One task instance sees one order through. 1 gives every paragraph a task instance of its own.",
            section="Clips",
        )
    }


def outputs_param() -> dict[str, Param]:
    """Give the parameter that says which files a narration is made into."""
    return {
        "outputs": Param(
            list(OUTPUTS),
            type="array",
            items={"type": "string", "enum": list(OUTPUTS)},
            examples=list(OUTPUTS),
            values_display={"mp3": "MP3", "m4b": "M4B, with chapter marks"},
            minItems=1,
            uniqueItems=True,
            title="Files",
            description="What the narration is made into; either file has all of it. Neither costs anything at the "
            "service.",
            section="Files",
        )
    }


def pause_params() -> dict[str, Param]:
    """Give the parameters of :data:`narration.operators.parameters.PAUSES`."""
    pauses = {
        "paragraph_pause_ms": (500, "Pause between paragraphs (ms)"),
        "heading_pause_ms": (900, "Pause after a heading (ms)"),
        "scene_pause_ms": (1400, "Pause at a scene break (ms)"),
        "chapter_pause_ms": (1800, "Pause between chapters (ms)"),
    }
    return {
        name: Param(default, type="integer", minimum=0, maximum=60000, title=title, section="Pauses")
        for name, (default, title) in pauses.items()
    }


def cost_params() -> dict[str, Param]:
    """Give the parameters of :data:`narration.operators.cost.COST`."""
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Read, plan and price the document, and buy nothing.",
            section="Cost",
        ),
        "budget": Param(
            None,
            type=["null", "number"],
            minimum=0,
            title="Budget",
            description_md="The most that this run may cost, in the currency of its price (US dollars unless set "
            "otherwise). If the plan is over it, the run ends before anything is bought. Empty: no limit.",
            section="Cost",
        ),
        "budget_characters": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            title="Budget in characters",
            description="The most billable characters that this run may buy. Empty: no limit.",
            section="Cost",
        ),
        "approve_above": Param(
            None,
            type=["null", "number"],
            minimum=0,
            title="Ask above",
            description_md="If the plan costs more than this, the run waits until somebody approves it under *Required "
            "Actions*. 0 asks whenever something is bought. Empty: never.",
            section="Cost",
        ),
        "price_per_million": Param(
            None,
            type=["null", "number"],
            minimum=0,
            title="Price per million characters",
            description_md="Yours, if it is not the list price. `AIRFLOW__NARRATION__PRICES` sets it for all runs.",
            section="Cost",
        ),
    }


def storage_param() -> dict[str, Param]:
    """Give the parameter that says where clips and narrations live."""
    return {
        "storage": Param(
            configured("storage"),
            type="string",
            title="Storage",
            description_md="Folder or URI for clips and narrations, for example `s3://bucket/narration` or "
            "`abfs://container/narration`. The same storage never buys a paragraph twice.",
            section="Where",
        )
    }
