"""The small YAML file that says how documents are narrated."""

from __future__ import annotations

import pytest

from narration.inbox.errors import ProfileError
from narration.inbox.profile import check_names, folder_profile_names, own_profile_names, read_profile


def test_a_profile_is_names_and_values():
    text = "service: polly\nvoice: Amy\nbudget: 2.50\noutputs: [m4b]\n"

    assert read_profile(text.encode(), source="emma.yaml") == {
        **{"service": "polly", "voice": "Amy", "budget": 2.5, "outputs": ["m4b"]}
    }


@pytest.mark.parametrize("text", ["", "# nothing set\n", "---\n"])
def test_an_empty_profile_sets_nothing(text):
    assert read_profile(text, source="emma.yaml") == {}


def test_a_document_has_its_profile_beside_it_and_its_folder_s_above():
    assert own_profile_names("2026/emma.txt")[:2] == ("2026/emma.txt.yaml", "2026/emma.txt.yml")
    assert "2026/emma.yaml" in own_profile_names("2026/emma.txt")
    assert [name for name in folder_profile_names("2026/11/emma.txt") if name.islower()] == [
        *("2026/11/profile.yaml", "2026/11/profile.yml"),
        *("2026/profile.yaml", "2026/profile.yml"),
        *("profile.yaml", "profile.yml"),
    ]


def test_its_ending_may_be_in_capitals():
    assert {"emma.YAML", "emma.txt.YML"} <= set(own_profile_names("emma.txt"))
    assert "profile.YML" in folder_profile_names("emma.txt")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"voice: [Amy", "line 1 is not YAML"),
        (b"voice: Amy\n  engine: neural\n", "line 2 is not YAML"),
        (b"just words", "holds no names"),
        (b"- voice\n- Amy\n", "holds no names"),
        (b"1: Amy", "has the name 1"),
        (b"voice: \xff", "is not UTF-8"),
        (b"voice: !!python/object/apply:os.system ['true']", "is not YAML"),
        (b"x" * 70_000, "70,000 bytes"),
        (b"a: \x00", "is not YAML"),
        (b"a: &x [1, 1]\nvoice: [*x, *x]\n", "line 2 is not YAML: a profile has no aliases"),
    ],
    ids=["unclosed", "indented", "words", "list", "number", "latin", "code", "huge", "control", "alias"],
)
def test_what_is_no_profile_is_refused_with_its_place_and_a_remedy(data, said):
    with pytest.raises(ProfileError, match=r"^The profile emma\.yaml") as error:
        read_profile(data, source="The profile emma.yaml")

    assert said in str(error.value)


def test_an_unknown_name_is_refused_with_what_was_meant():
    with pytest.raises(ProfileError, match=r"sets 'voise', which is unknown\. Did you mean 'voice'"):
        check_names({"voise": "Amy"}, known={"voice", "engine"}, source="emma.yaml")
    with pytest.raises(ProfileError, match="A profile may set engine, voice"):
        check_names({"x": 1}, known={"voice", "engine"}, source="emma.yaml")
