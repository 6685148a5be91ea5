"""Failures to order: what should go wrong, how often, for which calls."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Kinds that end a call, in the order in which a call meets them, and kinds that an accepted job carries with it.
BEFORE_THE_CALL = ("throttle", "error_500")
AFTER_THE_CALL = ("drop_reply",)
OF_THE_JOB = ("stuck_scheduled", "fail", "object_late", "object_missing")
OF_A_QUEUE = (*BEFORE_THE_CALL, "access_denied")
# The same for Azure. A job carries one order of each of the first kinds; a partial failure hits single inputs.
AZURE_BEFORE_THE_CALL = ("throttle", "error_500", "garbage_reply")
AZURE_ONCE_PER_JOB = ("stuck_not_started", "fail", "truncated_zip", "missing_sentence_file")
AZURE_OF_THE_JOB = (*AZURE_ONCE_PER_JOB, "partial_failure")
AZURE_OF_A_URL = ("expired_url",)
# A download is no operation of the service itself: blob storage serves it, under this name.
AZURE_OF_A_DOWNLOAD = ("truncated_download",)
DOWNLOAD = "GetBlob"
# And of the storage account of a customer, which is no speech service.
BLOB_BEFORE_THE_CALL = ("throttle", "error_500")


@dataclass(frozen=True, kw_only=True)
class FaultRules:
    """What can go wrong with the calls of one service.

    :param only: kind -> the operations that it can hit; kinds not named here can hit all of them.
    :param with_a_text: the operations that carry a text.
    """

    kinds: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]]
    with_a_text: tuple[str, ...]


def _azure(*, starts: str, gives_urls: str) -> FaultRules:
    return FaultRules(
        kinds=AZURE_BEFORE_THE_CALL + AFTER_THE_CALL + AZURE_OF_THE_JOB + AZURE_OF_A_URL + AZURE_OF_A_DOWNLOAD,
        only=dict.fromkeys(AZURE_OF_THE_JOB, (starts,))
        | dict.fromkeys(AZURE_OF_A_URL, (gives_urls,))
        | dict.fromkeys(AZURE_OF_A_DOWNLOAD, (DOWNLOAD,)),
        with_a_text=(starts,),
    )


RULES: Mapping[str, FaultRules] = {
    "polly": FaultRules(
        kinds=BEFORE_THE_CALL + AFTER_THE_CALL + OF_THE_JOB,
        only=dict.fromkeys(OF_THE_JOB, ("StartSpeechSynthesisTask",)),
        with_a_text=("StartSpeechSynthesisTask", "SynthesizeSpeech"),
    ),
    "azure_batch": _azure(starts="CreateBatchSynthesis", gives_urls="GetBatchSynthesis"),
    "azure_batch_preview": _azure(starts="CreateBatchSynthesis", gives_urls="GetBatchSynthesis"),
    "azure_long_audio": _azure(starts="CreateLongAudioSynthesis", gives_urls="ListLongAudioSynthesisFiles"),
    "sqs": FaultRules(kinds=OF_A_QUEUE, only={}, with_a_text=()),
    "azure_blob": FaultRules(kinds=BLOB_BEFORE_THE_CALL + AFTER_THE_CALL, only={}, with_a_text=()),
    "azure_voices": FaultRules(kinds=AZURE_BEFORE_THE_CALL + AFTER_THE_CALL, only={}, with_a_text=()),
}
KINDS = tuple(dict.fromkeys(kind for rules in RULES.values() for kind in rules.kinds))
TEN_YEARS = 10 * 365 * 86_400
_LARGEST_COUNT = 1_000_000
_LONGEST_STRING = 10_000
_FURTHEST_SHOWN = 10**20


class FaultError(Exception):
    """An order for a fault that the cloud cannot carry out."""


@dataclass(kw_only=True)
class Fault:
    """One order.

    :param kind: one of :data:`KINDS`.
    :param operation: only calls of this operation; ``None`` is any. Faults of the
        job always belong to the operation that starts one.
    :param count: how many calls it still hits; how many inputs, for ``partial_failure``.
    :param reason: the job's status reason, for ``fail``; the input's, for ``partial_failure``.
    :param seconds: how long ``stuck_scheduled``, ``stuck_not_started`` and ``object_late`` last; ``None`` is for
        ever, for ever and 5 seconds respectively. For ``throttle`` at Azure, what Retry-After says (1).
    :param match_text: only calls whose text contains this.
    """

    kind: str
    service: str = "polly"
    operation: str | None = None
    count: int = 1
    reason: str | None = None
    seconds: float | None = None
    match_text: str | None = None

    @classmethod
    def parse(cls, order: Any, *, operations: Mapping[str, Collection[str]]) -> Fault:
        """Read an order as posted.

        :param operations: service -> operations that exist.
        :raises FaultError: naming the member and what it may be.
        """
        if not isinstance(order, dict):
            raise FaultError('An order is a JSON object such as {"service": "polly", "kind": "throttle", "count": 3}.')
        unknown = sorted(set(order) - set(cls.__dataclass_fields__))
        if unknown:
            raise FaultError(f"Unknown member {unknown[0]!r}; an order has {', '.join(cls.__dataclass_fields__)}.")
        if order.get("kind") not in KINDS:
            raise FaultError(f"Unknown kind {order.get('kind')!r}; the kinds are {', '.join(KINDS)}.")
        service = order.get("service", "polly")
        if not isinstance(service, str) or service not in operations:
            raise FaultError(f"Unknown service {service!r}; the services are {', '.join(operations)}.")
        known = (*operations[service], *RULES[service].only.get(order["kind"], ()))
        if order.get("operation") is not None and order["operation"] not in known:
            raise FaultError(
                f"Unknown operation {order['operation']!r}; {service} has {', '.join(operations[service])}."
            )
        _check_that_it_can_hit(order, service=service)
        count = order.get("count", 1)
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= _LARGEST_COUNT:
            raise FaultError(f"count is {_shown(count)}; put a whole number from 1 to {_LARGEST_COUNT}.")
        seconds = order.get("seconds")
        # Written so that NaN, which is neither smaller nor larger than anything, is refused too.
        if seconds is not None and (
            not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= TEN_YEARS
        ):
            raise FaultError(
                f"seconds is {_shown(seconds)}; put a number from 0 to {TEN_YEARS} (ten years), or leave it out."
            )
        for name in ("reason", "match_text"):
            if order.get(name) is not None and not _is_text(order[name]):
                raise FaultError(
                    f"{name} is {_shown(order[name])}; put a string of at most {_LONGEST_STRING} characters without"
                    " halves of surrogate pairs, or leave it out."
                )
        # A member may be null, which is as good as left out.
        return cls(**{name: value for name, value in order.items() if value is not None})

    def hits(self, *, service: str, operation: str, text: str | None) -> bool:
        return (
            self.service == service
            and self.operation in {None, operation}
            and (self.match_text is None or (text is not None and self.match_text in text))
        )


def _check_that_it_can_hit(order: Mapping[str, Any], *, service: str) -> None:
    kind, operation, rules = order["kind"], order.get("operation"), RULES[service]
    if kind not in rules.kinds:
        raise FaultError(f"{kind} can never hit {service}, which has {', '.join(rules.kinds)}.")
    if operation is not None and operation not in rules.only.get(kind, (operation,)):
        why = "since a task carries it from its start" if kind in OF_THE_JOB else "since nothing else is concerned"
        raise FaultError(f"{kind} can never hit {operation}: it applies to {', '.join(rules.only[kind])} only, {why}.")
    # Without an operation, those that the kind can hit; any of them may have a text when that is not limited either.
    hit = rules.only.get(kind, rules.with_a_text) if operation is None else (operation,)
    if order.get("match_text") is not None and not set(hit) & set(rules.with_a_text):
        raise FaultError(
            f"match_text can never hit {', '.join(hit) or service}, which carries no text; it applies to"
            f" {', '.join(rules.with_a_text) or 'nothing here'}."
        )


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > _LONGEST_STRING:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can write half a surrogate pair; no text can contain one, and no answer could be written with it.
        return False
    return True


def _shown(value: Any) -> str:
    if isinstance(value, int) and not -_FURTHEST_SHOWN < value < _FURTHEST_SHOWN:
        return "far too large"
    shown = ascii(value)
    return shown if len(shown) <= 100 else f"{shown[:100]}…"


class Faults:
    """The orders outstanding, oldest first. Kept in memory: a restart clears them.

    Calls of the storage are answered in threads of their own, so orders are taken one at a time.
    """

    def __init__(self) -> None:
        self._orders: list[Fault] = []
        self._turn = threading.Lock()

    def add(self, fault: Fault) -> None:
        self._orders.append(fault)

    def clear(self) -> None:
        self._orders.clear()

    def outstanding(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in asdict(fault).items() if value is not None} for fault in self._orders]

    def take(self, *, kinds: Collection[str], service: str, operation: str, text: str | None) -> Fault | None:
        """The first order that hits this call, counted down; ``None`` when nothing was ordered for it."""
        with self._turn:
            for fault in self._orders:
                if fault.kind in kinds and fault.hits(service=service, operation=operation, text=text):
                    fault.count -= 1
                    if not fault.count:
                        self._orders.remove(fault)
                    return fault
        return None
