"""The steps of the protocol at which something is killed: the rows of the matrix."""

from __future__ import annotations

from dataclasses import dataclass

AZURE = ("azure_batch", "azure_batch_preview", "azure_long_audio")
SERVICES = ("polly", *AZURE)

WORK = ("synthesize", "resume")
ANY = ("read", "plan", *WORK, "trigger", "assemble", "publish")


@dataclass(frozen=True, kw_only=True)
class Step:
    """
    One row.

    :param name: in words.
    :param tasks: the attempts that can be hit.
    :param point: where, as :mod:`tests.crash.points` names it; ``time`` for a moment that nobody has chosen.
    :param act: what is killed there: one of :data:`tests.crash.points.ACTS`, or ``kill_all``, which also kills a
        trigger that waits meanwhile.
    :param most: the occurrence is drawn from 1 to this.
    :param exactly: the occurrence is not drawn; it is the one that ``most`` says.
    :param services: where there is such a step.
    """

    name: str
    tasks: tuple[str, ...]
    point: str
    act: str = "kill"
    most: int = 1
    exactly: bool = False
    services: tuple[str, ...] = SERVICES


def _step(name: str, tasks: str | tuple[str, ...], point: str, **more: object) -> Step:
    return Step(name=name, tasks=(tasks,) if isinstance(tasks, str) else tasks, point=point, **more)  # type: ignore[arg-type]


STEPS = (
    _step("read: document loaded", "read", "loaded"),
    _step("read: document half written", "read", "write.document.half"),
    _step("read: done and not told", "read", "returned"),
    _step("plan: asking what there is", "plan", "ask.sent"),
    _step("plan: an order half written", "plan", "write.order.half", most=2),
    _step("plan: plan half written", "plan", "write.plan.half"),
    _step("plan: done and not told", "plan", "returned"),
    _step("buy: before the claim", WORK, "write.claim.before", most=2),
    _step("buy: claim half written", WORK, "write.claim.half", most=2),
    _step("buy: claim written", WORK, "write.claim.after", most=3),
    _step("buy: intent half written", WORK, "write.intent.half"),
    _step("buy: intent written", WORK, "write.intent.after"),
    _step("buy: before the call", WORK, "buy.before", most=2),
    _step("buy: half of the call sent", WORK, "buy.half_sent", most=2),
    _step("buy: call sent", WORK, "buy.sent", most=2),
    _step("buy: call accepted, reply lost", WORK, "buy.accepted", most=2),
    _step("buy: reply received, nothing written", WORK, "buy.answered", most=3),
    _step("buy: id in the claim", WORK, "write.settled.after", most=3),
    _step("buy: id half written", WORK, "write.answer.half"),
    _step("buy: id written", WORK, "write.answer.after", most=2),
    _step("wait: deferring", WORK, "deferred"),
    _step("wait: deferred, trigger not begun", "trigger", "begun"),
    _step("wait: trigger asks", "trigger", "wait.look"),
    _step("wait: trigger has seen", "trigger", "wait.looked", most=2),
    _step("wait: event fired, not delivered", "trigger", "fired"),
    _step("collect: resumed", "resume", "begun"),
    _step("collect: before the download", WORK, "download.before", most=2),
    _step("collect: download asked for", WORK, "download.sent", most=2),
    _step("collect: during the download", WORK, "download.body", most=2),
    _step("collect: clip half written", WORK, "write.audio.half", most=3),
    _step("collect: audio there, facts not", WORK, "write.audio.after", most=3),
    _step("collect: facts half written", WORK, "write.facts.half", most=3),
    _step("collect: between two clips", WORK, "write.facts.after", most=3),
    _step("collect: done and not told", WORK, "returned"),
    _step("assemble: begun", "assemble", "begun"),
    _step("assemble: in the middle", "assemble", "assemble.clip", most=5),
    _step("assemble: before the check", "assemble", "assemble.verify", most=2),
    _step("assemble: MP3 half uploaded", "assemble", "write.mp3.half"),
    _step("assemble: between MP3 and M4B", "assemble", "write.mp3.after"),
    _step("assemble: M4B half uploaded", "assemble", "write.m4b.half"),
    _step("assemble: both there", "assemble", "write.m4b.after"),
    _step("publish: before the manifest", "publish", "write.manifest.before"),
    _step("publish: manifest half written", "publish", "write.manifest.half"),
    _step("publish: published and not told", "publish", "returned"),
    _step("retain: before the delete", "cleanup", "delete.before", services=AZURE),
    _step("retain: delete sent", "cleanup", "delete.sent", services=AZURE),
    _step("retain: delete accepted, reply lost", "cleanup", "delete.accepted", services=AZURE),
    _step("retain: deleted", "cleanup", "delete.answered", services=AZURE),
    _step("retain: done and not told", "cleanup", "returned", services=AZURE),
    _step("cloud: while it sells", WORK, "buy.sent", act="kill_cloud"),
    _step("cloud: when it has sold", WORK, "buy.accepted", act="kill_cloud"),
    _step("cloud: while it is waited for", "trigger", "wait.look", act="kill_cloud"),
    _step("cloud: during a download", WORK, "download.body", act="kill_cloud"),
    _step("cloud: while it deletes", "cleanup", "delete.sent", act="kill_cloud", services=AZURE),
    _step("cloud and worker: while it sells", WORK, "buy.sent", act="kill_both"),
    _step("cloud and worker: when it has sold", WORK, "buy.accepted", act="kill_both"),
    _step("cloud and worker: during a download", WORK, "download.body", act="kill_both"),
    _step("cloud and trigger: while it waits", "trigger", "wait.looked", act="kill_both"),
    _step("all: worker, trigger and cloud, when it has sold", WORK, "buy.accepted", act="kill_all"),
    _step("anywhere: at an audit event", ANY, "audit.*", most=400),
    _step("anywhere: after some time", ANY, "time"),
    _step("anywhere: the cloud, after some time", ANY, "time", act="kill_cloud"),
)
