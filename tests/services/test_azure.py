"""Azure's three APIs behind the protocol: who pays, what sounds, and what is bought, over HTTP."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import pytest

from narration.hooks.azure_errors import AzureJobNotFoundError, AzureSpeechAuthError
from narration.hooks.deadline import Deadline
from narration.hooks.windows import SharedWindow
from narration.services.registry import make_service
from narration.synthesis.azure_choice import AzureChoiceError
from narration.synthesis.azure_voices import VOICES
from narration.synthesis.reconcile import JobState
from tests.azure_road import CREATE, PROFILE
from tests.services.azure_purchases import (
    BY_NAME,
    LIST,
    ONLY_BATCH,
    ONLY_LONG_AUDIO,
    WITH_SUMMARY,
    batch,
    bought,
    intended,
    keys_of,
)

CHOICE = {"voice": "en-US-JennyNeural", "audio_format": "audio-24khz-160kbitrate-mono-mp3"}


@pytest.fixture
def adapter(azure_bench):
    return azure_bench.adapter


class TestItsIdentity:
    def test_another_process_can_make_the_same_adapter_from_json(self, azure_bench):
        connection = {"azure_speech_conn_id": "publisher", "region": "westeurope"}
        original = make_service(azure_bench.service, connection)

        again = make_service(azure_bench.service, json.loads(json.dumps(original.connection())))

        assert again.connection() == connection
        assert again.account == original.account == f"{azure_bench.service}:publisher:westeurope"

    def test_nothing_that_leaves_the_process_holds_the_key(self, azure_bench, adapter):
        assert azure_bench.key not in json.dumps([adapter.connection(), adapter.account])


class TestTheProfile:
    def test_it_holds_what_takes_effect(self, azure_bench, adapter):
        profile = adapter.profile(**{**CHOICE, "voice": "en-us-jennyneural"}, options={"style": "sad", "rate": "slow"})

        assert (profile.service, profile.voice, profile.engine) == ("azure", "en-US-JennyNeural", "neural")
        assert (profile.audio_format, profile.sample_rate, profile.language_code) == ("mp3", 24000, None)
        assert profile.options == (
            ("output_format", "audio-24khz-160kbitrate-mono-mp3"),
            ("rate", "slow"),
            ("style", "sad"),
        )

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"voice": "en-US-JenyNeural"}, "does not offer the voice 'en-US-JenyNeural'.*Did you mean en-US-JennyNeu"),
            ({"options": {"style": "poetry-reading"}}, "en-US-JennyNeural has no style 'poetry-reading': it has angry"),
            ({"options": {"role": "Girl"}}, "has no role 'Girl': it has none; leave the field empty"),
            ({"audio_format": "webm-24khz-16bit-mono-opus"}, "cannot be had from this API"),
        ],
    )
    def test_what_the_region_does_not_offer_is_refused_with_what_would_fit(self, adapter, change, message):
        with pytest.raises(AzureChoiceError, match=message):
            adapter.profile(**{**CHOICE, **change})

    def test_every_voice_and_style_of_the_form_is_one_that_the_service_lists(self, azure_bench, adapter):
        offered = {
            entry.get("ShortName") or entry["voiceName"]: entry for entry in adapter.hook.list_voices(api=adapter.api)
        }

        assert set(VOICES) <= set(offered)
        for name, voice in VOICES.items():
            entry = offered[name]
            styles = entry.get("StyleList") or [
                style["name"] for style in entry.get("properties", {}).get("styles", [])
            ]
            assert set(voice.styles) == set(styles), name
            assert (entry.get("Locale") or entry["locale"]) == voice.locale

    def test_the_three_apis_give_the_same_profile(self, azure_bench, adapter):
        other = make_service("azure_batch", {"azure_speech_conn_id": "azure_speech_default"})

        assert adapter.profile(**CHOICE) == other.profile(**CHOICE)

    def test_a_resource_that_may_use_the_api_passes_the_check(self, adapter):
        adapter.check_output()

    def test_a_key_that_was_revoked_is_found_before_anything_is_bought(self, azure_bench, monkeypatch):
        azure_bench.key = "revoked-0123456789"
        azure_bench.connect(monkeypatch)

        with pytest.raises(AzureSpeechAuthError):
            azure_bench.adapter.check_output()


class TestBuying:
    def test_many_clips_are_one_job_that_carries_the_name_of_the_purchase(self, azure_bench):
        wanted = batch(azure_bench, azure_bench.text(1), azure_bench.text(2))

        (job,) = bought(azure_bench, wanted)

        assert (job.job_key, job.clip_keys) == (wanted.job_key, keys_of(wanted))
        assert azure_bench.bought == 1
        assert azure_bench.billed == job.characters == sum(clip.characters for clip in wanted.clips)
        listed = azure_bench.adapter.hook.list_jobs(api=azure_bench.adapter.api)
        assert f"narration-{wanted.job_key}" in {name for each in listed for name in (each.job_id, each.display_name)}

    def test_the_bill_of_ssml_is_what_was_estimated(self, azure_bench):
        words = f"Fish &amp; chips, 世界 {azure_bench.word}. " * 20
        wanted = batch(
            azure_bench,
            f'<speak><p>{words}<break time="1s"/></p></speak>',
            f'<speak xml:lang="en-GB"><voice name="en-GB-RyanNeural"><prosody rate="slow">{words}</prosody></voice>'
            f' and <mstts:express-as style="sad">{words}</mstts:express-as></speak>',
            text_type="ssml",
        )

        (job,) = bought(azure_bench, wanted)

        assert job.state is JobState.SUCCEEDED, job.reason
        assert azure_bench.billed == sum(clip.characters for clip in wanted.clips)
        assert [clip.defect for clip in azure_bench.adapter.fetch(job)] == ["", ""]

    def test_a_resource_without_the_tier_is_refused_with_a_clear_error_and_nothing_is_bought(
        self, azure_bench, monkeypatch
    ):
        azure_bench.key = f"f0-{azure_bench.key}"
        azure_bench.connect(monkeypatch)

        purchases = azure_bench.adapter.buy([batch(azure_bench, azure_bench.text(1))], profile=PROFILE)

        assert isinstance(purchases.failure, AzureSpeechAuthError)
        assert "S0" in str(purchases.failure)
        assert (purchases.jobs, purchases.lost, azure_bench.bought) == ((), (), 0)

    def test_what_is_throttled_was_not_bought(self, azure_bench):
        azure_bench.fault("throttle", operation=CREATE[azure_bench.service], count=50, seconds=0)
        wanted = [batch(azure_bench, azure_bench.text(number)) for number in range(2)]

        purchases = azure_bench.adapter.buy(wanted, profile=PROFILE)

        assert (purchases.jobs, purchases.full, azure_bench.bought) == ((), False, 0)
        assert set(purchases.throttled) == set(keys_of(*wanted))

    def test_what_would_be_sent_too_late_is_not_bought(self, azure_bench):
        wanted = [batch(azure_bench, azure_bench.text(number)) for number in range(2)]

        purchases = azure_bench.adapter.buy(wanted, profile=PROFILE, until=Deadline.after(0))

        assert (purchases.jobs, purchases.lost, azure_bench.bought) == ((), (), 0)
        assert set(purchases.throttled) == set(keys_of(*wanted))

    def test_a_request_that_waited_too_long_for_its_turn_is_not_sent(self, azure_bench, monkeypatch):
        wanted = batch(azure_bench, azure_bench.text(1))
        until = Deadline.after(60)
        monkeypatch.setattr(SharedWindow, "turn", _stood_still(monkeypatch))

        purchases = azure_bench.adapter.buy([wanted], profile=PROFILE, until=until)

        assert (purchases.jobs, purchases.lost, azure_bench.bought) == ((), (), 0)
        assert set(purchases.throttled) == set(keys_of(wanted))

    def test_a_full_queue_is_told_from_a_rate_that_is_too_high(self, azure_bench):
        azure_bench.seed(count=azure_bench.adapter.max_active_jobs, status="NotStarted")
        wanted = batch(azure_bench, azure_bench.text(1))

        purchases = azure_bench.adapter.buy([wanted], profile=PROFILE)

        assert (purchases.full, purchases.jobs, azure_bench.bought) == (True, (), 0)
        assert set(purchases.throttled) == set(keys_of(wanted))

    @ONLY_BATCH
    @pytest.mark.parametrize(("kind", "count"), [("throttle", 50), ("error_500", 1)])
    def test_when_the_active_jobs_cannot_be_counted_nothing_is_bought_and_nothing_is_in_doubt(
        self, azure_bench, kind, count
    ):
        azure_bench.fault(
            kind, operation=LIST[azure_bench.service], count=count, **({"seconds": 0} if count > 1 else {})
        )
        wanted = batch(azure_bench, azure_bench.text(1))

        purchases = azure_bench.adapter.buy([wanted], profile=PROFILE)

        assert (purchases.jobs, purchases.lost, azure_bench.bought) == ((), (), 0)
        assert (purchases.throttled == keys_of(wanted)) is (kind == "throttle")
        assert (purchases.failure is None) is (kind == "throttle")

    @ONLY_BATCH
    def test_the_limit_that_we_set_ourselves_leaves_room_for_as_many_as_fit(self, azure_bench):
        azure_bench.seed(count=299, status="Running")
        wanted = [batch(azure_bench, azure_bench.text(number)) for number in range(2)]

        purchases = azure_bench.adapter.buy(wanted, profile=PROFILE)

        assert (len(purchases.jobs), purchases.full) == (1, True)
        assert purchases.throttled == keys_of(wanted[1])

    def test_a_text_that_azure_refuses_is_named_when_it_is_alone_in_its_job(self, azure_bench):
        unknown = replace(PROFILE, options=(("output_format", "no-such-format"),))
        wanted = batch(azure_bench, azure_bench.text(1))

        purchases = azure_bench.adapter.buy([wanted], profile=unknown)

        assert set(purchases.refused) == set(keys_of(wanted))
        assert "Nothing was bought" in purchases.refused[keys_of(wanted)[0]]
        assert azure_bench.bought == 0

    def test_a_refusal_of_many_inputs_ends_the_buying_and_says_which_job_it_was(self, azure_bench):
        unknown = replace(PROFILE, options=(("output_format", "no-such-format"),))
        wanted = batch(azure_bench, azure_bench.text(1), azure_bench.text(2))

        purchases = azure_bench.adapter.buy([wanted], profile=unknown)

        assert purchases.refused == {}
        place = "One, paragraph 1 (line 7 of story.txt)"
        assert f"2 paragraphs, from {place} to {place}: " in str(purchases.failure)
        assert "1 paragraph per order" in str(purchases.failure)

    @WITH_SUMMARY
    def test_an_input_that_a_refusal_names_is_the_only_one_that_is_refused(self, azure_bench):
        good, bad = (azure_bench.clip(azure_bench.text(number)) for number in range(2))
        bad = replace(bad, text="\ufeff")
        first = replace(batch(azure_bench, "x"), clips=(good, bad))
        second = batch(azure_bench, azure_bench.text(3))

        purchases = azure_bench.adapter.buy([first, second], profile=PROFILE)

        assert set(purchases.refused) == {bad.clip_key}
        assert "of input 2 is required" in purchases.refused[bad.clip_key]
        assert (purchases.throttled, purchases.failure) == ((good.clip_key,), None)
        assert [job.clip_keys for job in purchases.jobs] == [keys_of(second)]

    @ONLY_LONG_AUDIO
    def test_a_resource_that_stores_no_more_jobs_is_waited_for_and_the_remedy_is_logged(self, azure_bench, caplog):
        azure_bench.seed(count=20_000, status="Succeeded")
        wanted = batch(azure_bench, azure_bench.text(1))
        adapter = azure_bench.adapter

        purchases = adapter.buy([wanted], profile=PROFILE)
        azure_bench.empty()

        assert (purchases.full, purchases.jobs, purchases.failure) == (True, (), None)
        assert purchases.throttled == keys_of(wanted)
        assert "run the azure_retention Dag" in caplog.text
        # Few of them are unfinished: whoever counted those would see room at once.
        assert adapter.max_active_jobs is None


class TestLostReplies:
    @ONLY_BATCH
    def test_a_job_whose_reply_was_lost_is_found_at_once_by_its_id(self, azure_bench):
        azure_bench.fault("drop_reply", operation=CREATE[azure_bench.service])
        wanted = batch(azure_bench, azure_bench.text(1))

        purchases = azure_bench.adapter.buy([wanted], profile=PROFILE)

        assert [job.job_key for job in purchases.jobs] == [wanted.job_key]
        assert (purchases.lost, azure_bench.bought) == ((), 1)

    @ONLY_BATCH
    def test_a_purchase_that_took_place_already_is_that_purchase(self, azure_bench):
        wanted = batch(azure_bench, azure_bench.text(1))
        (first,) = azure_bench.adapter.buy([wanted], profile=PROFILE).jobs

        (second,) = azure_bench.adapter.buy([wanted], profile=PROFILE).jobs

        assert second.job_id == first.job_id
        assert azure_bench.bought == 1

    @ONLY_BATCH
    def test_an_id_that_is_taken_by_a_job_that_nobody_sees_stays_in_doubt_and_the_log_says_what_helps(
        self, azure_bench, caplog
    ):
        wanted = batch(azure_bench, azure_bench.text(1))
        azure_bench.adapter.buy([wanted], profile=PROFILE)
        adapter = azure_bench.adapter

        with mock.patch.object(adapter.hook, "get_job", side_effect=AzureJobNotFoundError("no such job")):
            purchases = adapter.buy([wanted], profile=PROFILE)

        assert (purchases.jobs, purchases.lost) == ((), keys_of(wanted))
        assert "another number of paragraphs per order gives other ids" in caplog.text

    @BY_NAME
    def test_a_job_whose_reply_was_lost_is_found_by_its_name(self, azure_bench):
        azure_bench.fault("drop_reply", operation=CREATE[azure_bench.service])
        wanted = batch(azure_bench, azure_bench.text(1), azure_bench.text(2))
        purchases = azure_bench.adapter.buy([wanted], profile=PROFILE)
        assert (purchases.jobs, set(purchases.lost)) == ((), set(keys_of(wanted)))

        ledger = azure_bench.adapter.find_jobs(wanted.clips, known=(), listed_at=None, intended=intended(wanted))

        assert [(job.job_key, job.clip_keys) for job in ledger.jobs] == [(wanted.job_key, keys_of(wanted))]
        assert ledger.listed
        assert azure_bench.bought == 1

    def test_a_page_of_a_proxy_instead_of_an_answer_leaves_it_open(self, azure_bench):
        azure_bench.fault("garbage_reply", operation=CREATE[azure_bench.service])
        wanted = batch(azure_bench, azure_bench.text(1))

        purchases = azure_bench.adapter.buy([wanted], profile=PROFILE)

        assert set(purchases.lost) == set(keys_of(wanted))
        ledger = azure_bench.adapter.find_jobs(wanted.clips, known=(), listed_at=None, intended=intended(wanted))
        assert (ledger.jobs, ledger.listed, azure_bench.bought) == ((), True, 0)


def _stood_still(monkeypatch):
    """A turn that comes after the machine was suspended for an hour."""
    turn = SharedWindow.turn

    @contextmanager
    def late_turn(self):
        with turn(self):
            suspended = SimpleNamespace(time=lambda: time.time() + 3600, monotonic=time.monotonic)
            monkeypatch.setattr("narration.hooks.deadline.time", suspended)
            yield

    return late_turn
