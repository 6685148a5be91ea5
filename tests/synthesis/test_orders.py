from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narration.synthesis.keys import clip_key
from narration.synthesis.orders import Order, OrderLimits, WantedClip, distinct, pack
from narration.synthesis.profile import VoiceProfile

PROFILE = VoiceProfile(
    service="polly", voice="Joanna", engine="neural", language_code=None, audio_format="mp3", sample_rate=24000
)
ACCOUNT = "polly:aws_default:"


def clip(text: str) -> WantedClip:
    return WantedClip(
        clip_key=clip_key(profile=PROFILE, text=text, text_type="text"),
        text=text,
        text_type="text",
        spoken_text=text,
        characters=len(text),
        place=f"Chapter, {text}",
    )


def packed(clips, *, limit: int, characters: int | None = None) -> tuple[Order, ...]:
    return pack(clips, profile=PROFILE, limits=OrderLimits(clips=limit, characters=characters), account=ACCOUNT)


TEXTS = st.lists(st.text(alphabet="abc ", min_size=1, max_size=6), max_size=30)


@given(TEXTS, st.integers(1, 8), st.none() | st.integers(6, 20))
def test_every_paragraph_is_in_exactly_one_order_and_none_is_over_its_limits(texts, limit, characters):
    clips = [clip(text) for text in texts]

    orders = packed(clips, limit=limit, characters=characters)

    keys = [wanted.clip_key for order in orders for wanted in order.clips]
    assert keys == list(dict.fromkeys(wanted.clip_key for wanted in clips))
    for order in orders:
        assert 1 <= len(order.clips) <= limit
        assert characters is None or order.characters <= characters


@given(TEXTS, st.integers(1, 8))
def test_packing_the_same_document_again_gives_the_same_orders(texts, limit):
    assert packed([clip(text) for text in texts], limit=limit) == packed([clip(text) for text in texts], limit=limit)


def test_a_paragraph_over_the_limit_of_characters_still_gets_an_order_of_its_own():
    orders = packed([clip("a"), clip("b" * 50), clip("c")], limit=10, characters=20)

    assert [[wanted.text for wanted in order.clips] for order in orders] == [["a"], ["b" * 50], ["c"]]


def test_an_edited_paragraph_changes_only_the_order_that_holds_it():
    texts = [f"Paragraph {number}." for number in range(12)]
    before = packed([clip(text) for text in texts], limit=4)
    texts[5] = "Another paragraph altogether."
    after = packed([clip(text) for text in texts], limit=4)

    assert [old.order_id == new.order_id for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_a_paragraph_that_occurs_twice_is_bought_once_where_it_occurs_first():
    clips = [clip("Yes."), clip("No."), clip("Yes.")]

    assert distinct(clips) == (clips[0], clips[1])


def test_an_order_survives_json():
    (order,) = packed([clip("Grüße, 世界 \U0001f600")], limit=4)

    assert Order.from_dict(json.loads(json.dumps(order.to_dict()))) == order


@pytest.mark.parametrize("limits", [OrderLimits(clips=0), OrderLimits(clips=1, characters=0)])
def test_an_order_that_may_hold_nothing_is_refused(limits):
    with pytest.raises(ValueError, match="at least one"):
        pack([clip("a")], profile=PROFILE, limits=limits, account=ACCOUNT)


class TestAMinimum:
    @staticmethod
    def lengths(texts: list[str], *, limit: int, minimum: int) -> list[list[int]]:
        limits = OrderLimits(clips=limit, min_characters=minimum)
        orders = pack([clip(text) for text in texts], profile=PROFILE, limits=limits, account=ACCOUNT)
        return [[len(wanted.text) for wanted in order.clips] for order in orders]

    def test_an_order_goes_on_over_its_paragraphs_until_it_is_long_enough(self):
        assert self.lengths(["a" * 4, "b" * 4, "c" * 12, "d" * 12], limit=1, minimum=10) == [[4, 4, 12], [12]]

    def test_what_is_left_at_the_end_and_too_short_goes_with_the_order_before(self):
        assert self.lengths(["a" * 12, "b" * 12, "c" * 3], limit=1, minimum=10) == [[12], [12, 3]]

    def test_a_document_that_is_too_short_as_a_whole_is_one_order_all_the_same(self):
        assert self.lengths(["a", "bb"], limit=1, minimum=10) == [[1, 2]]

    def test_characters_that_are_billed_twice_count_once(self):
        twice = replace(clip("a" * 6), characters=12)
        orders = pack(
            [twice, clip("b" * 6), clip("c" * 12)],
            profile=PROFILE,
            limits=OrderLimits(clips=1, min_characters=10),
            account=ACCOUNT,
        )

        assert [len(order.clips) for order in orders] == [2, 1]

    @given(TEXTS, st.integers(1, 4), st.integers(0, 20))
    def test_every_order_is_long_enough_if_the_document_is(self, texts, limit, minimum):
        lengths = self.lengths(texts, limit=limit, minimum=minimum)

        assert sum(map(len, lengths)) == len(set(texts))
        if len(lengths) > 1:
            assert all(sum(order) >= minimum for order in lengths)
