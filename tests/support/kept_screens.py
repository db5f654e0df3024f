"""Screens in pseudo-terminals that the tests of a module share: to start one costs the better part of a second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.terminal import EVENT_TYPES, PlayedScreen, Profile


class KeptScreens:
    """Lends each screen to one test after the other; one whose test failed is not lent again.

    Nor is one whose terminal tells no release: what it has learned of the keys of one test decides what the next one's
    mean, as that a tap soon after a hold on a machine that stalls may be the rest of it.
    """

    def __init__(self) -> None:
        self._kept: dict[str, PlayedScreen] = {}

    @contextmanager
    def lent(self, profile: Profile, **scene: object) -> Iterator[PlayedScreen]:
        """A screen that is ready and has told the engine nothing yet, as far as its test can see."""
        like = f"{profile} {json.dumps(scene)}"
        screen = self._kept.pop(like, None) or self._started(profile, scene)
        try:
            screen.forget_commands()
            yield screen
            if profile.tells_releases:
                self._rest(screen)
        except BaseException:
            screen.__exit__(None)
            raise
        if profile.tells_releases:
            self._kept[like] = screen
        else:
            screen.__exit__(None)

    def close(self) -> None:
        """End them all."""
        for screen in self._kept.values():
            screen.__exit__(None)

    @staticmethod
    def _started(profile: Profile, scene: dict[str, object]) -> PlayedScreen:
        screen = PlayedScreen(json.dumps(scene), profile=profile)
        screen.wait_for_text("READY")
        if screen.kitty:
            screen.wait_for(lambda: screen.flags & EVENT_TYPES, "event types")
            screen.wait_for(lambda: "(release inferred)" not in screen.text, "releases are told")
        screen.wait_for_command("levels", "on")
        return screen

    @staticmethod
    def _rest(screen: PlayedScreen) -> None:
        """Bring to an end what a test has begun; the last command is heard, so none of it is the next test's."""
        screen.focus(gained=True)
        screen.tap("o")
        screen.wait_for_command("resume")
        if screen.talks and screen.talks[-1] == "press":
            screen.tap(" ")
            screen.wait_for(lambda: screen.talks[-1] != "press", "the microphone closes")
            screen.tap("p")
            screen.wait_for_command("pause")
        screen.wait_for_text("READY")
