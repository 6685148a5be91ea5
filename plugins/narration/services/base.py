"""What the reconciling operator, the plan and the status sweep ask of any speech service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from narration.errors import NarrationError

if TYPE_CHECKING:
    from narration.hooks.deadline import Deadline
    from narration.synthesis.orders import Order, OrderLimits, WantedClip
    from narration.synthesis.planning import ServiceRules
    from narration.synthesis.profile import VoiceProfile
    from narration.synthesis.reconcile import Job


class AudioMissingError(NarrationError):
    """A job that should be finished has no audio where the service said it would be."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """
    What one job is to make.

    :param job_key: the name of this purchase, which the adapter puts where the service shows it again (a job's id or
        display name); empty if :attr:`SpeechService.hidden_inputs` is false.
    :param clips: in the order of the job's inputs.
    """

    job_key: str
    clips: tuple[WantedClip, ...]


@dataclass(frozen=True, kw_only=True)
class FetchedClip:
    """
    What a finished job gave for one of its clips.

    :param clip_key: the clip.
    :param data: its audio; ``None`` if there is none.
    :param defect: why there is none.
    :param uncertain: whether the job has audio and it is not known whose: then there is none for anybody.
    :param boundaries: when its words and sentences are spoken: ``{"words": […], "sentences": […]}``, each entry with
        ``text``, ``offset_ms`` and ``duration_ms``; ``None`` if the service was not asked or does not tell.
    :param characters: billable characters of this clip alone, as the service counted them, if it says.
    """

    clip_key: str
    data: bytes | None
    defect: str = ""
    uncertain: bool = False
    boundaries: Mapping[str, Any] | None = None
    characters: int | None = None


@dataclass(frozen=True, kw_only=True)
class Purchases:
    """
    What came of asking for some clips.

    :param jobs: jobs that the service accepted.
    :param refused: clip keys that it refused for good, with its reason: nothing was bought.
    :param lost: clip keys whose answer did not arrive: they may have been bought or not.
    :param throttled: clip keys that it had no room for, or that there was no time to ask for: nothing was bought.
    :param full: whether the service has as many unfinished jobs of the account as it takes: ask again when some are
        finished.
    :param failure: what ended the buying before every clip was asked for; to be raised once the rest is recorded.
    """

    jobs: tuple[Job, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    throttled: tuple[str, ...] = ()
    full: bool = False
    failure: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """
    The jobs that make some clips.

    :param jobs: in any state.
    :param listed: whether the account's list was gone through, and not only what was known already asked about.
    """

    jobs: tuple[Job, ...]
    listed: bool


class SpeechService(ABC):
    """
    A speech service, as far as the paid-job protocol needs it.

    An adapter holds no state of its own between calls and decides nothing: it asks and it buys what it is told to.
    It is made anew in every process from :meth:`connection`.
    """

    name: ClassVar[str]
    settle_seconds: ClassVar[float]
    """How long after a lost reply the service's list is not believed when it does not show the job."""
    portion: ClassVar[int]
    """How many clips are bought between two writes of the order's record."""
    hidden_inputs: ClassVar[bool] = False
    """Whether a job cannot be asked what its inputs were: what was to be bought is then written down before."""
    max_active_jobs: int | None = None
    """Unfinished jobs that the service takes from one account; ``None`` if they do not say whether it is full."""

    @property
    @abstractmethod
    def account(self) -> str:
        """Who pays: the same text for the same payer, in every process."""

    @abstractmethod
    def connection(self) -> dict[str, Any]:
        """Give what another process needs to make the same adapter, as JSON types and without secrets."""

    @abstractmethod
    def check_output(self) -> None:
        """
        Make sure, before anything is bought, that the audio will have somewhere to go.

        :raises narration.errors.PermanentNarrationError: naming what is missing and the remedy.
        """

    @abstractmethod
    def profile(
        self,
        *,
        voice: str,
        engine: str,
        language_code: str | None,
        audio_format: str,
        sample_rate: int | None,
        lexicons: Sequence[str],
    ) -> VoiceProfile:
        """
        Make the voice profile that takes effect, as the account really offers it.

        :raises narration.errors.PermanentNarrationError: if it does not, naming the remedy.
        """

    @abstractmethod
    def rules(self, profile: VoiceProfile) -> ServiceRules:
        """Give the rules by which paragraphs are measured, split and refused."""

    @abstractmethod
    def order_limits(self, *, paragraphs_per_order: int) -> OrderLimits:
        """Give the limits of one order: the service's, and no more than what was asked for."""

    def extra_characters(self, clips: Sequence[WantedClip], *, profile: VoiceProfile) -> int:
        """
        Tell how many billable characters beyond those of the clips are bought with them, if they are bought now.

        :param clips: those of one order that are to be bought, in its order.
        """
        return 0

    def combined(
        self, orders: Sequence[Order], *, missing: Collection[str], profile: VoiceProfile
    ) -> tuple[Order, ...]:
        """
        Put orders together that would cost more alone, because the service takes nothing so short.

        :param orders: those of which something is to be bought, in the order of the document.
        :param missing: keys of the clips that are to be bought.
        """
        return tuple(orders)

    @abstractmethod
    def check_unchanged(self, profile: VoiceProfile) -> None:
        """
        Make sure, before a purchase, that what the profile names at the service is still what it was when planned.

        :raises narration.errors.PermanentNarrationError: if it is not: the audio would go under the wrong clip key.
        """

    def batches(self, clips: Sequence[WantedClip], *, profile: VoiceProfile) -> list[tuple[WantedClip, ...]]:
        """
        Divide clips into what one job each is to make, within the service's limits and keeping their order.

        The same clips are always divided in the same way.
        """
        return [(clip,) for clip in clips]

    @abstractmethod
    def find_jobs(
        self,
        clips: Collection[WantedClip],
        *,
        known: Collection[Job],
        listed_at: float | None,
        intended: Mapping[str, tuple[str, ...]],
    ) -> Ledger:
        """
        Find every job that makes one of the clips, in any state: the ledger.

        :param clips: those that the store does not hold.
        :param known: jobs that the order's record remembers, in whatever state it saw them: hints, to be checked.
        :param listed_at: when the account's jobs were last gone through for these clips; ``None`` for never.
            A service whose list begins with the newest job may stop there.
        :param intended: purchases that may have taken place: clip keys in the order of the job's inputs, by job key.
            Each one that no known job carries is looked for, whatever other jobs make the same clips. Empty if
            :attr:`hidden_inputs` is false.
        :return: whole jobs, with their clip keys in the order of their inputs.
        """

    @abstractmethod
    def buy(self, batches: Sequence[Batch], *, profile: VoiceProfile, until: Deadline | None = None) -> Purchases:
        """
        Ask the service to make some clips, one job for each batch. The only call that costs money; never repeated
        by itself.

        :param until: nothing is sent later, and the clock is looked at last when a request is ready to go: claims and
            intents that were written before must not have lapsed when it does, however long the process stood still
            meanwhile. What there was no time for is ``throttled``. Default: half of :attr:`settle_seconds` from now.
        """

    @abstractmethod
    def fetch(self, job: Job) -> Iterator[FetchedClip]:
        """
        Fetch the audio of a finished job, clip by clip, for each of :attr:`Job.clip_keys`.

        :param job: with all its clips, in the order of its inputs.
        :raises AudioMissingError: if it is not there (yet).
        """

    @abstractmethod
    async def outstanding_jobs(self, job_ids: Collection[str]) -> frozenset[str]:
        """
        Tell which of some jobs are not finished yet, for the shared status sweep.

        May name others of the account too, where that is the cheaper answer, and may keep a connection open from one
        call to the next, until :meth:`close`.

        :param job_ids: those that somebody waits for.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close what :meth:`outstanding_jobs` keeps open."""
