"""The reconciling decision, as examples first and then as properties that hold in every situation."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from narration.synthesis.reconcile import Decision, Job, JobState, decide

ACTIVE, SUCCEEDED, FAILED = JobState.ACTIVE, JobState.SUCCEEDED, JobState.FAILED


def job(name: str, state: JobState, *keys: str, at: float | None = 100.0, reason: str = "") -> Job:
    return Job(job_id=name, clip_keys=keys, state=state, created_at=at, reason=reason)


def test_what_nobody_has_is_bought():
    decision = decide(wanted=("a", "b"), stored=(), jobs=())

    assert decision == Decision(buy=("a", "b"))
    assert not decision.outstanding


def test_what_the_store_holds_needs_nothing_even_if_jobs_for_it_exist():
    assert decide(wanted=("a",), stored=("a",), jobs=[job("1", SUCCEEDED, "a"), job("2", FAILED, "a")]) == Decision()


def test_a_finished_job_is_collected_and_one_in_the_making_is_waited_for():
    done, making = job("1", SUCCEEDED, "a"), job("2", ACTIVE, "b")

    decision = decide(wanted=("a", "b"), stored=(), jobs=[done, making])

    assert decision == Decision(collect=(done,), wait=(making,))
    assert decision.outstanding


def test_a_finished_job_counts_more_than_a_failed_or_an_active_one_for_the_same_clip():
    done = job("2", SUCCEEDED, "a")

    assert decide(wanted=("a",), stored=(), jobs=[job("1", FAILED, "a"), done, job("3", ACTIVE, "a")]) == Decision(
        collect=(done,)
    )


def test_one_job_for_several_clips_is_collected_once():
    done = job("1", SUCCEEDED, "a", "b", "c")

    assert decide(wanted=("a", "b", "c"), stored=("b",), jobs=[done]).collect == (done,)


def test_a_failed_job_is_bought_again_until_the_limit_and_then_given_up_with_the_last_reason():
    failed = [job(str(n), FAILED, "a", at=100.0 + n, reason=f"reason {n}") for n in (2, 1)]

    assert decide(wanted=("a",), stored=(), jobs=failed, max_failures=3).buy == ("a",)
    assert decide(wanted=("a",), stored=(), jobs=failed, max_failures=2).exhausted == {"a": "reason 2"}


def test_failures_from_before_the_run_do_not_count_against_it():
    old = [job("1", FAILED, "a", at=10.0), job("2", FAILED, "a", at=20.0)]

    decision = decide(wanted=("a",), stored=(), jobs=old, max_failures=2, failures_counted_since=15.0)

    assert decision.buy == ("a",)


def test_a_failure_without_a_date_counts():
    undated = job("1", FAILED, "a", at=None, reason="no reason")

    assert decide(wanted=("a",), stored=(), jobs=[undated], max_failures=1, failures_counted_since=15.0).exhausted


def test_a_purchase_in_doubt_is_not_repeated_and_is_worth_waiting_for():
    decision = decide(wanted=("a",), stored=(), jobs=(), unsettled=("a",))

    assert decision == Decision(unsettled=("a",))
    assert decision.outstanding


def test_a_refused_clip_is_left_alone_while_the_others_go_on():
    assert decide(wanted=("a", "b"), stored=(), jobs=(), refused=("a",)) == Decision(buy=("b",))


def test_a_clip_that_was_refused_once_but_exists_now_is_collected():
    done = job("1", SUCCEEDED, "a")

    assert decide(wanted=("a",), stored=(), jobs=[done], refused=("a",)).collect == (done,)


def test_a_clip_wanted_twice_is_bought_once():
    assert decide(wanted=("a", "a"), stored=(), jobs=()).buy == ("a",)


KEYS = st.sampled_from("abcdef")
JOBS = st.lists(
    st.builds(
        Job,
        job_id=st.uuids().map(str),
        clip_keys=st.lists(KEYS, min_size=1, max_size=3, unique=True).map(tuple),
        state=st.sampled_from(JobState),
        reason=st.sampled_from(["", "too long"]),
        created_at=st.none() | st.floats(0, 100),
    ),
    max_size=12,
)
SITUATIONS = st.fixed_dictionaries(
    {
        "wanted": st.lists(KEYS, max_size=8).map(tuple),
        "stored": st.sets(KEYS),
        "jobs": JOBS,
        "unsettled": st.sets(KEYS),
        "refused": st.sets(KEYS),
        "failures_counted_since": st.floats(0, 100),
        "max_failures": st.integers(1, 3),
    }
)


def keys_with(situation: dict, state: JobState) -> set[str]:
    return {key for one in situation["jobs"] if one.state is state for key in one.clip_keys}


@given(SITUATIONS)
def test_what_exists_or_may_exist_is_never_bought(situation):
    decision = decide(**situation)

    existing = situation["stored"] | keys_with(situation, ACTIVE) | keys_with(situation, SUCCEEDED)
    assert not set(decision.buy) & (existing | situation["unsettled"] | situation["refused"])


@given(SITUATIONS)
def test_every_wanted_clip_has_exactly_one_outcome(situation):
    decision = decide(**situation)

    collected = {key for one in decision.collect for key in one.clip_keys}
    awaited = {key for one in decision.wait for key in one.clip_keys}
    for key in set(situation["wanted"]):
        outcomes = [
            key in situation["stored"],
            key in collected and key not in situation["stored"],
            key in awaited and key not in collected | situation["stored"],
            key in decision.buy,
            key in decision.unsettled,
            key in decision.exhausted,
            key in situation["refused"] and key not in collected | awaited | situation["stored"],
        ]
        assert outcomes.count(True) == 1, (key, outcomes)
    named = {*decision.buy, *decision.unsettled, *decision.exhausted}
    assert named <= set(situation["wanted"])


@given(SITUATIONS)
def test_nothing_is_bought_after_too_many_failures(situation):
    decision = decide(**situation)

    since = situation["failures_counted_since"]
    for key in decision.buy:
        failed = [
            one
            for one in situation["jobs"]
            if key in one.clip_keys and one.state is FAILED and (one.created_at is None or one.created_at >= since)
        ]
        assert len(failed) < situation["max_failures"]


@given(SITUATIONS)
def test_buying_what_was_decided_leaves_nothing_to_buy(situation):
    decision = decide(**situation)
    bought = [job(f"new {key}", ACTIVE, key) for key in decision.buy]

    again = decide(**{**situation, "jobs": situation["jobs"] + bought})

    assert again.buy == ()


@given(SITUATIONS, st.randoms())
def test_the_order_in_which_the_service_lists_jobs_changes_no_purchase(situation, random):
    dated = [replace(one, created_at=float(number)) for number, one in enumerate(situation["jobs"])]
    shuffled = random.sample(dated, len(dated))

    assert decide(**{**situation, "jobs": shuffled}) == decide(**{**situation, "jobs": dated})
