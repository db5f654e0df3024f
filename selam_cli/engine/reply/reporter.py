"""Reports a reply's sound as it plays: its pieces, its gaps, what is buffered, and what of its text was heard.

What the sound means for the turn is decided by the conversation; the sound itself belongs to the player.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from selam_cli.core import events
from selam_cli.core.conversation import notices
from selam_cli.core.heard_text import SpokenText
from selam_cli.core.protocol import ReplyChunk
from selam_cli.core.session import SessionState
from selam_cli.engine.reply.player import ReplyPlayer
from selam_cli.errors import SelamError

AUDIO_EVENT_EVERY_S: Final = 0.125
"""Eight a second, so that with the last one, which is emitted at once, there are never more than ten."""

PLAYOUT_EVENT_EVERY_S: Final = 0.1


class ReplyReporter:
    """The course of one reply after the other. `state` is always the conversation's as it stands."""

    def __init__(self, player: ReplyPlayer, emit: Callable[[events.Event], None]) -> None:
        self._player = player
        self._emit = emit
        self._spoken = SpokenText()
        self._gaps_told = False
        self._audio_told_at = 0.0
        self._playout_told_at = 0.0

    def begin_turn(self) -> None:
        """A turn has begun, whose first piece is reported at once."""
        self._audio_told_at = 0.0

    def feed(self, chunk: ReplyChunk, state: SessionState, *, goes_on: bool = False) -> None:
        """Play a piece of the reply; `goes_on`: it is more of the one before."""
        try:
            self._player.feed(chunk, goes_on=goes_on)
        except SelamError as error:
            self._tell_undecodable(error)
        if self._player.has_gaps and not self._gaps_told:
            self._gaps_told = True
            self._emit(notices.MP3_GAPS)
        if self._player.chunks == 1:
            self._spoken.sound_begins(state.turn)
        now = time.monotonic()
        if now - self._audio_told_at >= AUDIO_EVENT_EVERY_S:
            self._audio_told_at = now
            self._emit(events.Audio(state.turn, self._player.chunks))

    def finish(self, state: SessionState) -> None:
        """Nothing more of it comes: decode what waits, and report its last piece."""
        try:
            self._player.finish()
        except SelamError as error:
            self._tell_undecodable(error)
        if self._player.chunks:
            self._emit(events.Audio(state.turn, self._player.chunks))

    def complete(self, total_chunks: int, state: SessionState) -> None:
        """The server said that it was all."""
        self.finish(state)
        self._spoken.sound_is_complete(state.reply_text)
        decoded_s = self._player.decoded_s if self._player.active else 0.0
        self._emit(events.AudioEnd(state.turn, total_chunks, round(decoded_s, 3)))

    def cut_off(self, state: SessionState, *, is_text_due: bool) -> None:
        """Silence it at once, and report what was heard of it; `is_text_due`: a text alone is cut off as well."""
        sounded = self._player.active
        if not self._player.sounding and (sounded or not is_text_due):
            return
        again = self._player.replaying
        heard_s = self._player.stop() if sounded else 0.0
        heard_text = None if again else self._heard_text(heard_s, state, sounded=sounded)
        self._emit(events.Interrupted(state.turn, round(heard_s, 3), heard_text))

    def heard_whole(self, state: SessionState) -> None:
        """It played to its end: learn from it how long this voice takes for its words."""
        if self._player.active and self._player.complete:
            self._spoken.was_heard_whole(state.reply_text, state.voice, self._player.voiced)

    def tell_playout(self, state: SessionState) -> None:
        """Report how evenly it plays, ten times a second at most."""
        now = time.monotonic()
        if not self._player.audible:
            return
        if now - self._playout_told_at < PLAYOUT_EVENT_EVERY_S and not self._player.drained:
            return
        self._playout_told_at = now
        buffered_ms, target_ms, breaks = self._player.playout
        heard_s = round(self._player.heard_s, 3)
        self._emit(events.Playout(state.turn, heard_s, round(buffered_ms, 1), target_ms, breaks))

    def _heard_text(self, heard_s: float, state: SessionState, *, sounded: bool) -> str | None:
        text, player = state.reply_text, self._player
        if not sounded:
            self._spoken.sound_begins(state.turn)
        heard = self._spoken.heard(text, state.voice, player.voiced, heard_s, complete=player.complete)
        self._spoken.sound_is_complete(text)
        return heard if text else None

    def _tell_undecodable(self, error: SelamError) -> None:
        self._emit(events.ErrorRaised(error.type, error.reason, error.remedy, fatal=False))
