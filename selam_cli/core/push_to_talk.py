"""The push-to-talk key: from presses, repeats and releases to "start talking" and "stop".

Pure: no clock, no input. Times are seconds of one monotonic clock, handed in. After every call, and again whenever
`deadline()` has come, the owner calls `tick`; every call returns the steps that follow from it.

A tap latches the microphone open until the next tap; a hold ends with the key. Where the terminal reports releases this
is simple. Most do not: there, a held key is known only by its auto-repeat, and its release by the silence that follows.
The delay before the first repeat and the interval after it are the user's own settings, so they are learned. A release
inferred too early is taken back by the next repeat (`KeyAction.RESUME`), and the engine joins the pieces; how long that
may take depends on keyboard and link (`key_rhythm`). Some terminals report each repeat as a release and a repeat; which
releases are none is decided in `repeat_pairs`. A mouse button is a key whose release is always reported.

    IDLE ── key ──► PRESSED ── repeat ──► HELD ── released ──► IDLE, or ENDING while that is only inferred
                       └── it was a tap ──► LATCHED ── key ──► SPENT ── let go ──► IDLE
    DOUBT: a key that may be the first repeat of a held one, or a new press; the next moment tells.
"""

from __future__ import annotations

from typing import Final

from selam_cli.core import talk_steps as times
from selam_cli.core.key_rhythm import AT_ONCE_S, FIRST_REPEAT_RANGE_S, FIRST_REPEAT_S, RESUME_WITHIN_S, Rhythm
from selam_cli.core.repeat_pairs import RepeatPairs
from selam_cli.core.talk_steps import KeyAction, KeyStage, Mode, Step

__all__ = ["KeyAction", "KeyStage", "Mode", "PushToTalk", "Step"]

_TALKING: Final = frozenset({KeyStage.PRESSED, KeyStage.HELD, KeyStage.LATCHED})


class PushToTalk:
    """The talk key's machine; see the module's text for its stages."""

    def __init__(
        self, mode: Mode = Mode.AUTO, *, release_told: bool = False, max_talk_s: float = 120.0, far: bool = False
    ) -> None:
        self.mode = mode
        self.release_told = release_told
        """Whether the terminal proved that it reports releases; may become true at any time."""
        self.stage = KeyStage.IDLE
        self._max_talk_s = max_talk_s
        self.rhythm = Rhythm(far=far)
        self.pairs = RepeatPairs()
        self._doubt_from = KeyStage.IDLE
        self._started = self._pressed = self._earliest = 0.0
        self._last = self._key_at = float("-inf")
        self._down = self._blurred = self._focus_came_back = False
        self._let_go_last = self._by_button = False
        self._repeats = 0
        self._repeats_told = self._resumed = self._warned = self._others_pressed = False
        self._resume_within_s = RESUME_WITHIN_S
        self._silence: float | None = None
        self._ended_from = KeyStage.IDLE

    @property
    def talking(self) -> bool:
        """Whether the microphone's sound goes out."""
        return self.stage in _TALKING or (self.stage is KeyStage.DOUBT and self._doubt_from is KeyStage.LATCHED)

    @property
    def latched(self) -> bool:
        """Whether it goes on going out with the key let go."""
        return self.stage is KeyStage.LATCHED or (self.stage is KeyStage.DOUBT and self._doubt_from is KeyStage.LATCHED)

    @property
    def key_down(self) -> bool:
        """Whether the key is down as far as was reported; a release that may be half of a repeat does not count yet."""
        return self._down or self.pairs.deadline is not None

    def deadline(self) -> float | None:
        """The time at which `tick` is due; None where nothing is to come without a key."""
        dues = self._stage_deadline(), self._cap_deadline(), self.pairs.deadline
        due = [time for time in dues if time is not None]
        return min(due, default=None)

    def tick(self, now: float) -> list[Step]:
        """Take note of the time; all input up to `now` must have been fed before."""
        steps = self._counted(now)
        cap = self._cap_deadline()
        if cap is not None and now >= cap:
            if self._warned:
                return [*steps, self._stop(now, KeyStage.SPENT)]
            self._warned = True
            steps.append(Step(KeyAction.WARN, now))
        due = self._stage_deadline()
        return steps + self._overdue(now) if due is not None and now >= due else steps

    def press(self, now: float, *, since: float | None = None) -> list[Step]:
        """Take a press; where repeats are not reported as such, they come here too.

        After a stall, `since` is the earliest time at which the key may have gone down: what was said since then
        belongs to the utterance, and a release that waited behind the press is not taken for a tap's.
        """
        if self.pairs.completed(now, told_repeat=False, stalled=since is not None):
            self._down = True
            return self._repeated(now)
        # Some terminals report releases, but repeats as presses (xterm.js): a key that is down cannot be pressed.
        told_repeat = self.release_told and self._down and now - self._last < times.RELEASE_LOST_S
        steps = self._counted()
        if told_repeat:
            self.pairs.plain_repeat()
        return steps + self._pressed_anew(now, now if since is None else since, told_repeat=told_repeat)

    def repeat(self, now: float) -> list[Step]:
        """Take a press that the terminal reported as a repeat."""
        if self.pairs.completed(now, told_repeat=True):
            self._down = True
        elif self._down:
            self.pairs.plain_repeat()
        elif self._focus_came_back:
            # kitty on X11: a key that was down when the focus went is reported as repeats alone when it is next held.
            return self._pressed_anew(now, now, told_repeat=False)
        elif self.pairs.completed_late(now):
            self._down = True
            return self._released_in_vain(now)
        return self._repeated(now)

    def release(self, now: float) -> list[Step]:
        """Take a reported release: it proves that the terminal reports them."""
        self.release_told = True
        steps = self._counted()
        self._down = self._focus_came_back = False
        counts_at = self.pairs.release(now)
        return steps if counts_at is None else steps + self._let_go_of_key(counts_at)

    def press_button(self, now: float) -> list[Step]:
        """Take a press of the mouse button that talks: as the key's, but its release is reported everywhere."""
        if self.mode is Mode.OPEN:
            return self._press_open(now)
        steps = self._counted() + self._expired(now)
        if self.latched:
            return [*steps, self._stop(now, KeyStage.IDLE)]
        if self.talking:
            return steps  # the key holds it already
        return [*steps, *self._start(now, by_button=True)]

    def release_button(self, now: float) -> list[Step]:
        """Take its release."""
        return self._let_go(now) if self._held_by_button else []

    def other(self) -> list[Step]:
        """Take note of another key: auto-repeat moves to it, so the talk key's silence proves nothing from here on."""
        self._others_pressed = True
        return self._counted()

    def blur(self, now: float) -> list[Step]:
        """Take note that the terminal lost the focus: a held key's release will not be reported, a latch goes on."""
        steps = self._counted()
        self.pairs.forget()
        self._down = self._focus_came_back = False
        self._blurred = True
        return steps if self.latched else steps + self.stop(now, KeyStage.IDLE)

    def focus(self) -> None:
        """Take note that it has the focus: what is held now was pressed here, whatever it is reported as."""
        self._focus_came_back = self._blurred and not self._down
        self._blurred = False

    def stop(self, now: float, after: KeyStage = KeyStage.SPENT) -> list[Step]:
        """Stop whatever the key is doing: a dialogue opened, or the program leaves."""
        steps = self._counted()
        if self.talking:
            return [*steps, self._stop(now, after)]
        if self.stage is not KeyStage.IDLE:
            self.stage = after
        return steps

    def discard(self, now: float) -> None:
        """The utterance was thrown away: the key, which may still be down, says nothing until it is let go."""
        self._counted()
        if self.stage is not KeyStage.IDLE:
            self._stop(now, KeyStage.SPENT)

    # --- what is due without a key ------------------------------------------------------------------------------------

    def _cap_deadline(self) -> float | None:
        if not self.talking:
            return None
        return self._started + self._max_talk_s - (0.0 if self._warned else times.WARN_BEFORE_S)

    def _stage_deadline(self) -> float | None:
        if self._held_by_button:
            return None
        match self.stage:
            case KeyStage.DOUBT:
                return self._last + self._doubt_s()
            case KeyStage.PRESSED if not self.release_told:
                return self._pressed + self.rhythm.first_deadline()
            case KeyStage.HELD if not self.release_told:
                # After a resumption the key may have been pressed anew, and its first repeat takes longer.
                return self._last + (self.rhythm.first_deadline() if self._resumed else self.rhythm.gap_deadline())
            case KeyStage.PRESSED | KeyStage.HELD if self._repeats_told and not self._others_pressed:
                return self._last + (times.RELEASE_LOST_S if self._repeats else times.NEVER_REPEATED_S)
            case _:
                return None

    def _overdue(self, now: float) -> list[Step]:
        if self.stage is KeyStage.DOUBT:
            return self._resolved_as_press()
        tap = self._silence is None  # else it may be what was left of a hold
        if self.stage is KeyStage.PRESSED and self.mode is Mode.AUTO and tap and not self.release_told:
            self.stage = KeyStage.LATCHED
            return [Step(KeyAction.LATCH, now)]
        return [self._stop(now, KeyStage.ENDING, inferred=True)]

    def _resolved_as_press(self) -> list[Step]:
        if self._doubt_from is KeyStage.LATCHED:
            return [self._stop(self._last, KeyStage.SPENT)]
        return self._start(self._last)

    def _expired(self, now: float) -> list[Step]:
        """Settle a doubt whose time had run out before the key that comes now."""
        if self.stage is KeyStage.DOUBT and now >= self._last + self._doubt_s():
            return self._resolved_as_press()
        return []

    def _doubt_s(self) -> float:
        # What ends a latch has its own time, so waiting out a stall costs nothing.
        return self.rhythm.doubt_s(times.DOUBT_S, stalls=self._doubt_from is KeyStage.LATCHED)

    def _counted(self, now: float | None = None) -> list[Step]:
        """Let a release count that waited for its other half; without a time, though it might have waited longer."""
        at = self.pairs.counted(now)
        return [] if at is None else self._let_go_of_key(at)

    # --- the key ------------------------------------------------------------------------------------------------------

    @property
    def _held_by_button(self) -> bool:
        return self._by_button and self.stage in {KeyStage.PRESSED, KeyStage.HELD}

    def _pressed_anew(self, now: float, since: float, *, told_repeat: bool) -> list[Step]:
        if not told_repeat:
            self.pairs.press(now)
        self._down, self._focus_came_back = True, False
        if self.mode is Mode.OPEN:
            return self._press_open(now)
        if self._held_by_button:
            return []
        return self._expired(now) + self._key(now, told_repeat=told_repeat, since=since)

    def _repeated(self, now: float) -> list[Step]:
        if self.mode is Mode.OPEN:
            self._last = now
        if self.mode is Mode.OPEN or self._held_by_button:
            return []
        return self._expired(now) + self._key(now, told_repeat=True, since=now)

    def _released_in_vain(self, now: float) -> list[Step]:
        """A release that was half of a repeat has counted."""
        if self.stage is not KeyStage.IDLE or not self._let_go_last:
            return self._repeated(now)
        self.stage, self._repeats, self._last = KeyStage.HELD, 1, now
        self._repeats_told = True
        return [Step(KeyAction.RESUME, now)]

    def _key(self, now: float, *, told_repeat: bool, since: float) -> list[Step]:
        before, self._last = self._last, now
        silence, self._key_at = now - self._key_at, now
        match self.stage:
            case KeyStage.IDLE:
                return [] if told_repeat else self._start(now, since=since)
            case KeyStage.PRESSED:
                return self._key_while_pressed(now)
            case KeyStage.HELD:
                return self._key_while_held(now - before)
            case KeyStage.LATCHED:
                return self._key_while_latched(now, now - before, told_repeat=told_repeat)
            case KeyStage.DOUBT:
                return self._key_in_doubt(now - before)
            case KeyStage.ENDING:
                return self._key_while_ending(now, now - before, silence)
            case KeyStage.SPENT:
                return self._key_while_spent(now, now - before, told_repeat=told_repeat)

    def _start(self, at: float, *, since: float | None = None, by_button: bool = False) -> list[Step]:
        toggle = self.mode is Mode.TOGGLE
        self.stage = KeyStage.LATCHED if toggle else KeyStage.PRESSED
        self._earliest = at if since is None else since
        self._started = self._pressed = self._last = at
        self._by_button = by_button
        self._repeats = 0
        self._resumed = self._warned = self._others_pressed = self._let_go_last = False
        self._silence = None
        self._key_at = at
        start = Step(KeyAction.START, self._earliest)
        return [start, Step(KeyAction.LATCH, at)] if toggle else [start]

    def _stop(self, at: float, after: KeyStage, *, inferred: bool = False) -> Step:
        self._ended_from, self.stage = self.stage, after
        self._repeats = 0
        self._let_go_last = False
        if after is not KeyStage.ENDING:
            return Step(KeyAction.STOP, at, inferred)
        # What follows is timed from the end, because the key may still be down.
        self._last = max(self._last, at)
        silence_s = 0.0 if self.release_told else self.rhythm.silence_s()
        self._resume_within_s = max(RESUME_WITHIN_S, round(silence_s - (at - self._key_at), 3))
        return Step(KeyAction.STOP, at, inferred, self._resume_within_s)

    def _let_go_of_key(self, at: float) -> list[Step]:
        return [] if self._held_by_button or self.mode is Mode.OPEN else self._let_go(at)

    def _let_go(self, now: float) -> list[Step]:
        steps = self._resolved_as_press() if self.stage is KeyStage.DOUBT else []
        if self.stage in {KeyStage.PRESSED, KeyStage.HELD}:
            if self.mode is Mode.AUTO and self._repeats == 0 and self._was_tap(now):
                self.stage = KeyStage.LATCHED
                return [*steps, Step(KeyAction.LATCH, now)]
            stop = self._stop(now, KeyStage.IDLE)
            self._let_go_last = True
            return [*steps, stop]
        if self.stage in {KeyStage.SPENT, KeyStage.ENDING}:
            self.stage = KeyStage.IDLE
        return steps

    def _was_tap(self, now: float) -> bool:
        # It was down since its press was read, or since before, by the length of a stall; in doubt, nothing stays open.
        return now - self._pressed < times.TAP_S and now - self._earliest < times.SHORTEST_HOLD_S

    def _key_while_pressed(self, now: float) -> list[Step]:
        delay = now - self._pressed
        if not self.release_told and delay > FIRST_REPEAT_RANGE_S[1]:
            return [self._stop(now, KeyStage.SPENT)]  # too late for a repeat: a second tap, the tick between was missed
        if self.release_told:
            self._repeats_told = True
        elif self._silence is None:
            self.rhythm.first(delay)
        elif delay <= AT_ONCE_S:  # the hold before had not ended
            self.rhythm.stalled(self._silence)
        self.stage, self._repeats = KeyStage.HELD, 1
        return []

    def _key_while_held(self, interval: float) -> list[Step]:
        if not self.release_told:
            if self._resumed and self._silence is not None:
                self.rhythm.resumed(self._silence, interval, after_press=self._ended_from is KeyStage.PRESSED)
            else:
                self.rhythm.next(interval)
        self._repeats += 1
        self._resumed = False
        return []

    def _key_while_latched(self, now: float, interval: float, *, told_repeat: bool) -> list[Step]:
        if told_repeat or (not self.release_told and self._repeats and interval <= self.rhythm.still_held_s()):
            self._repeats += 1  # toggle mode: the key that latched is still down
            return []
        self._repeats = 0
        if self._may_be_first_repeat(now):
            self.stage, self._doubt_from = KeyStage.DOUBT, KeyStage.LATCHED
            return []
        return [self._stop(now, KeyStage.SPENT)]

    def _may_be_first_repeat(self, now: float) -> bool:
        since_press = now - self._pressed
        if self.release_told or self._by_button:
            return False
        if self.mode is Mode.TOGGLE:
            return since_press < (self.rhythm.first_deadline() if self.rhythm.calm else times.DOUBT_AFTER_LATCH_S)
        return since_press < times.DOUBT_AFTER_LATCH_S

    def _key_in_doubt(self, interval: float) -> list[Step]:
        self._repeats = 2
        if self._doubt_from is KeyStage.SPENT:
            self.stage = KeyStage.SPENT
            return []
        self.rhythm.first(self._last - interval - self._pressed)
        self.rhythm.next(interval)
        self.stage = KeyStage.LATCHED if self.mode is Mode.TOGGLE else KeyStage.HELD
        return []

    def _key_while_ending(self, now: float, since_stop: float, silence: float) -> list[Step]:
        if since_stop < self._resume_within_s:
            self.stage, self._repeats, self._resumed, self._silence = KeyStage.HELD, 1, True, silence
            return [Step(KeyAction.RESUME, now)]
        if self.release_told or self.rhythm.calm or silence > times.STRAGGLER_S:
            return self._start(now)
        start = self._start(now, since=now - since_stop + self._resume_within_s)  # nothing was heard since then
        self._silence = silence
        return start

    def _key_while_spent(self, now: float, interval: float, *, told_repeat: bool) -> list[Step]:
        if told_repeat:
            return []
        if self.release_told:
            return self._start(now)
        if self._repeats and interval <= self.rhythm.still_held_s():
            self._repeats += 1
            return []
        if not self._repeats and interval <= self.rhythm.first_deadline():
            self.stage, self._doubt_from = KeyStage.DOUBT, KeyStage.SPENT
            return []
        return self._start(now)

    def _press_open(self, now: float) -> list[Step]:
        interval, self._last = now - self._last, now
        # A held key's repeats must not flicker the listening on and off.
        return [Step(KeyAction.TOGGLE, now)] if interval > FIRST_REPEAT_S else []
