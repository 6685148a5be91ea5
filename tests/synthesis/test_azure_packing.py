from __future__ import annotations

import json
from dataclasses import replace

import pytest

from narration.synthesis.azure_packing import (
    BATCH_LIMITS,
    LONG_AUDIO_LIMITS,
    PREVIEW_LIMITS,
    JobLimits,
    combine,
    divide,
    filler,
    script_length,
)
from narration.synthesis.azure_rules import AzureRules, billable_characters, script_characters
from narration.synthesis.orders import Order, OrderLimits, WantedClip, pack
from tests.synthesis.test_azure_rules import profile

RULES = AzureRules(profile=profile(), long_audio=False)
SMALL = JobLimits(inputs=3, request_bytes=100_000)


def clip(text: str, *, text_type: str = "text") -> WantedClip:
    sent = RULES.sent(text, text_type)
    return WantedClip(
        clip_key=f"key of {text}",
        text=text,
        text_type=text_type,
        spoken_text=text,
        characters=billable_characters(sent, text_type),
        place=text[:10],
    )


def clips(count: int, *, length: int = 50) -> list[WantedClip]:
    return [clip(f"{number:05} ".ljust(length, "x")) for number in range(count)]


def body(job: tuple[WantedClip, ...]) -> bytes:
    """The largest request that the job can become: the names of the preview, and spaces between everything."""
    inputs = [{"content": RULES.sent(each.text, each.text_type)} for each in job]
    return json.dumps({"inputs": inputs, "description": "x" * 250}, ensure_ascii=False, indent=1).encode()


class TestLimits:
    def test_jobs_hold_no_more_inputs_than_they_may_in_their_order(self):
        wanted = clips(8)

        jobs = divide(wanted, rules=RULES, limits=SMALL)

        assert [len(job) for job in jobs] == [3, 3, 2]
        assert [each for job in jobs for each in job] == wanted

    @pytest.mark.parametrize("limits", [BATCH_LIMITS, PREVIEW_LIMITS], ids=["2024-04-01", "preview"])
    @pytest.mark.parametrize("character", ["x", "é", "语", "🎉", '"', "\\"])
    def test_no_request_is_larger_than_the_service_takes_whatever_the_text(self, limits, character):
        wanted = [clip(f"{number} {character * 3000}") for number in range(700)]

        jobs = divide(wanted, rules=RULES, limits=replace(limits, characters=10**9))

        assert len(jobs) > 1
        assert all(len(body(job)) <= limits.request_bytes for job in jobs)
        assert all(len(job) <= limits.inputs for job in jobs)

    def test_the_documented_limits_leave_a_margin(self):
        assert BATCH_LIMITS.request_bytes < 2_000_000
        assert PREVIEW_LIMITS.request_bytes < 500_000
        assert (BATCH_LIMITS.inputs, PREVIEW_LIMITS.inputs) == (10_000, 1_000)

    def test_a_job_s_audio_stays_of_a_size_that_can_be_fetched(self):
        jobs = divide(clips(10, length=1000), rules=RULES, limits=replace(SMALL, inputs=100, characters=4000))

        assert [len(job) for job in jobs] == [4, 4, 2]

    def test_one_clip_that_is_over_a_limit_is_a_job_of_its_own(self):
        jobs = divide(clips(2, length=1000), rules=RULES, limits=replace(SMALL, characters=10))

        assert [len(job) for job in jobs] == [1, 1]

    def test_plain_text_and_ssml_are_never_in_one_job(self):
        wanted = [clip("a"), clip("<speak>b</speak>", text_type="ssml"), clip("c")]

        jobs = divide(wanted, rules=RULES, limits=SMALL)

        assert [[each.text_type for each in job] for job in jobs] == [["text", "text"], ["ssml"]]

    def test_the_same_clips_are_always_divided_in_the_same_way(self):
        wanted = clips(50)

        assert divide(wanted, rules=RULES, limits=SMALL) == divide(list(wanted), rules=RULES, limits=SMALL)

    def test_nothing_is_divided_into_nothing(self):
        assert divide([], rules=RULES, limits=SMALL) == []


class TestOrdersOfWhichLittleIsToBeBought:
    """Four orders of ten paragraphs of fifty characters each: none is short as a whole."""

    @pytest.fixture
    def orders(self) -> tuple[Order, ...]:
        return pack(clips(40), profile=profile(), limits=OrderLimits(clips=10), account="long audio")

    def combined(self, orders, missing):
        keys = {orders[order].clips[position].clip_key for order, position in missing}
        wanted = [order for order in orders if any(clip.clip_key in keys for clip in order.clips)]
        return combine(wanted, missing=keys, account="long audio")

    def test_those_that_are_long_enough_stay_what_they_are(self, orders):
        everything = [(order, position) for order in range(4) for position in range(10)]

        assert self.combined(orders, everything) == orders

    def test_one_alone_stays_what_it_is_however_short(self, orders):
        assert self.combined(orders, [(1, 3)]) == (orders[1],)

    def test_several_become_one_that_holds_what_is_missing_alone_in_its_order(self, orders):
        (order,) = self.combined(orders, [(0, 3), (2, 1), (3, 9)])

        assert [clip.text[:5] for clip in order.clips] == ["00003", "00021", "00039"]
        assert self.combined(orders, [(0, 3), (2, 1), (3, 9)]) == (order,)
        assert order.order_id not in {each.order_id for each in orders}

    def test_they_are_put_together_until_they_are_long_enough_and_no_further(self, orders):
        five = [(order, position) for order in (0, 1) for position in range(5)]
        rest = [(order, position) for order in (2, 3) for position in range(5)]

        combined = self.combined(orders, [*five, *rest])

        assert [len(order.clips) for order in combined] == [10, 10]
        assert all(script_length(order.clips) > 400 for order in combined)

    def test_what_is_left_over_at_the_end_goes_with_those_before_it(self, orders):
        whole = [(0, position) for position in range(10)]

        (order,) = self.combined(orders, [*whole, (3, 0)])

        assert len(order.clips) == 11

    def test_text_and_ssml_are_no_help_to_each_other(self):
        words = "<speak><p>" + "Hello again. " * 50 + "</p></speak>"
        text = pack(clips(2), profile=profile(), limits=OrderLimits(clips=10), account="x")
        ssml = pack([clip(words, text_type="ssml")], profile=profile(), limits=OrderLimits(clips=10), account="x")
        more = pack(clips(12)[2:], profile=profile(), limits=OrderLimits(clips=10), account="x")
        orders = (*text, *ssml, *more)

        combined = combine(orders, missing={each.clip_key for order in orders for each in order.clips}, account="x")

        assert [len(order.clips) for order in combined] == [13]

    @pytest.mark.parametrize(
        ("text", "text_type"),
        [("世界 and\tmore\x00\n", "text"), ("<speak><p>世界 <mark name='x'/>and <break/></p></speak>", "ssml")],
    )
    def test_a_clip_is_as_long_as_what_is_sent_for_it(self, text, text_type):
        sent = RULES.sent(text, text_type)

        assert script_length([clip(text, text_type=text_type)]) == script_characters(sent, text_type)


class TestLongAudio:
    def lengths(self, jobs):
        return [sum(len(each.text) for each in job) for job in jobs]

    def test_the_last_job_takes_paragraphs_from_the_one_before_it(self):
        limits = replace(LONG_AUDIO_LIMITS, inputs=20)

        jobs = divide(clips(23), rules=RULES, limits=limits)

        assert min(self.lengths(jobs)) > 400
        assert [len(job) for job in jobs] == [14, 9]
        assert [each.text for job in jobs for each in job] == [each.text for each in clips(23)]

    def test_what_is_too_short_as_a_whole_is_left_to_the_filler(self):
        assert [len(job) for job in divide(clips(2), rules=RULES, limits=LONG_AUDIO_LIMITS)] == [2]

    def test_a_script_never_reaches_10_000_paragraphs_with_its_filler(self):
        assert LONG_AUDIO_LIMITS.inputs + 401 < 10_000

    @pytest.mark.parametrize(
        "paragraphs", [["x"], ["Hello.", "A longer paragraph."], ["a" * 200, "b" * 200], ["a" * 399]]
    )
    def test_filler_makes_a_script_long_enough_and_hardly_longer(self, paragraphs):
        again = filler(paragraphs, "text")

        total = sum(map(len, (*paragraphs, *again)))
        shortest = min(paragraphs, key=len)
        assert 400 < total <= 400 + len(shortest)
        assert set(again) == {shortest}

    @pytest.mark.parametrize("paragraphs", [["a" * 401], ["a" * 200, "b" * 201]])
    def test_a_script_that_is_long_enough_gets_none(self, paragraphs):
        assert filler(paragraphs, "text") == ()

    @pytest.mark.parametrize(("paragraphs", "again"), [(["", "Hello."], {"Hello."}), ([""], set())])
    def test_what_has_no_length_is_not_said_again(self, paragraphs, again):
        assert set(filler(paragraphs, "text")) == again

    def test_ssml_is_measured_by_what_it_bills(self):
        sent = RULES.sent("<speak><p>Hello.</p></speak>", "ssml")
        again = filler([sent], "ssml")

        assert sum(billable_characters(each, "ssml") for each in (sent, *again)) > 400
        assert sum(billable_characters(each, "ssml") for each in again) <= 400
