from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from unittest import mock

import pytest

from narration.errors import NarrationError
from narration.hooks.deadline import Deadline
from narration.hooks.polly import PollyHook
from narration.services.base import AudioMissingError, Batch
from narration.services.polly import PollyService
from narration.services.polly_preflight import BucketError
from narration.services.registry import make_service
from narration.synthesis.orders import WantedClip
from narration.synthesis.polly_choice import VoiceChoiceError
from narration.synthesis.polly_rules import START_PER_SECOND
from narration.synthesis.reconcile import Job, JobState
from tests.conftest import BUCKET
from tests.road import LIST, PROFILE

LEXICON = """<?xml version="1.0" encoding="UTF-8"?>
<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" xml:lang="en-US">
<lexeme><grapheme>W3C</grapheme><alias>{}</alias></lexeme></lexicon>"""
CHOICE = {
    "voice": "Joanna",
    "engine": "neural",
    "language_code": None,
    "audio_format": "mp3",
    "sample_rate": None,
    "lexicons": (),
}


def service(**change) -> PollyService:
    return PollyService(**{"aws_conn_id": "aws_default", "bucket": BUCKET, **change})


class TestItsIdentity:
    def test_another_process_can_make_the_same_adapter_from_json(self):
        original = service(region_name="eu-west-1", botocore_config={"read_timeout": 5}, prefix="/voices/")

        again = make_service("polly", json.loads(json.dumps(original.connection())))

        assert again.connection() == original.connection()
        assert again.account == original.account == "polly:aws_default:eu-west-1"

    def test_a_service_that_does_not_exist_is_refused(self):
        with pytest.raises(ValueError, match="no speech service 'parrot'"):
            make_service("parrot", {})

    def test_the_connections_own_client_settings_reach_s3_and_polly(self, bench, monkeypatch):
        connection = bench.cloud.connection(config_kwargs={"read_timeout": 41})
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

        assert service().s3.meta.config.read_timeout == 41
        assert service().hook.conn.meta.config.read_timeout == 41


class TestTheProfile:
    def test_it_holds_the_values_that_take_effect_and_not_the_defaults(self, bench):
        profile = service().profile(**CHOICE)

        assert (profile.sample_rate, profile.language_code, profile.lexicons) == (24000, None, ())
        assert service().profile(**{**CHOICE, "engine": "standard"}).sample_rate == 22050

    def test_a_lexicon_is_part_of_it_by_its_content(self, bench):
        hook, hashes = PollyHook(), set()
        for words in ("World Wide Web Consortium", "the consortium"):
            hook.put_lexicon(name="w3c", content=LEXICON.format(words))
            (lexicon,) = service().profile(**{**CHOICE, "lexicons": ("w3c",)}).lexicons
            hashes.add(lexicon.sha256)

        assert len(hashes) == 2

    def test_a_lexicon_that_is_not_there_is_named_with_the_remedy(self, bench):
        with pytest.raises(VoiceChoiceError, match=r"lexicon 'nowhere' cannot be read in us-east-1.*PutLexicon"):
            service().profile(**{**CHOICE, "lexicons": ("nowhere",)})

    def test_what_the_region_does_not_offer_is_refused(self, bench):
        with pytest.raises(VoiceChoiceError, match=r"ap-northeast-3 does not offer Danielle with the long-form engine"):
            service(region_name="ap-northeast-3").profile(**{**CHOICE, "voice": "Danielle", "engine": "long-form"})


class TestTheBucket:
    def test_one_that_exists_in_the_right_region_is_accepted(self, bench):
        service().check_output()

    def test_one_that_is_not_named_is_asked_for(self, bench):
        with pytest.raises(BucketError, match=r"output_bucket.*AIRFLOW__NARRATION__POLLY_BUCKET"):
            service(bucket="").check_output()

    def test_one_that_does_not_exist_is_named_with_the_command_that_creates_it(self, bench):
        with pytest.raises(BucketError, match=r"'no-such-bucket-anywhere' does not exist.*aws s3 mb"):
            service(bucket="no-such-bucket-anywhere").check_output()

    def test_one_in_another_region_is_refused_because_polly_writes_only_into_its_own(self, bench):
        bench.s3.create_bucket(
            Bucket=f"far-away-{bench.word}", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )

        with pytest.raises(BucketError, match=r"lies in eu-central-1, but Polly is called in us-east-1"):
            service(bucket=f"far-away-{bench.word}").check_output()

    def test_when_s3_does_not_answer_another_attempt_is_worth_it(self, bench, monkeypatch):
        connection = bench.cloud.connection(config_kwargs={"retries": {"total_max_attempts": 1}})
        connection["extra"]["service_config"]["s3"]["endpoint_url"] = "http://127.0.0.1:9"
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

        with pytest.raises(NarrationError, match="Try again") as raised:
            service().check_output()
        assert not isinstance(raised.value, BucketError)


class TestTheLedger:
    @pytest.fixture
    def found(self, bench):
        """Ask for the jobs of some clips among tasks that are listed in a given order."""

        def find(tasks, *, clips, listed_at=None, known=()):
            asked = []

            def listing(self, **_):
                for task in tasks:
                    asked.append(task)
                    yield task

            with mock.patch.object(PollyHook, "list_speech_synthesis_tasks", listing):
                ledger = service().find_jobs(clips, known=known, listed_at=listed_at, intended={})
            return list(ledger.jobs), len(asked)

        return find

    @staticmethod
    def task(number: int, *, at: float, key: str = "") -> dict:
        uri = f"https://s3.us-east-1.amazonaws.com/{BUCKET}/narration/clips/{key or f'other{number}'}.{number}.pcm"
        return {
            "TaskId": str(number),
            "TaskStatus": "failed",
            "TaskStatusReason": "no reason",
            "CreationTime": datetime.fromtimestamp(at, UTC),
            "OutputUri": uri,
        }

    def test_a_list_that_begins_with_the_newest_is_left_at_the_last_look(self, bench, found):
        clip = bench.clip(bench.text(1))
        tasks = [self.task(number, at=100_000.0 - number) for number in range(2000)]
        tasks[50] = self.task(50, at=99_950.0, key=clip.clip_key)

        jobs, read = found(tasks, clips=[clip], listed_at=100_000.0 - 120)

        assert [job.job_id for job in jobs] == ["50"]
        assert 720 < read < 1000

    @pytest.mark.parametrize("step", [1.0, 0.0])
    def test_a_list_that_begins_with_the_oldest_is_read_to_its_end(self, bench, found, step):
        clip = bench.clip(bench.text(1))
        tasks = [self.task(number, at=1000.0 + step * number) for number in range(300)]
        tasks.append(self.task(300, at=100_000.0, key=clip.clip_key))

        jobs, read = found(tasks, clips=[clip], listed_at=100_000.0 - 10)

        assert [job.job_id for job in jobs] == ["300"]
        assert read == 301

    def test_tasks_of_others_without_a_place_or_with_a_strange_one_are_passed_over(self, bench, found):
        clip = bench.clip(bench.text(1))
        strange = [
            {"TaskId": "1", "TaskStatus": "completed"},
            {"TaskId": "2", "TaskStatus": "completed", "OutputUri": "https://example.com/x"},
            {"TaskId": "3", "TaskStatus": "completed", "OutputUri": f"s3://{BUCKET}/folder/.3.mp3"},
        ]

        assert found(strange, clips=[clip])[0] == []

    def test_many_known_jobs_are_looked_up_with_one_list_rather_than_a_get_each(self, bench, found):
        clips = [bench.clip(bench.text(number)) for number in range(12)]
        known = [
            Job(job_id=str(number), clip_keys=(clip.clip_key,), state=JobState.ACTIVE, output=f"s3://{BUCKET}/{number}")
            for number, clip in enumerate(clips)
        ]
        tasks = [self.task(number, at=1.0, key=clip.clip_key) for number, clip in enumerate(clips)]
        gets = bench.calls("GetSpeechSynthesisTask")

        jobs, _ = found(tasks, clips=clips, known=known)

        assert {job.state for job in jobs} == {JobState.FAILED}
        assert bench.calls("GetSpeechSynthesisTask") == gets

    def test_a_status_that_is_newer_than_this_code_is_something_unfinished(self, bench, found):
        clip = bench.clip(bench.text(1))
        paused = {**self.task(1, at=1.0, key=clip.clip_key), "TaskStatus": "paused"}

        assert found([paused], clips=[clip])[0][0].state is JobState.ACTIVE


class TestFetching:
    def test_audio_that_is_not_there_is_not_an_error_of_s3(self, bench):
        job = Job(job_id="1", clip_keys=("a",), state=JobState.SUCCEEDED, output=f"s3://{BUCKET}/nothing.mp3")

        with pytest.raises(AudioMissingError, match=r"nothing\.mp3.*task 1.*is not there"):
            list(service().fetch(job))


async def test_what_is_unfinished_is_listed_in_both_states(bench):
    bench.cloud.order_fault("stuck_scheduled")
    stuck = bench.cloud.client("polly").start_speech_synthesis_task(
        Text=bench.text("stuck"), VoiceId="Joanna", OutputFormat="pcm", OutputS3BucketName=BUCKET
    )["SynthesisTask"]["TaskId"]
    calls = bench.calls(LIST)
    asking = service()

    assert stuck in await asking.outstanding_jobs({stuck})

    assert bench.calls(LIST) == calls + 2
    await asking.close()


class TestALaggingService:
    """A list or an answer that does not show yet what was accepted must never lead to a second purchase."""

    @staticmethod
    def known(count: int, *, age: float) -> list[Job]:
        return [
            Job(
                job_id=f"job-{number}",
                clip_keys=(f"key{number}",),
                state=JobState.ACTIVE,
                created_at=time.time() - age,
                output=f"https://s3.us-east-1.amazonaws.com/{BUCKET}/narration/clips/key{number}.job-{number}.pcm",
            )
            for number in range(count)
        ]

    @staticmethod
    def wanted(jobs: list[Job]) -> list[WantedClip]:
        return [
            WantedClip(clip_key=job.clip_keys[0], text="a", text_type="text", spoken_text="a", characters=1, place="p")
            for job in jobs
        ]

    @pytest.mark.parametrize("count", [3, 12])
    def test_a_job_that_was_accepted_a_moment_ago_is_believed_although_nothing_shows_it(self, bench, count):
        known = self.known(count, age=2)

        ledger = service().find_jobs(self.wanted(known), known=known, listed_at=None, intended={})

        assert {job.job_id: job.state for job in ledger.jobs} == dict.fromkeys(
            (j.job_id for j in known), JobState.ACTIVE
        )

    def test_a_job_that_polly_must_have_forgotten_is_given_up(self, bench):
        known = self.known(2, age=73 * 3600)

        assert service().find_jobs(self.wanted(known), known=known, listed_at=None, intended={}).jobs == ()


def test_what_would_be_sent_too_late_is_not_bought(bench):
    clips = [bench.clip(bench.text(number)) for number in range(3)]
    batches = [Batch(job_key="", clips=(clip,)) for clip in clips]

    purchases = service().buy(batches, profile=PROFILE, until=Deadline.after(0))

    assert (purchases.jobs, purchases.lost, bench.bought) == ((), (), 0)
    assert set(purchases.throttled) == {clip.clip_key for clip in clips}


class TestQuotas:
    @pytest.mark.parametrize(
        ("granted", "engine", "expected"),
        [
            ({}, "neural", 10),
            ({}, "generative", 1),
            ({"start": 20}, "neural", 20),
            ({"start": "20"}, "standard", 20),
            ({"start": 20}, "long-form", 1),
            ({"start": {"generative": 4}}, "generative", 4),
            ({"start": {"generative": 4}}, "neural", 10),
        ],
    )
    def test_what_aws_granted_an_engine_is_used_for_that_engine(self, bench, monkeypatch, granted, engine, expected):
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(bench.cloud.connection(polly_quotas=granted)))

        assert service()._quota(f"start:{engine}", START_PER_SECOND[engine]) == expected


class TestLexiconsAtTheTimeOfBuying:
    def test_a_lexicon_that_was_changed_since_the_plan_stops_the_purchase(self, bench):
        name = f"lex{bench.word}"[:20]
        client = bench.cloud.client("polly")
        client.put_lexicon(Name=name, Content=LEXICON.format("World Wide Web Consortium"))
        profile = service().profile(**{**CHOICE, "lexicons": (name,)})
        service().check_unchanged(profile)

        client.put_lexicon(Name=name, Content=LEXICON.format("something else"))

        with pytest.raises(VoiceChoiceError, match=f"{name}.*was changed after.*Start the Dag again"):
            service().check_unchanged(profile)
