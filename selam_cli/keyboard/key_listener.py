"""The interface of what listens to the keys."""

from __future__ import annotations

from typing import Protocol

from selam_cli.keyboard.talk_key import Edge


class KeyListener(Protocol):
    """Is called for keys, in the thread that reads them. Times are monotonic seconds."""

    directly_fed: bool

    @property
    def key(self) -> str:
        """The talk key, as the settings name it."""

    def on_read(self, text: str) -> None:
        """This was read; the calls that follow say what it means."""

    def on_typed(self, key: str, character: str) -> None:
        """The key that is reported next types this, and counts as that: its layout has other letters there."""

    def on_edge(self, key: str, edge: Edge, at: float, since: float | None = None) -> bool:
        """A key was pressed, repeated or released, not before `since`; True where it is not for the screen."""

    def on_button(self, x: int, y: int, *, down: bool, at: float) -> None:
        """The mouse's main button was pressed or let go in a cell of the screen."""

    def on_focus(self, *, focused: bool, at: float) -> None:
        """The terminal got or lost the focus."""

    def on_release_told(self, *, told: bool) -> None:
        """The terminal answered whether it reports releases."""

    def on_far(self, *, far: bool) -> None:
        """Whether keys may come over a network is known better, or has changed."""

    def on_leave(self, at: float) -> None:
        """No key will be heard from now on, for good or until the program is continued."""

    def on_back(self) -> None:
        """Keys are heard from now on: at the start, and when the program is continued."""

    def deadline(self) -> float | None:
        """When `tick` is due."""

    def tick(self, now: float) -> None:
        """The time has come; all input up to now has been heard."""

    @property
    def wants_signs(self) -> bool:
        """Whether a microphone is open, so that a user should be at the terminal."""

    def on_no_sign(self, why: str, at: float) -> None:
        """No user seems to be at the terminal; `on_back` reports that one is there again."""
