"""A terminal's keys without a terminal: its bytes go into the program's own parser and talk key, in pretended time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from selam_cli.core.push_to_talk import Mode, PushToTalk
from selam_cli.keyboard.key_listener import KeyListener
from selam_cli.keyboard.key_parser import ALL_FLAGS
from selam_cli.keyboard.key_reader import KeyReader
from selam_cli.keyboard.talk_key import TalkKey
from tests.support.terminal import REPEAT_DELAY_S, REPEAT_INTERVAL_S, Profile, key_bytes

_SHORTEST_WAIT_S = 0.001


class HeardKeys:
    """The thread that reads the keyboard, and hands whose time only passes when they wait."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        profile: Profile,
        mode: Mode = Mode.AUTO,
        talk_key: str = "space",
        hears: Callable[[], KeyListener] | None = None,
    ) -> None:
        """`hears` makes who hears the keys in the talk key's place."""
        self.now = 100.0
        patch.setattr(time, "monotonic", lambda: self.now)
        self.profile = profile
        self._flags = ALL_FLAGS if profile.tells_releases else 0
        self._repeated = -1
        self._stalled = False
        self._unread = b""
        self.sent: list[str] = []
        """What the engine was told, times left out."""
        self.talk_key = TalkKey(PushToTalk(mode), talk_key, self._take, lambda _key, _step: None)
        self._hearing = KeyReader(hears() if hears else self.talk_key, "")
        self._hearing.start()
        if self._flags:
            self._tell(f"\x1b[?{self._flags}u".encode())

    def press(self, key: str) -> None:
        """Press a key."""
        self._tell(key_bytes(key, 1, self._flags))

    def repeat(self, key: str) -> None:
        """Let a held key repeat."""
        self._repeated += 1
        kinds = self.profile.kinds_of_repeat(self._repeated)
        self._tell(b"".join(key_bytes(key, kind, self._flags) for kind in kinds))

    def release(self, key: str) -> None:
        """Let a key go; told only where releases are."""
        if self._flags:
            self._tell(key_bytes(key, 3, self._flags))

    def tap(self, key: str) -> None:
        """Press a key and let it go."""
        self.press(key)
        self.wait(0.05)
        self.release(key)
        self.wait(1.0)

    def hold(self, key: str, seconds: float) -> None:
        """Hold a key for so long, and wait until that is over in every terminal."""
        end = self.now + seconds
        self.press(key)
        self.wait(min(seconds, REPEAT_DELAY_S))
        while self.now < end:
            self.repeat(key)
            self.wait(min(REPEAT_INTERVAL_S, end - self.now))
        self.release(key)
        self.wait(2.0)

    def focus(self, *, gained: bool) -> None:
        """The terminal gets the focus or loses it."""
        self._tell(b"\x1b[I" if gained else b"\x1b[O")

    def wait(self, seconds: float) -> None:
        """Let time pass, in which the keyboard's thread looks at it as often as it must."""
        end = self.now + seconds
        while (rest_s := max(_SHORTEST_WAIT_S, self._hearing.rest_for_s())) < end - self.now:
            self.now += rest_s
            self._rest()
        self.now = end
        self._rest()

    def stall(self, seconds: float) -> None:
        """Let time pass in which the keyboard is not looked at: what is told meanwhile waits to be read."""
        self._stalled = True
        self.now += seconds

    def go_on(self) -> None:
        """Read what waits, in one go."""
        self._stalled = False
        self._tell(b"")

    def _tell(self, told: bytes) -> None:
        self._unread += told
        if self._stalled:
            return
        read, self._unread = self._unread.decode(), b""
        if read:
            for _ in self._hearing.hear(read):
                pass
        self._rest()

    def _rest(self) -> None:
        for _ in self._hearing.rest(self.now):
            pass

    def _take(self, verb: str, argument: str, _: int | None) -> None:
        stays = [word for word in argument.split() if not word.replace(".", "").isdigit()]
        self.sent.append(" ".join([verb, *stays]))
