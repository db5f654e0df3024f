"""Which events still belong to a reply that was cut off.

The wire carries no reply id. After `interrupt` the old reply's text and sound go on arriving until the server has read
it, so they are dropped until `control_ack` for it, else `audio_end`, else a new final transcription, else one second
(docs/protocol.md).
"""

from __future__ import annotations

from typing import Final

from selam_cli.core import protocol

GIVE_UP_S: Final = 1.0

_ANSWERS: Final = (protocol.Transcription, protocol.Response, protocol.ReplyChunk, protocol.AudioEnd)


class StaleReplyFilter:
    """A gate that closes at an interruption and opens when the old reply is surely over."""

    def __init__(self) -> None:
        self._unacknowledged = 0
        self._until = float("-inf")
        self._shut = False
        self._discarded = False

    def discarded(self) -> None:
        """Skip everything that answers what the user has thrown away."""
        self._discarded = True

    def begin_turn(self) -> None:
        """The user says something that is to be answered."""
        self._discarded = False

    def interrupted(self, now: float) -> None:
        """Shut the gate: `interrupt` goes out at `now` (monotonic seconds)."""
        self._unacknowledged += 1
        self._until = now + GIVE_UP_S
        self._shut = True

    def reset(self) -> None:
        """Open the gate for a new session, in which nothing old can arrive."""
        self._unacknowledged = 0
        self._shut = self._discarded = False

    def admits(self, message: protocol.ServerMessage, now: float) -> bool:
        """Say whether a message belongs to the conversation as it is; False for the leftovers of the old reply."""
        return self._is_of_now(message, now) and not (self._discarded and isinstance(message, _ANSWERS))

    def _is_of_now(self, message: protocol.ServerMessage, now: float) -> bool:
        match message:
            case protocol.ControlAck(action=protocol.Action.INTERRUPT):
                self._unacknowledged = max(0, self._unacknowledged - 1)
                self._shut = self._shut and self._unacknowledged > 0
                return True
            case protocol.AudioEnd() if self._is_shut(now):
                self._shut = False
                return False
            case protocol.Transcription(is_final=True):
                self._shut = False
                return True
            case protocol.ReplyChunk() | protocol.Response():
                return not self._is_shut(now)
            case _:
                return True

    def _is_shut(self, now: float) -> bool:
        if self._shut and now >= self._until:
            self._shut = False
        return self._shut
