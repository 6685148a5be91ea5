from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narration.synthesis.keys import KEY_LENGTH, clip_key, digest, job_key, order_id, order_of
from narration.synthesis.profile import Lexicon, VoiceProfile

PROFILE = VoiceProfile(
    service="polly", voice="Joanna", engine="neural", language_code=None, audio_format="mp3", sample_rate=24000
)


def key(profile: VoiceProfile = PROFILE, *, text: str = "Call me Ishmael.", text_type: str = "text") -> str:
    return clip_key(profile=profile, text=text, text_type=text_type)


def test_the_same_words_in_the_same_voice_always_have_the_same_key():
    # Written out: a key that changes with a new version of this project makes everybody buy their books again.
    assert key() == "00f5b76c21b92c1b4a8d1be935b99fb021abb700"


@pytest.mark.parametrize(
    "change",
    [
        {"service": "azure"},
        {"voice": "Matthew"},
        {"engine": "standard"},
        {"language_code": "en-US"},
        {"audio_format": "pcm"},
        {"sample_rate": 16000},
        {"lexicons": (Lexicon(name="names", sha256="1"),)},
    ],
)
def test_everything_that_shapes_the_sound_changes_the_key(change):
    assert key(replace(PROFILE, **change)) != key()


def test_text_and_text_type_change_the_key():
    assert len({key(), key(text="Call me Ismael."), key(text_type="ssml")}) == 3


def test_a_lexicon_with_other_content_or_in_another_place_changes_the_key():
    names, places = Lexicon(name="names", sha256="1"), Lexicon(name="places", sha256="2")
    profiles = [
        replace(PROFILE, lexicons=lexicons)
        for lexicons in [
            (names, places),
            (places, names),
            (replace(names, sha256="3"), places),
        ]
    ]
    assert len({key(profile) for profile in profiles}) == 3


@given(st.text(), st.sampled_from(["text", "ssml"]))
def test_a_key_can_stand_in_every_services_own_name_fields(text, text_type):
    found = key(text=text, text_type=text_type)
    assert len(found) == KEY_LENGTH
    assert set(found) <= set("0123456789abcdef")


def test_a_profile_that_went_through_json_gives_the_same_key():
    profile = replace(PROFILE, lexicons=(Lexicon(name="names", sha256="1"),))
    assert key(VoiceProfile.from_dict(profile.to_dict())) == key(profile)
    assert VoiceProfile.from_dict(profile.to_dict()) == profile


def test_an_order_is_named_by_its_clips_and_by_who_pays_and_by_nothing_else():
    name = order_id(clip_keys=["b", "a"], account="polly:aws_default:")
    assert name == order_id(clip_keys=["a", "b", "a"], account="polly:aws_default:")
    assert name != order_id(clip_keys=["a"], account="polly:aws_default:")
    assert name != order_id(clip_keys=["a", "b"], account="polly:other:")


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=5))
def test_the_order_of_a_dictionary_does_not_change_its_digest(value):
    assert digest(dict(reversed(value.items()))) == digest(value)


class TestJobKeys:
    ORDER = "0123456789" * 4

    def name(self, *keys: str, attempt: int = 0) -> str:
        return job_key(order=self.ORDER, clip_keys=keys, attempt=attempt)

    def test_the_same_purchase_has_the_same_name_everywhere(self):
        assert self.name("a", "b") == self.name("a", "b")

    def test_other_clips_another_order_of_inputs_and_another_attempt_are_other_purchases(self):
        assert len({self.name("a", "b"), self.name("b", "a"), self.name("a"), self.name("a", "b", attempt=1)}) == 4

    def test_the_name_tells_the_order_and_leaves_room_for_a_prefix_in_an_id_of_64_characters(self):
        assert order_of(self.name("a")) == self.ORDER
        assert len("narration-" + self.name("a")) <= 64

    @pytest.mark.parametrize("text", ["", "lesson-7", "0" * 40, "0" * 40 + "-xyz", "g" * 40 + "-" + "0" * 12])
    def test_what_is_not_a_job_key_has_no_order(self, text):
        assert order_of(text) == ""


def test_options_are_part_of_the_key_and_their_absence_is_not():
    assert "options" not in PROFILE.to_dict()
    styled = replace(PROFILE, options=(("style", "chat"),))

    assert key(styled) != key()
    assert VoiceProfile.from_dict(styled.to_dict()) == styled
    assert (styled.option("style"), styled.option("rate")) == ("chat", None)
