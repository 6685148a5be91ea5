"""How many of those who wait for room are let go to try, on a clock of the test's own."""

from __future__ import annotations

from narration.triggers.admission import Admission

LOOK = 5.0


class Crowd:
    """Orders that wait for room at a service, and what becomes of each that tries."""

    def __init__(self, waiting: int, *, limit: int = 120, ours: int = 0) -> None:
        self.admission = Admission()
        self.now = 1000.0
        self.limit = limit
        self.waiting = 0
        self.ours = ours
        self.starts = 0
        self.free = 0
        self._back: list[float] = []
        self.come(waiting)

    def come(self, count: int = 1) -> None:
        for _ in range(count):
            self.waiting += 1
            self.admission.join(now=self.now)

    def look(self, *, finished: int = 0, back_after: float = 10.0) -> int:
        """Look once; whoever is let go buys a job if the service has room, and comes back if it has none."""
        self.now += LOOK
        for moment in [moment for moment in self._back if moment <= self.now]:
            self._back.remove(moment)
            self.come()
        self.ours -= finished
        self.free += finished
        self.admission.looked(finished=finished)
        gone, room = 0, self.limit - self.ours
        for _ in range(self.waiting):
            if self.admission.admit(now=self.now, room=room):
                gone += 1
                self.admission.leave()
                if self.free:
                    self.free -= 1
                    self.ours += 1
                else:
                    self._back.append(self.now + back_after)
        self.waiting -= gone
        self.starts += gone
        return gone

    def looks(self, seconds: float, **more) -> int:
        return sum(self.look(**more) for _ in range(int(seconds / LOOK)))


def test_a_service_that_stays_full_of_the_jobs_of_others_costs_one_start_a_minute():
    crowd = Crowd(180)

    assert crowd.looks(3600) <= 60
    assert crowd.waiting + len(crowd._back) == 180


def test_those_who_come_back_late_do_not_make_it_much_more():
    crowd = Crowd(180)

    assert crowd.looks(3600, back_after=90.0) <= 120


def test_nobody_goes_in_the_first_minute_because_they_were_just_told_that_it_is_full():
    crowd = Crowd(40)

    assert crowd.looks(55) == 0
    assert crowd.look() == 1


def test_as_many_go_at_once_as_jobs_were_seen_to_finish():
    crowd = Crowd(50, ours=120)

    assert crowd.look() == 0
    assert crowd.look(finished=5) == 5
    assert crowd.look() == 0


def test_no_more_than_eight_go_at_one_look_and_the_others_at_the_next():
    crowd = Crowd(50, ours=120)

    assert [crowd.look(finished=20), crowd.look(), crowd.look(), crowd.look()] == [8, 8, 4, 0]


def test_no_more_go_than_the_service_takes():
    crowd = Crowd(50, limit=10, ours=10)
    crowd.admission.looked(finished=6)

    assert sum(crowd.admission.admit(now=crowd.now, room=4) for _ in range(50)) == 4


def test_room_that_was_seen_is_forgotten_when_those_who_were_let_go_come_back():
    crowd = Crowd(50, ours=120)
    crowd.look(finished=20)
    crowd.free = 0
    crowd.come()

    assert crowd.look() == 0


def test_what_could_not_go_for_an_hour_does_not_go_at_once():
    crowd = Crowd(50, limit=10, ours=10)
    crowd.looks(3600)
    crowd.ours = 0

    assert crowd.look() <= 2


def test_once_there_is_room_that_was_not_seen_to_appear_all_get_through_in_minutes():
    crowd = Crowd(180, limit=300)
    crowd.looks(1800)
    crowd.free = 300

    crowd.looks(600)

    assert crowd.waiting == 0


def test_the_pace_is_slow_again_after_one_comes_back():
    crowd = Crowd(180, limit=300)
    crowd.free = 40
    crowd.looks(60 * 6)
    crowd.free = 0
    crowd.looks(60)

    assert crowd.looks(600) <= 11


def test_new_orders_that_are_told_that_it_is_full_do_not_keep_the_others_from_trying():
    crowd = Crowd(10)
    gone = 0
    for _ in range(120):
        gone += crowd.look()
        crowd.come()

    assert gone >= 9
