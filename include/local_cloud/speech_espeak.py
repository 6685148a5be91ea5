"""The espeak-ng library behind a small, deterministic interface."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import espeakng_loader
import numpy as np

SAMPLE_RATE = 22050

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_BUFFER_MILLISECONDS = 200
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_PHONEME_IPA = 0x0002
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 0x1
_PHONEMES_IN_BRACKETS = 0x100
_END_PAUSE = 0x1000
_POSITION_CHARACTER = 1
_PARAMETER_RATE = 1
_PARAMETER_VOLUME = 2
_PARAMETER_PITCH = 3
_PARAMETER_RANGE = 4
_EVENT_LIST_TERMINATED = 0
_EVENT_KINDS = {1: "word", 7: "phoneme"}

# The library keeps its state in globals of the process.
_one_at_a_time = threading.Lock()


class SpeechEngineError(RuntimeError):
    """espeak-ng could not be started or refused a request."""


@dataclass(frozen=True, kw_only=True)
class EngineVoice:
    """What espeak-ng is told before it speaks.

    :param language: espeak-ng's own name of a language file, such as ``en-US``
    :param variant: timbre, such as ``f2``; may be empty
    :param pitch: 0 to 99, 50 is the variant's own pitch, 50 more is an octave
    :param pitch_range: 0 (monotone) to 99, 50 is the variant's own range
    :param words_per_minute: 80 to 450
    """

    language: str
    variant: str = ""
    pitch: int = 50
    pitch_range: int = 50
    words_per_minute: int = 165

    @property
    def name(self) -> str:
        return f"{self.language}+{self.variant}" if self.variant else self.language


@dataclass(frozen=True, kw_only=True)
class EngineEvent:
    """Something that begins at a moment of the rendered audio.

    :param kind: ``word`` or ``phoneme``
    :param sample: the moment, in samples from the start
    :param position: for a word, about where it stands in the text: the engine counts commands and numbers loosely
    :param name: for a phoneme, its IPA symbols
    """

    kind: str
    sample: int
    position: int
    name: str = ""


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class Engine:
    """espeak-ng, freshly loaded: a context manager that only one thread of a process can be in.

    The library carries the phases of its oscillators from one text to the next, even across its own restart. Only
    unloading it makes a text sound the same every time, so each rendering loads it anew (about 1 ms).

    :raises SpeechEngineError: on entering, if the library or its data cannot be loaded
    """

    def __enter__(self) -> Engine:
        _one_at_a_time.acquire()
        try:
            self._load()
        except BaseException:
            _one_at_a_time.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._library.espeak_Terminate()
            loader = ctypes.CDLL(None)
            loader.dlclose.argtypes = [ctypes.c_void_p]
            loader.dlclose(self._library._handle)
        finally:
            _one_at_a_time.release()

    def speak(
        self, text: str, *, voice: EngineVoice, events: bool = False
    ) -> tuple[np.ndarray, tuple[EngineEvent, ...]]:
        """Render a text.

        :param text: no NUL; may hold the engine's commands (after U+0001) and phonemes (in double brackets)
        :param voice: how to speak
        :param events: whether to report words and phonemes
        :return: 16-bit mono samples at 22,050 Hz, and what begins when
        """
        encoded = text.encode("utf-8", "replace") + b"\0"
        self._audio = bytearray()
        self._events: list[EngineEvent] = []
        self._wants_events = events
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise SpeechEngineError(f"espeak-ng has no voice {voice.name!r}; reinstall the espeakng-loader package")
        for parameter, value in (
            (_PARAMETER_RATE, voice.words_per_minute),
            (_PARAMETER_PITCH, voice.pitch),
            (_PARAMETER_RANGE, voice.pitch_range),
            (_PARAMETER_VOLUME, 100),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        # Breath noise.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        flags = _CHARS_UTF8 | _PHONEMES_IN_BRACKETS | _END_PAUSE
        answer = self._library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded)), 0, _POSITION_CHARACTER, 0, flags, None, None
        )
        if answer != 0:
            raise SpeechEngineError(f"espeak-ng refused to speak (answer {answer})")
        return np.frombuffer(bytes(self._audio), dtype="<i2"), tuple(self._events)

    def _load(self) -> None:
        data = espeakng_loader.get_data_path()
        try:
            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise SpeechEngineError(f"espeak-ng cannot be loaded ({error}); reinstall espeakng-loader") from error
        options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_PHONEME_IPA | _INITIALIZE_DONT_EXIT
        rate = self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MILLISECONDS, data.encode(), options)
        if rate != SAMPLE_RATE:
            raise SpeechEngineError(f"espeak-ng found no data in {data} (answer {rate}); reinstall espeakng-loader")
        # Kept in an attribute: the library calls it for as long as it is loaded.
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, wave: int | None, count: int, events: Any) -> int:
        if wave and count > 0:
            self._audio += ctypes.string_at(wave, count * 2)
        if self._wants_events:
            index = 0
            while (event := events[index]).type != _EVENT_LIST_TERMINATED:
                kind = _EVENT_KINDS.get(event.type)
                if kind is not None:
                    name = event.id.string.decode("utf-8", "replace") if kind == "phoneme" else ""
                    position = max(0, event.text_position - 1)
                    self._events.append(EngineEvent(kind=kind, sample=event.sample, position=position, name=name))
                index += 1
        return 0
