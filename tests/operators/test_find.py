"""Which documents of an inbox a run takes, and what it asks for each."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest

from narration.inbox.errors import InboxError, ProfileError
from narration.operators.find import FindDocumentsOperator
from narration.operators.form_nightly import nightly_params
from narration.operators.inbox_records import InboxRecords
from narration.operators.manifest import MANIFEST
from narration.operators.read import ReadDocumentOperator
from narration.store import Store
from tests.conftest import TaskInstanceInTest

DAY = timedelta(days=1)
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


class TaskInstance(TaskInstanceInTest):
    """Knows which runs are under way."""

    def __init__(self, under_way: set[str]) -> None:
        super().__init__()
        self._under_way = under_way

    def get_dr_count(self, *, dag_id: str, run_ids: list[str], states: list[str]) -> int:
        assert (dag_id, states) == (self.dag_id, ["queued", "running"])
        return len(self._under_way.intersection(run_ids))


class Desk:
    """An inbox, a store, and runs that look through the one and remember in the other."""

    def __init__(self, folder: Path) -> None:
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.store = Store(location=f"file://{folder}/store")
        self.found: dict[str, Any] = {}
        self.under_way: set[str] = set()

    def put(self, name: str, text: str = "A tale.", *, at: datetime = MONDAY + DAY / 2) -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    def look(self, day: int = 0, *, timezone: str = "UTC", **change: Any) -> list[dict[str, Any]]:
        """Look through the inbox as the run of a day, counted from monday."""
        form = {name: param.value for name, param in nightly_params().items()}
        ti = TaskInstance(self.under_way)
        context = {
            "params": {**form, "inbox": str(self.inbox), "storage": self.store.uri, **change},
            "dag_run": SimpleNamespace(
                data_interval_start=MONDAY + day * DAY,
                data_interval_end=MONDAY + (day + 1) * DAY,
                run_after=None,
                run_id=f"run of day {day}",
            ),
            "ti": ti,
        }
        requests = FindDocumentsOperator(task_id="find", timezone=timezone).execute(context)
        self.found, self.note = ti.xcoms["found"], ti.xcoms["run_note"]
        return requests

    def names(self, day: int = 0, **change: Any) -> list[str]:
        return [request["name"] for request in self.look(day, **change)]

    def publish(self, request: dict[str, Any]) -> None:
        """Do what the last task of a document does."""
        name = request["name"].replace("/", "-")
        self.store.write("narrations", name, "tale.mp3", data=b"1234")
        audio = {"mp3": "tale.mp3", "mp3_bytes": 4}
        self.store.write_json("narrations", name, MANIFEST, value={"audio": audio})
        InboxRecords.of(request).published(request, narration=name, storage=self.store.uri)


@pytest.fixture
def desk(tmp_path, fresh_object_storage) -> Desk:
    return Desk(tmp_path)


class TestByTimeOfModification:
    def test_a_run_takes_what_was_modified_in_its_interval_in_any_folder(self, desk):
        desk.put("today.txt")
        desk.put("deep/er/today.ssml")
        desk.put("yesterday.txt", at=MONDAY - DAY / 2)
        desk.put("tomorrow.txt", at=MONDAY + DAY)

        assert desk.names() == ["deep/er/today.ssml", "today.txt"]
        assert (desk.found["unclaimed"], desk.found["other"]) == ({"number": 1, "names": ["yesterday.txt"]}, 1)

    def test_an_inbox_that_is_empty_gives_nothing_and_the_note_says_where_and_for_when_it_looked(self, desk):
        assert desk.look() == []
        assert str(desk.inbox) in desk.note
        assert "2026-11-23T00:00:00+00:00 to 2026-11-24T00:00:00+00:00" in desk.note

    def test_since_and_until_stand_in_the_place_of_the_interval_and_are_no_look_at_it(self, desk):
        desk.put("today.txt")

        assert desk.names(3, since="2026-11-23T06:00Z", until="2026-11-23T18:00+00:00") == ["today.txt"]
        assert desk.names(3, since="2026-11-23T06:00Z") == ["today.txt"]
        assert not list(Path(desk.store.path().path).glob("inboxes/*/looks"))

    def test_a_run_without_an_interval_takes_the_last_day(self, desk):
        desk.put("now.txt", at=datetime.now(UTC) - timedelta(hours=1))
        parameters = {name: param.value for name, param in nightly_params().items()}
        context = {
            "params": {**parameters, "inbox": str(desk.inbox), "storage": desk.store.uri},
            "dag_run": SimpleNamespace(
                data_interval_start=None, data_interval_end=None, run_after=None, run_id="by hand"
            ),
            "ti": TaskInstanceInTest(),
        }

        assert [each["name"] for each in FindDocumentsOperator(task_id="find").execute(context)] == ["now.txt"]


class TestByDatedFolders:
    def test_a_run_takes_the_folder_of_its_day_whenever_its_files_were_modified(self, desk):
        desk.put("2026-11-23/old.txt", at=MONDAY - 300 * DAY)
        desk.put("2026-11-23/letters/new.txt", at=MONDAY + 5 * DAY)
        desk.put("2026-11-24/tomorrow.txt")
        desk.put("elsewhere.txt")

        assert desk.names(layout="date") == ["2026-11-23/letters/new.txt", "2026-11-23/old.txt"]

    def test_a_day_without_a_folder_is_a_day_without_documents(self, desk):
        assert desk.names(layout="date") == []

    def test_days_are_those_of_the_time_zone(self, desk):
        desk.put("2026-11-23/story.txt")

        assert desk.names(layout="date", timezone="Pacific/Auckland") == ["2026-11-23/story.txt"]
        assert desk.names(layout="date", timezone="America/New_York") == []

    def test_the_inbox_s_profile_lies_above_the_dated_folders(self, desk):
        desk.put("profile.yaml", "voice: Amy")
        desk.put("2026-11-23/story.txt")

        (request,) = desk.look(layout="date")
        assert request["params"]["voice"] == "Amy"


class TestWhatNeedsNoWork:
    def test_what_was_narrated_and_did_not_change_is_left_out(self, desk):
        desk.put("story.txt")
        desk.publish(desk.look()[0])

        assert desk.names() == []
        assert desk.found["unchanged"] == {"number": 1, "names": ["story.txt"]}
        assert desk.names(again=True) == ["story.txt"]

    @pytest.mark.parametrize("change", ["document", "profile", "narration"])
    def test_it_is_taken_again_when_something_of_it_changed(self, desk, change):
        desk.put("story.txt")
        desk.publish(desk.look()[0])
        if change == "document":
            desk.put("story.txt", "A longer tale.")
        elif change == "profile":
            desk.put("story.yaml", "voice: Amy")
        else:
            Path(desk.store.path("narrations", "story.txt", "tale.mp3").path).unlink()

        assert desk.names() == ["story.txt"]

    def test_a_dry_run_does_not_keep_the_real_one_from_its_documents(self, desk):
        desk.put("story.txt")
        (dry,) = desk.look(dry_run=True)

        assert dry["params"]["dry_run"]
        desk.look(1)
        assert desk.names() == ["story.txt"]


class TestLateArrivals:
    def test_what_came_after_the_run_of_its_day_had_looked_is_taken_by_the_next_one(self, desk):
        desk.put("in-time.txt")
        desk.publish(desk.look(0)[0])
        desk.put("late.txt")
        desk.put("own.txt", at=MONDAY + 1.5 * DAY)

        requests = desk.look(1)

        assert [each["name"] for each in requests] == ["own.txt", "late.txt"]
        assert desk.found["late"] == ["late.txt"]

    def test_it_is_taken_once(self, desk):
        desk.look(0)
        desk.put("late.txt")
        desk.publish(desk.look(1)[0])

        assert desk.names(2) == []

    def test_days_in_reverse_leave_each_other_s_documents_alone(self, desk):
        for day in range(4):
            desk.put(f"day-{day}.txt", at=MONDAY + (day + 0.5) * DAY)

        assert [desk.names(day) for day in (3, 2, 1, 0)] == [[f"day-{day}.txt"] for day in (3, 2, 1, 0)]

    def test_what_failed_is_tried_again_by_a_later_run_only_when_it_was_mended(self, desk):
        desk.put("story.txt")
        desk.put("story.yaml", "voice: Joana")
        (request,) = desk.look(0)
        context = {"ti": TaskInstanceInTest(), "params": {}}
        with pytest.raises(ProfileError):
            ReadDocumentOperator(task_id="read", request=request).execute(context)
        assert context["ti"].xcoms["failure"]["document"] == "story.txt"

        assert desk.names(1) == []
        desk.put("story.yaml", "voice: Joanna")
        assert desk.names(1) == ["story.txt"]

    def test_the_run_that_took_a_latecomer_tries_it_again_when_it_is_cleared_and_no_other_does(self, desk):
        desk.look(0)
        desk.put("late.txt")
        (request,) = desk.look(1)
        InboxRecords.of(request).failed(request, reason="It is no text.")

        assert desk.names(2) == []
        assert desk.names(1) == ["late.txt"]

    def test_its_own_run_tries_it_again_whenever_somebody_clears_it(self, desk):
        desk.put("story.txt")
        desk.put("story.yaml", "voice: Joana")
        InboxRecords.of(desk.look(0)[0]).failed(desk.look(0)[0], reason="no voice")

        assert desk.names(0) == ["story.txt"]


class TestRunsBesideEachOther:
    """What one run has taken, as the others see it."""

    def test_what_another_run_has_under_way_is_left_to_it_and_named(self, desk):
        desk.look(0)
        desk.put("late.txt")
        assert desk.names(1) == ["late.txt"]
        desk.under_way.add("run of day 1")

        assert desk.names(2) == []
        assert desk.found["elsewhere"] == {"number": 1, "names": ["late.txt"]}
        assert "1 under way in other runs: late.txt" in desk.note

    def test_the_run_that_has_it_under_way_goes_on_with_it_when_it_looks_again(self, desk):
        desk.put("own.txt")
        desk.look(0)
        desk.under_way.add("run of day 0")

        assert desk.names(0) == ["own.txt"]

    @pytest.mark.parametrize("late", [False, True])
    def test_what_a_run_took_and_did_not_bring_to_an_end_is_taken_by_the_next_one(self, desk, late):
        if late:
            desk.look(0)
        desk.put("story.txt")
        assert desk.names(1 if late else 0) == ["story.txt"]

        assert desk.names(2) == ["story.txt"]
        assert desk.found["late" if late else "returned"] == ["story.txt"]
        assert desk.names(3) == ["story.txt"]

    def test_what_was_brought_to_an_end_then_is_done(self, desk):
        desk.put("story.txt")
        desk.look(0)
        desk.publish(desk.look(1)[0])

        assert desk.names(2) == desk.names(0) == []

    def test_a_run_whose_document_another_one_has_taken_over_leaves_it_to_that_one(self, desk):
        desk.put("story.txt")
        desk.look(0)
        desk.look(1)
        desk.under_way |= {"run of day 0", "run of day 1"}

        assert desk.names(0) == []
        assert desk.names(1) == ["story.txt"]

    def test_a_run_that_a_person_started_over_the_same_time_has_it_alone(self, desk):
        desk.put("story.txt")
        assert desk.names(5, since="2026-11-23T00:00Z", until="2026-11-24T00:00Z") == ["story.txt"]
        desk.under_way.add("run of day 5")
        assert desk.names(0) == []

        desk.under_way.clear()
        assert desk.names(1) == ["story.txt"]

    def test_a_dry_run_takes_nothing(self, desk):
        desk.put("story.txt")
        (dry,) = desk.look(0, dry_run=True)
        desk.under_way.add("run of day 0")

        assert "number" not in dry
        assert desk.names(5, since="2026-11-23T00:00Z", until="2026-11-24T00:00Z") == ["story.txt"]

    def test_of_runs_that_look_at_the_same_moment_one_takes_a_late_document(self, desk, monkeypatch):
        desk.look(0)
        desk.put("late.txt")
        desk.under_way |= {f"run of day {day}" for day in range(9)}
        together = Barrier(4)
        remembered = InboxRecords.document

        def slowly(records: InboxRecords, name: str) -> Any:
            record = remembered(records, name)
            together.wait(10)
            return record

        monkeypatch.setattr(InboxRecords, "document", slowly)
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda day: Desk.names(desk, day), range(1, 5)))

        assert sorted(taken) == [[], [], [], ["late.txt"]]

    def test_a_run_that_died_while_it_took_a_document_keeps_nobody_from_it(self, desk, monkeypatch):
        desk.put("story.txt")
        with monkeypatch.context() as patch:
            patch.setattr(InboxRecords, "_note", lambda *_, **__: (_ for _ in ()).throw(OSError("No space left.")))
            with pytest.raises(OSError, match="No space"):
                desk.look(0)

        assert desk.names(0) == ["story.txt"]

    @pytest.mark.parametrize("day", [0, 5])
    def test_the_next_attempt_of_a_run_that_died_so_is_not_in_its_own_way(self, desk, monkeypatch, day):
        desk.put("story.txt")
        time = {"since": "2026-11-23T00:00Z", "until": "2026-11-24T00:00Z"}
        with monkeypatch.context() as patch:
            patch.setattr(InboxRecords, "_note", lambda *_, **__: (_ for _ in ()).throw(OSError("No space left.")))
            with pytest.raises(OSError, match="No space"):
                desk.look(0)
        desk.under_way.add("run of day 0")

        assert desk.names(day, **time) == (["story.txt"] if day == 0 else [])


class TestReplacedDocuments:
    def test_a_document_that_replaces_a_narrated_one_after_its_day_is_narrated_by_the_next_run(self, desk):
        desk.put("2026-11-23/story.txt")
        desk.publish(desk.look(0, layout="date")[0])
        desk.put("2026-11-23/story.txt", "Another tale.", at=MONDAY + 2 * DAY)

        assert desk.names(1, layout="date") == ["2026-11-23/story.txt"]
        assert desk.found["returned"] == ["2026-11-23/story.txt"]

    def test_a_profile_that_changes_after_the_day_buys_nothing_of_what_was_narrated(self, desk):
        desk.put("2026-11-23/story.txt")
        desk.publish(desk.look(0, layout="date")[0])
        desk.put("profile.yaml", "voice: Amy")

        assert desk.names(1, layout="date") == []
        assert desk.names(0, layout="date") == ["2026-11-23/story.txt"]


class TestStorageInTheInbox:
    def test_nothing_in_it_belongs_to_the_inbox(self, desk):
        desk.put("story.txt")
        store = f"file://{desk.inbox}/narrations"
        desk.put("narrations/clips/ab/abc.json")
        desk.put("narrations/orders/tale.txt")
        desk.put("narrations-of-old/tale.txt")

        assert desk.names(storage=store) == ["narrations-of-old/tale.txt", "story.txt"]
        assert (desk.found["strange"]["number"], desk.found["other"]) == (0, 0)

    def test_it_cannot_be_the_inbox_itself(self, desk):
        with pytest.raises(InboxError, match="'inbox' and 'storage' a folder of its own"):
            desk.look(storage=f"file://{desk.inbox}/")


class TestProfiles:
    def test_without_one_the_form_s_says_how(self, desk):
        desk.put("story.txt")

        (request,) = desk.look(profile="service: azure_batch\nvoice: de-DE-KatjaNeural")

        assert (request["service"], request["params"]["voice"]) == ("azure_batch", "de-DE-KatjaNeural")
        assert request["params"]["document"].endswith("/inbox/story.txt")

    def test_the_nearest_one_counts_and_alone(self, desk):
        desk.put("profile.yaml", "voice: Amy\nbudget: 1")
        desk.put("letters/profile.yml", "voice: Brian")
        desk.put("letters/emma.yaml", "voice: Emma")
        for name in ("story.txt", "letters/harry.txt", "letters/emma.txt"):
            desk.put(name)

        requests = {each["name"]: each["params"] for each in desk.look()}

        assert {name: params["voice"] for name, params in requests.items()} == {
            **{"story.txt": "Amy", "letters/harry.txt": "Brian", "letters/emma.txt": "Emma"}
        }
        assert (requests["story.txt"]["budget"], requests["letters/emma.txt"]["budget"]) == (1, None)

    @pytest.mark.parametrize(
        ("profile", "said"),
        [
            ("voice: Joana", "Did you mean 'Joanna'?"),
            ("service: poly", "Did you mean 'polly'?"),
            ("service: [polly]", "which is unknown"),
            ("service: google", "Choose polly, azure_batch, azure_long_audio"),
            ("voise: Amy", "Did you mean 'voice'?"),
            ("engine: long-form\nvoice: Brian", "long-form"),
            ("budget: -1", "budget"),
            ("budget: cheap", "budget"),
            ("outputs: [wav]", "outputs"),
            ("outputs: []", "outputs"),
            ("document: /etc/passwd", "sets 'document', which is unknown"),
            ("dry_run: true", "sets 'dry_run', which is unknown"),
            ("voice: [", "line"),
        ],
    )
    def test_one_that_cannot_be_used_is_the_trouble_of_its_document_alone(self, desk, profile, said):
        desk.put("bad.txt")
        desk.put("bad.yaml", profile)
        desk.put("good.txt")

        bad, good = desk.look()

        assert (good["name"], good["problem"]) == ("good.txt", None)
        assert bad["problem"].startswith("The profile bad.yaml")
        assert said in bad["problem"]

    def test_its_ending_may_be_in_capitals(self, desk):
        desk.put("story.txt")
        desk.put("story.YAML", "voice: Amy")

        assert desk.look()[0]["params"]["voice"] == "Amy"

    def test_those_that_no_document_has_are_named(self, desk):
        for name in ("story.txt", "story.yaml", "letters/profile.yml", "tale.yaml", "Story.yaml", "story.Yaml"):
            desk.put(name, "voice: Amy")
        desk.put("of-old.yaml", at=MONDAY - DAY)

        desk.look()

        assert desk.found["unused"]["names"] == ["Story.yaml", "story.Yaml", "tale.yaml"]
        assert "3 profiles of no document" in desk.note

    def test_the_form_s_own_is_named_as_such(self, desk):
        desk.put("story.txt")

        (request,) = desk.look(profile="voice: Joana")

        assert request["problem"].startswith("The parameter 'profile' sets voice to 'Joana'")


class TestWhatCannotBeLookedAt:
    def test_a_profile_that_leads_nowhere_is_not_passed_over(self, desk):
        desk.put("story.txt")
        (desk.inbox / "story.yaml").symlink_to(desk.inbox / "gone.yaml")

        (request,) = desk.look()

        assert request["problem"].startswith("The profile story.yaml cannot be read")

    def test_a_document_that_leads_nowhere_fails_by_its_name(self, desk):
        (desk.inbox / "lost.txt").symlink_to(desk.inbox / "gone.txt")

        (request,) = desk.look()

        assert (request["name"], bool(request["problem"])) == ("lost.txt", True)

    def test_days_that_no_run_has_looked_at_are_named_with_what_narrates_them(self, desk):
        desk.put("forgotten.txt", at=MONDAY - DAY / 2)

        assert desk.look() == []
        assert "1 of days that no run has looked at, which a backfill narrates: forgotten.txt" in desk.note


class TestNonsense:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"inbox": " "}, "AIRFLOW__NARRATION__INBOX"),
            *(({"inbox": nothing}, "names no folder or bucket") for nothing in ("/", "file:///", "s3://", "s3://x@")),
            ({"inbox": "/nowhere/at/all"}, "There is no inbox at /nowhere/at/all"),
            ({"inbox": "/nowhere/at/all", "layout": "date"}, "There is no inbox at /nowhere/at/all"),
            ({"layout": "date", "folders": "%d.%m."}, "%Y-%m-%d"),
            ({"since": "yesterday"}, "'since' is 'yesterday'"),
            ({"since": "2026-11-23T06:00"}, "without a time zone"),
            ({"until": "2026-11-23T06:00Z"}, "needs 'since'"),
            ({"since": "2026-11-24T06:00Z", "until": "2026-11-23T06:00Z"}, "ends before it begins"),
        ],
    )
    def test_it_is_refused_with_a_remedy(self, desk, change, said):
        with pytest.raises(InboxError, match=r"\w") as error:
            desk.look(**change)

        assert said in str(error.value)

    def test_a_time_zone_that_is_none_is_named(self, desk):
        with pytest.raises(InboxError, match="Europe/Berlin"):
            desk.look(layout="date", timezone="Mars/Olympus")

    def test_more_documents_than_airflow_maps_over_are_refused_with_the_setting(self, desk, monkeypatch):
        monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
        for number in range(3):
            desk.put(f"{number}.txt")

        with pytest.raises(InboxError, match="AIRFLOW__CORE__MAX_MAP_LENGTH"):
            desk.look()

    def test_of_many_files_of_other_kinds_only_some_names_are_kept(self, desk):
        for number in range(120):
            desk.put(f"{number:03}.jpg")

        desk.look()

        assert desk.found["strange"]["number"] == 120
        assert desk.found["strange"]["names"] == [f"{number:03}.jpg" for number in range(100)]

    def test_files_of_other_kinds_are_named_in_the_note(self, desk):
        desk.put("cover.jpg")

        assert desk.look() == []
        assert "1 no documents, because their names end otherwise: cover.jpg" in desk.note
