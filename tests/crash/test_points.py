"""The instrument itself: orders to kill are read, counted and named right."""

from __future__ import annotations

import pytest

from tests.crash.matrix import custom_steps
from tests.crash.points import ACTS, KillOrder, file_name, request_name
from tests.crash.steps import SERVICES, STEPS


def test_an_order_is_met_at_its_occurrence_and_only_then():
    order = KillOrder.parse("write.claim.after:3")

    met = [order.meets(name) for name in ["write.claim.after"] * 2 + ["buy.sent"] + ["write.claim.after"] * 3]

    assert met == [False, False, False, True, False, False]


def test_occurrences_of_all_that_a_pattern_matches_are_counted_together():
    order = KillOrder.parse("audit.*:2")

    assert [order.meets(name) for name in ("audit.open", "wait.look", "audit.os.rename")] == [False, False, True]


@pytest.mark.parametrize(
    ("method", "url", "name"),
    [
        ("POST", "/v1/synthesisTasks", "buy"),
        ("GET", "/v1/synthesisTasks?MaxResults=100", "list"),
        ("GET", "/v1/synthesisTasks/abc", "look"),
        ("GET", "/v1/voices?Engine=neural", "ask"),
        ("HEAD", "/narration-output/narration/clips/ab.1.pcm", "look"),
        ("GET", "/narration-output?list-type=2&prefix=x", "list"),
        ("GET", "/narration-output/narration/clips/ab.1.pcm", "download"),
        ("PUT", "/texttospeech/batchsyntheses/narration-ab?api-version=2024-04-01", "buy"),
        ("GET", "/texttospeech/batchsyntheses/narration-ab?api-version=2024-04-01", "look"),
        ("GET", "/texttospeech/batchsyntheses?api-version=2024-04-01&skip=0", "list"),
        ("DELETE", "/texttospeech/batchsyntheses/narration-ab?api-version=2024-04-01", "delete"),
        ("POST", "/api/texttospeech/3.1-preview1/batchsynthesis", "buy"),
        ("GET", "/api/texttospeech/3.1-preview1/batchsynthesis?skip=0&top=100", "list"),
        ("POST", "/api/texttospeech/v3.0/longaudiosynthesis", "buy"),
        ("GET", "/api/texttospeech/v3.0/longaudiosynthesis/abc/files", "look"),
    ],
)
def test_a_request_is_called_by_what_it_is_for(method, url, name):
    assert request_name(method, url) == name


@pytest.mark.parametrize(
    ("path", "data", "name"),
    [
        ("/s/clips/ab/abcd.claim-1.json", b'{"at": 1}', "claim"),
        ("/s/clips/ab/abcd.claim-1.json", b'{"at": 1, "job": {}}', "settled"),
        ("/s/clips/ab/abcd.claim-1.json", b'{"at": 1, "released": true}', "settled"),
        ("/s/clips/ab/abcd.json", b"{}", "facts"),
        ("/s/clips/ab/abcd.pcm", b"..", "audio"),
        ("/s/orders/abcd.json", b"{}", "order"),
        ("/s/orders/abcd.record.json", b'{"intents": {"k": [1, "r"]}, "jobs": []}', "intent"),
        ("/s/orders/abcd.record.json", b'{"intents": {}, "jobs": [1]}', "answer"),
        ("/s/orders/abcd.record.json", b'{"intents": {}, "jobs": []}', "record"),
        ("/s/narrations/x-1/x.mp3", None, "mp3"),
        ("/s/narrations/x-1/manifest.json", b"{}", "manifest"),
    ],
)
def test_a_file_is_called_by_what_it_is_for(path, data, name):
    assert file_name(path, data) == name


def test_every_row_of_the_matrix_can_be_carried_out():
    assert len({step.name for step in STEPS}) == len(STEPS)
    for step in STEPS:
        assert step.act in {*ACTS, "kill_all"}
        assert set(step.services) <= set(SERVICES)


def test_points_that_somebody_else_chooses_are_rows_with_exactly_that_occurrence():
    (step,) = custom_steps(["audit.open:17"])

    assert (step.point, step.most, step.exactly) == ("audit.open", 17, True)
