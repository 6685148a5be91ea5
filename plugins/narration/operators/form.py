"""The parts of the ``narrate_*`` Dags' forms that all of them have, in the order in which the form shows them."""

from __future__ import annotations

from airflow.sdk import Param

from narration.operators.cost import TITLES
from narration.operators.parameters import OUTPUTS, configured

LONGEST_LOCATION = 1024
"""Characters of a path or URI, the longest key of S3."""
MOST_MONEY = 1_000_000
MOST_CHARACTERS = 1_000_000_000
LONGEST_PAUSE_MS = 60_000
DEAREST_MILLION = 10_000


def document_params(*, note: str = "") -> dict[str, Param]:
    """
    Give the parameters of what is narrated.

    :param note: Markdown that a person should read first, shown with the first field.
    """
    where = (
        "The text to narrate: a path on the worker, or a URI such as s3://bucket/book.txt or "
        "abfs://container/book.txt. Plain text in UTF-8, or SSML; at most 64 MB."
    )
    return {
        "document": Param(
            type="string",
            minLength=1,
            maxLength=LONGEST_LOCATION,
            title="Document",
            description_md=f"{where}\n\n{note}" if note else where,
        ),
        "title": Param(
            None,
            type=["null", "string"],
            maxLength=200,
            title="Title",
            description="What the audiobook is called. Empty: what the document says, or its file name.",
        ),
        "text_type": Param(
            "auto",
            type="string",
            enum=["auto", "text", "ssml"],
            values_display={"auto": "Recognise it", "text": "Plain text", "ssml": "SSML"},
            title="Text or SSML",
            description="How to read the document. SSML is recognised by the tag <speak> at its beginning.",
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
            title="Paragraphs per task",
            description="How many paragraphs one task instance of synthesize buys and waits for, at most. Fewer give "
            "more lines to look at in the grid and a slower run; 1 gives every paragraph a line of its own. What the "
            "narration sounds like and costs does not depend on it.",
            section="Audio",
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
            maxItems=len(OUTPUTS),
            uniqueItems=True,
            title="Files",
            description="What the narration is made into; either file has all of it. Neither costs anything at the "
            "service.",
            section="Audio",
        )
    }


def pause_params() -> dict[str, Param]:
    """Give the parameters of :data:`narration.operators.parameters.PAUSES`."""
    pauses = {
        "paragraph_pause_ms": (500, "Pause between paragraphs (ms)", "Silence after each paragraph."),
        "heading_pause_ms": (900, "Pause after a heading (ms)", "Silence between a heading and what follows it."),
        "scene_pause_ms": (
            1400,
            "Pause at a scene break (ms)",
            "Silence where the text has an ornament such as * * *, which is not spoken.",
        ),
        "chapter_pause_ms": (1800, "Pause between chapters (ms)", "Silence between the end of a chapter and the next."),
    }
    return {
        name: Param(
            default,
            type="integer",
            minimum=0,
            maximum=LONGEST_PAUSE_MS,
            title=title,
            description=f"{description} In thousandths of a second, 60,000 at most. Changing it buys nothing again.",
            section="Pauses",
        )
        for name, (default, title, description) in pauses.items()
    }


def cost_params() -> dict[str, Param]:
    """Give the parameters of :data:`narration.operators.cost.COST`."""
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title=TITLES["dry_run"],
            description="Only read, plan and price the document, and buy nothing. The price is in the log of the task "
            "plan and, when the run has ended, in the run's note.",
            section="Cost",
        ),
        "budget": Param(
            None,
            type=["null", "number"],
            minimum=0,
            maximum=MOST_MONEY,
            title=TITLES["budget"],
            description="The most that this run may cost, in the currency of its price (US dollars unless set "
            "otherwise). If the plan is over it, the run fails before anything is bought. Empty: no limit.",
            section="Cost",
        ),
        "budget_characters": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            maximum=MOST_CHARACTERS,
            title=TITLES["budget_characters"],
            description="The most billable characters that this run may buy; works without a known price. Empty: no "
            "limit.",
            section="Cost",
        ),
        "approve_above": Param(
            None,
            type=["null", "number"],
            minimum=0,
            maximum=MOST_MONEY,
            title=TITLES["approve_above"],
            description="If the plan costs more than this, in the currency of its price, the run waits until "
            "somebody approves it under Required Actions. 0 asks whenever something is bought. Empty: never.",
            section="Cost",
        ),
        "price_per_million": Param(
            None,
            type=["null", "number"],
            minimum=0,
            maximum=DEAREST_MILLION,
            title=TITLES["price_per_million"],
            description="What you pay, if it is not the list price. Empty: the installation's "
            "(AIRFLOW__NARRATION__PRICES), or the list price.",
            section="Cost",
        ),
    }


def storage_param() -> dict[str, Param]:
    """Give the parameter that says where clips and narrations live."""
    return {
        "storage": Param(
            configured("storage"),
            type="string",
            maxLength=LONGEST_LOCATION,
            title="Storage",
            description="Where audio is kept and the finished narration is written: s3://bucket/narration, "
            "abfs://container/narration, or a folder that all workers share. A paragraph that lies there is never "
            "bought again, so keep to one. AIRFLOW__NARRATION__STORAGE sets the default.",
            section="Where",
        )
    }


def storage_conn_id_param(*, of: str = "the document and the storage", more: str = "") -> dict[str, Param]:
    """
    Give the parameter that says which connection opens S3, where another one pays.

    :param of: what may lie there.
    :param more: what else a person should know.
    """
    return {
        "storage_conn_id": Param(
            "aws_default",
            type=["null", "string"],
            maxLength=250,
            title="AWS connection",
            description=f"Airflow connection for {of}, if they lie at S3. s3://my_connection@bucket/key names "
            f"another one.{more}",
            section="Where",
        )
    }
