"""How long the parts of a turn took, each measured once."""

from __future__ import annotations

from selam_cli.core.events import Latency


class LatencyOfTurn:
    """Collects the times of one turn; each method says whether its time is news. Times are monotonic seconds."""

    def __init__(self, turn: int, pressed_at: float = 0.0) -> None:
        self._turn = turn
        self._pressed_at = pressed_at
        self._ended_at: float | None = None
        self._times: dict[str, float] = {}

    def event(self) -> Latency:
        """Return what is known so far, in ms."""
        return Latency(self._turn, **{name: round(ms, 1) for name, ms in self._times.items()})

    def speech_ended(self, at: float) -> None:
        """The user released the key at this time; a later release of the same turn replaces it."""
        self._ended_at = at

    def first_chunk_sent(self, now: float) -> bool:
        """The first sound of the utterance has left."""
        return self._once("press_to_wire_ms", self._pressed_at, now)

    def transcribed(self, now: float) -> bool:
        """The final transcription came."""
        return self._once("transcription_ms", self._ended_at, now)

    def responded(self, now: float) -> bool:
        """The first of the answer's text came."""
        return self._once("response_ms", self._ended_at, now)

    def sounded(self, now: float) -> bool:
        """The first of the answer's sound came."""
        return self._once("audio_ms", self._ended_at, now)

    def round_trip(self, rtt_ms: float) -> bool:
        """A control was acknowledged after this time."""
        if "rtt_ms" in self._times:
            return False
        self._times["rtt_ms"] = rtt_ms
        return True

    def _once(self, name: str, since: float | None, now: float) -> bool:
        if name in self._times or not since:
            return False
        self._times[name] = max(0.0, (now - since) * 1_000)
        return True
