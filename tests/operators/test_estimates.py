"""What the plan says that a run will buy is what the service bills for it. Through every service, over HTTP."""

from __future__ import annotations

import pytest

from tests.operators.books import publisher, through_each
from tests.synthesis.billing_cases import MARKUP, TEXTS

__all__ = ["publisher"]


def plain(word: str) -> str:
    return "\n\n".join(f"{text} {word}." for text in TEXTS.values())


def marked_up(word: str) -> str:
    return "\n".join(text.replace("</speak", f" {word}.</speak") for text in MARKUP.values())


@through_each
@pytest.mark.parametrize("manuscript", [plain, marked_up], ids=["text", "SSML"])
def test_the_estimate_of_the_plan_is_the_bill(publisher, manuscript):
    publisher.road.document.write_text(manuscript(publisher.word))
    run = publisher.bench.run("monday")

    results = publisher.road.buy(run)

    planned = run.ti.xcoms["summary"]["characters_to_buy"]
    assert planned > 0
    assert planned == sum(publisher.paid().values()) == sum(result["bought_characters"] for result in results)


@through_each
def test_what_is_bought_with_the_rest_of_it_was_estimated_before(publisher):
    publisher.road.document.write_text(plain(publisher.word))
    publisher.road.buy(publisher.bench.run("monday"), paragraphs_per_order=3)
    publisher.paid()
    publisher.road.document.write_text(f"{plain(publisher.word)}\n\n世界, {publisher.word}.\n")
    run = publisher.bench.run("tuesday")

    publisher.road.buy(run, paragraphs_per_order=3)

    ideographs = 0 if publisher.service == "polly" else 2
    assert run.ti.xcoms["summary"]["characters_to_buy"] == len(f"世界, {publisher.word}.") + ideographs
    assert sum(publisher.paid().values()) == run.ti.xcoms["summary"]["characters_to_buy"]
