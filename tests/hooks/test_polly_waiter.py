from __future__ import annotations

import pytest
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from narration.hooks.polly import TASK_WAITER, PollyHook
from narration.hooks.polly_errors import PollyTaskNotFoundError

TASK_ID = "6bbee1a0-3e40-4e0b-8f0e-2f4c2c1b3f10"


@pytest.fixture
def stubbed(aws_connection):
    hook = PollyHook()
    with Stubber(hook.conn) as stubber:
        yield hook, stubber


def _answer(stubber: Stubber, status: str) -> None:
    task = {"TaskId": TASK_ID, "TaskStatus": status}
    stubber.add_response("get_speech_synthesis_task", {"SynthesisTask": task}, {"TaskId": TASK_ID})


def _refuse(stubber: Stubber, code: str, status: int) -> None:
    stubber.add_client_error("get_speech_synthesis_task", code, http_status_code=status)


def _wait(hook: PollyHook, *, attempts: int = 3) -> None:
    hook.get_waiter(TASK_WAITER).wait(TaskId=TASK_ID, WaiterConfig={"Delay": 0, "MaxAttempts": attempts})


def test_the_waiter_is_offered_beside_the_sdk_s_own(stubbed):
    assert TASK_WAITER in stubbed[0].list_waiters()


def test_completed_ends_the_waiting(stubbed):
    _answer(stubbed[1], "completed")
    _wait(stubbed[0])


def test_failed_ends_the_waiting_as_a_failure(stubbed):
    _answer(stubbed[1], "failed")
    with pytest.raises(WaiterError, match="terminal failure"):
        _wait(stubbed[0])


@pytest.mark.parametrize("status", ["scheduled", "inProgress", "somethingNewer"])
def test_every_other_status_is_waited_through(stubbed, status):
    _answer(stubbed[1], status)
    _answer(stubbed[1], "completed")
    _wait(stubbed[0])
    stubbed[1].assert_no_pending_responses()


@pytest.mark.parametrize(("code", "http"), [("ThrottlingException", 400), ("ServiceFailureException", 500)])
def test_a_passing_error_is_waited_through_but_counts_as_a_look(stubbed, code, http):
    _refuse(stubbed[1], code, http)
    _answer(stubbed[1], "completed")
    _wait(stubbed[0])

    for _ in range(2):
        _refuse(stubbed[1], code, http)
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        _wait(stubbed[0], attempts=2)


@pytest.mark.parametrize("code", ["SynthesisTaskNotFoundException", "InvalidTaskIdException", "AccessDeniedException"])
def test_any_other_error_ends_the_waiting(stubbed, code):
    _refuse(stubbed[1], code, 400)
    with pytest.raises(WaiterError, match=code):
        _wait(stubbed[0])


def test_a_task_that_is_not_known_yet_is_waited_for_when_the_caller_has_just_started_it(stubbed):
    _refuse(stubbed[1], "SynthesisTaskNotFoundException", 400)
    for status in ("scheduled", "completed", "completed"):
        _answer(stubbed[1], status)

    task = stubbed[0].wait_for_speech_synthesis_task(TASK_ID, waiter_delay=0, unseen_seconds=60)

    assert task["TaskStatus"] == "completed"
    stubbed[1].assert_no_pending_responses()


def test_a_task_that_is_not_known_is_an_error_otherwise(stubbed):
    _refuse(stubbed[1], "SynthesisTaskNotFoundException", 400)

    with pytest.raises(PollyTaskNotFoundError, match=TASK_ID):
        stubbed[0].wait_for_speech_synthesis_task(TASK_ID, waiter_delay=0)
