"""Plays keys to the talk key's machine, in simulated time."""

from __future__ import annotations

from selam_cli.core.push_to_talk import KeyAction, Mode, PushToTalk, Step


class Keyboard:
    """Plays keys to a machine as its owner does: ticks at every deadline, and never before pending input."""

    def __init__(self, machine: PushToTalk) -> None:
        self.machine = machine
        self.steps: list[Step] = []

    def wait_until(self, now: float) -> None:
        for _ in range(10_000):
            due = self.machine.deadline()
            if due is None or due > now:
                return
            self.steps += self.machine.tick(due)
        raise AssertionError("the machine's deadline never moves on")

    def press(self, at: float) -> None:
        self.wait_until(at)
        self.steps += self.machine.press(at)

    def repeat(self, at: float) -> None:
        self.wait_until(at)
        self.steps += self.machine.repeat(at)

    def release(self, at: float) -> None:
        """A release with no input behind it."""
        self.wait_until(at)
        self.steps += self.machine.release(at)
        self.wait_until(at)

    def hold(self, at: float, until: float, delay: float = 0.5, interval: float = 0.03) -> None:
        """A held key where no release is told: a press and its auto-repeat."""
        self.press(at)
        time = at + delay
        while time < until:
            self.press(time)
            time += interval

    @property
    def actions(self) -> list[KeyAction]:
        return [step.action for step in self.steps]


def keyboard(mode: Mode = Mode.AUTO, *, told: bool, **options: float) -> Keyboard:
    return Keyboard(PushToTalk(mode, release_told=told, **options))
