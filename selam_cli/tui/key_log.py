"""What a keyboard said, line by line, and which way of push-to-talk follows from it; what `selam-voice keys` shows."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from selam_cli.core.key_rhythm import Rhythm
from selam_cli.core.plain_text import plain_line
from selam_cli.core.push_to_talk import KeyStage, Mode, PushToTalk, Step
from selam_cli.core.repeat_pairs import NO_FINGER_S, RepeatPairs, Way
from selam_cli.keyboard.key_parser import as_named
from selam_cli.keyboard.multiplexer import may_be_far
from selam_cli.keyboard.talk_key import Edge, TalkKey
from selam_cli.tui import labels
from selam_cli.tui.state import TalkView

_KEPT_LINES: Final = 500
_RAW_SHOWN: Final = 40
_WHAT: Final = {Edge.PRESS: "pressed", Edge.REPEAT: "repeated", Edge.RELEASE: "let go"}
_IN_PAIRS: Final = "repeated in pairs"
_TOLD: Final = {
    "press": "the microphone opens",
    "release": "the microphone closes",
    "listen": "the listening is switched",
}


@dataclass(slots=True)
class Line:
    """One thing that happened; repeats of a key are counted on one line."""

    at_s: float
    key: str
    what: str
    follows: str = ""
    raw: str = ""
    times: int = 1
    took_s: float = 0.0

    def __str__(self) -> str:
        """Write it out; the time in seconds since the start."""
        what = self.what if self.times == 1 else f"{self.what} {self.times} times in {self.took_s * 1_000:.0f} ms"
        follows = f"  → {self.follows}" if self.follows else ""
        return f"{self.at_s:8.3f}  {self.key:<14} {what:<24} {self.raw:<16}{follows}".rstrip()


class KeyLog:
    """Keeps what the keyboard said; a talk key's listener that notes everything and hands it on.

    Called by the thread that reads the keyboard; the screen only reads the lines.
    """

    def __init__(self, mode: Mode, key: str) -> None:
        self._machine = PushToTalk(mode, far=may_be_far(os.environ))
        self._talk_key = TalkKey(self._machine, key, self._on_command, self._on_change)
        self._key = as_named(key)
        self._started_at = time.monotonic()
        self._edge_at = self._edge_before_at = float("-inf")
        self._raw = ""
        self._typed: dict[str, str] = {}
        self._sent: list[str] = []
        self.lines: deque[Line] = deque(maxlen=_KEPT_LINES)
        self.directly_fed = False
        self.version = 0
        """Rises with every change, so that the screen knows when to draw."""

    @property
    def key(self) -> str:
        """The talk key, as the settings name it."""
        return self._talk_key.key

    @property
    def rhythm(self) -> Rhythm:
        """What was learned of the keyboard."""
        return self._machine.rhythm

    @property
    def release_told(self) -> bool:
        """Whether the terminal proved that it reports releases."""
        return self._machine.release_told

    @property
    def pairs(self) -> RepeatPairs:
        """What was learned of repeats that are reported as a release and a press."""
        return self._machine.pairs

    @property
    def key_down(self) -> bool:
        """Whether the talk key is down, as far as was reported."""
        return self._machine.key_down

    @property
    def taps_only(self) -> bool:
        """Whether a press was waited out in vain: no repeat came."""
        return self._machine.stage is KeyStage.LATCHED and self.rhythm.interval is None and not self.release_told

    def on_read(self, text: str) -> None:
        """This was read; the events that follow were made of it."""
        self._raw = ascii(text)[1:-1] if len(text) <= _RAW_SHOWN else ""

    def on_typed(self, key: str, character: str) -> None:
        """Remember what a key typed that counts as another one, for as long as it goes by that name."""
        if "+" in key or as_named(character) == key:
            self._typed.pop(key, None)
        else:
            self._typed[key] = character

    def on_edge(self, key: str, edge: Edge, at: float, since: float | None = None) -> bool:
        """A key did something."""
        self._sent.clear()
        ours = self._talk_key.on_edge(key, edge, at, since)
        what = self._what(key, edge, at)
        if not self._counted(key, what, at):
            gap = f" after {(at - self._edge_at) * 1_000:.0f} ms" if at - self._edge_at < 10 else ""
            self._note(key, f"{what}{gap}", at)
        self._edge_before_at, self._edge_at = self._edge_at, at
        return ours

    def on_button(self, x: int, y: int, *, down: bool, at: float) -> None:
        """The mouse's button did something."""
        self._sent.clear()
        self._note("mouse button", f"{'pressed' if down else 'let go'} at column {x + 1}, line {y + 1}", at)

    def on_focus(self, *, focused: bool, at: float) -> None:
        """The focus came or went."""
        self._sent.clear()
        self._talk_key.on_focus(focused=focused, at=at)
        self._note("focus", "gained" if focused else "lost", at)

    def on_release_told(self, *, told: bool) -> None:
        """The terminal has answered."""
        self._sent.clear()
        self._talk_key.on_release_told(told=told)
        self._note("terminal", "says that it tells when a key is let go", time.monotonic())

    def on_far(self, *, far: bool) -> None:
        """Take note of how keys come, as the conversation does."""
        self._talk_key.on_far(far=far)

    def on_leave(self, at: float) -> None:
        """Nothing more will be heard for now."""
        self._talk_key.on_leave(at)

    def on_back(self) -> None:
        """Keys are heard again."""

    @property
    def wants_signs(self) -> bool:
        """No microphone is open here."""
        return False

    def on_no_sign(self, why: str, at: float) -> None:
        """No microphone is open here, so a missing sign means nothing."""

    def deadline(self) -> float | None:
        """When silence will mean something."""
        return self._talk_key.deadline()

    def tick(self, now: float) -> None:
        """Take note of silence."""
        self._sent.clear()
        self._talk_key.tick(now)
        if self._sent:
            self._raw = ""
            self._note("silence", f"for {(now - self._edge_at) * 1_000:.0f} ms", now)

    def _on_command(self, verb: str, argument: str, _: int | None = None) -> None:
        told = "the utterance goes on" if argument == "resume" else _TOLD.get(verb, verb)
        self._sent.append(f"{told} (inferred)" if argument.endswith("inferred") else told)

    def _on_change(self, key: TalkKey, step: Step | None) -> None:
        if key.latched and step is not None:
            self._sent.append("it stays open until the next tap")
        self.version += 1

    def _what(self, key: str, edge: Edge, at: float) -> str:
        """Say what a key did; a release that the same key follows at once was half of a repeat and is taken back."""
        half = edge is Edge.REPEAT or (edge is Edge.PRESS and self.pairs.way is Way.PAIRS and key == self._key)
        last = self.lines[-1] if self.lines else None
        released = last is not None and last.key == plain_line(key) and last.what.startswith(_WHAT[Edge.RELEASE])
        if not (half and released and at - self._edge_at < NO_FINGER_S):
            return _WHAT[edge]
        self.lines.pop()
        self._edge_at = self._edge_before_at
        return _IN_PAIRS

    def _counted(self, key: str, what: str, at: float) -> bool:
        """Count one more of the same on the last line."""
        last = self.lines[-1] if self.lines else None
        if what == _WHAT[Edge.RELEASE] or self._sent or last is None or last.key != plain_line(key):
            return False
        if not last.what.startswith(what) or (last.what.startswith(_IN_PAIRS) and what != _IN_PAIRS):
            return False
        if last.times == 1 and last.follows:
            return False
        last.times += 1
        last.took_s += at - self._edge_at
        last.what = what
        self.version += 1
        return True

    def _note(self, key: str, what: str, at: float) -> None:
        typed = self._typed.get(key)
        name = key if typed is None else f"{typed} ({key})"
        self.lines.append(Line(at - self._started_at, plain_line(name), what, "; ".join(self._sent), self._raw))
        self.version += 1


def verdict(log: KeyLog, mode: Mode, key: str) -> list[str]:
    """Say which way of push-to-talk is in force, and what was learned."""
    talk = TalkView(mode=mode, key=key, release_told=log.release_told)
    found = [f"Push to talk: {labels.talk_way(talk)}.", labels.talk_explanation(talk)]
    rhythm = log.rhythm
    if log.pairs.way is Way.PAIRS:
        found.append(
            "It tells each repeat of a held key as a release and a press, as Konsole does: a release counts when "
            f"nothing follows it within {log.pairs.waits_s * 1_000:.0f} ms."
        )
    if log.release_told or mode is Mode.OPEN:
        return found
    if rhythm.interval is None or rhythm.longest_interval is None:
        seen = "No repeat came: tap." if log.taps_only else f"Hold {labels.key_name(key)} for two seconds to learn it."
        return [*found, f"Auto-repeat: not seen yet. {seen}"]
    first = "" if rhythm.first_delay is None else f"first after {rhythm.first_delay * 1_000:.0f} ms, "
    every = f"then every {rhythm.interval * 1_000:.0f} ms, at most {rhythm.longest_interval * 1_000:.0f} ms"
    noticed = f"A release is noticed {rhythm.gap_deadline() * 1_000:.0f} ms after the last repeat."
    return [*found, f"Auto-repeat: {first}{every}. {noticed}"]
