"""The machine with models of its surroundings: a line with a queue, a server that counts samples, a loudspeaker."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from selam_cli.core import events, protocol
from selam_cli.core.conversation import effects, inputs
from selam_cli.core.conversation.context import Rules
from selam_cli.core.conversation.inputs import Surroundings
from selam_cli.core.conversation.machine import ConversationMachine
from selam_cli.core.conversation.stale_reply import GIVE_UP_S
from selam_cli.core.protocol import Action, AudioChunk, Control
from selam_cli.core.session import SessionState, TurnStage

LOUD = 10_000.0
SECOND = 16_000
CHUNK = SECOND // 10


@dataclass
class Said:
    """A recording: each sample is named by the turn in which it was said and its place there."""

    samples: list[tuple[int, int]] = field(default_factory=list)
    sent: int = 0
    complete: bool = False
    closed: bool = False


class Driven:
    """A conversation whose clock, line, server and loudspeaker are this object's."""

    def __init__(self, rules: Rules | None = None, *, up: bool = True) -> None:
        self.machine = ConversationMachine(rules or Rules(), SessionState())
        self.now = 100.0
        self.told: list[events.Event] = []
        self.said: dict[int, Said] = {}
        self.recording: int | None = None
        self.ends_at: float | None = None
        self.line: deque[object] = deque()
        self.around = Surroundings()
        self.session = 0
        self.received: dict[int, list[tuple[int, int]]] = {}
        """What the server has of each session, in its order."""
        self.controls: deque[Action] = deque()
        """What the server has received and not acknowledged."""
        self.held = False
        self.is_over = False
        self.cut_at = float("-inf")
        self.uncut = 0
        """Interruptions after which what comes is still of the reply that was cut off."""
        self.turns = 0
        """How many have begun; one in which the agent speaks unasked has the number of the one before it."""
        self._inbox: deque[inputs.Input] = deque()
        if up:
            self.open()

    # --- actions ------------------------------------------------------------------------------------------------------

    def do(self, happened: inputs.Input) -> None:
        self._inbox.append(happened)
        if len(self._inbox) > 1:
            return
        while self._inbox:
            queued_s = sum(type(message) is list for message in self.line) / 10
            if queued_s != self.around.queued_s:
                self.around = replace(self.around, queued_s=queued_s)
            for effect in self.machine.handle(self._inbox[0], self.now, self.around):
                self._run(effect)
            self._inbox.popleft()

    def press(self) -> None:
        self.do(inputs.Pressed(self.now))

    def say(self, seconds: float = 0.5) -> None:
        self.now += seconds
        if self.recording is not None:
            said = self.said[self.recording]
            first = len(said.samples)
            said.samples += [(self.recording, first + n) for n in range(round(seconds * SECOND / CHUNK))]
            self.do(inputs.Grew(self.recording, len(said.samples) * CHUNK))
        self.pass_time(0.0)

    def release(self) -> None:
        self.do(inputs.Released(self.now))

    def complete(self) -> None:
        """The release tail is over."""
        if self.recording is not None and self.ends_at is not None:
            turn, self.recording, self.ends_at = self.recording, None, None
            self.said[turn].complete = True
            self.do(inputs.Completed(turn, LOUD))

    def utter(self, seconds: float = 1.0) -> None:
        self.press()
        self.say(seconds)
        self.release()
        self.complete()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, in steps from one deadline to the next."""
        until = self.now + seconds
        while (due := self.machine.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.do(inputs.TimePassed())
            assert self.machine.deadline() != due, "time stands still"
        self.now = until

    def send(self, count: int = 1_000) -> None:
        """Let the line take what waits, a message after the other."""
        for _ in range(count):
            if not self.line or not self.around.up:
                return
            message = self.line.popleft()
            if isinstance(message, list):
                self.received[self.session] += message
                message = AudioChunk(b"\1\0" * CHUNK)
            elif isinstance(message, Control):
                self.controls.append(message.action)
            self.do(inputs.Sent(message))

    def acknowledge(self) -> None:
        if self.controls:
            self.hear(protocol.ControlAck(str(self.controls.popleft()), "executed"))

    def hear(self, message: protocol.ServerMessage) -> None:
        if not self.around.up:
            return
        match message:
            case protocol.ControlAck(action="interrupt"):
                self.uncut = max(0, self.uncut - 1)
            case protocol.AudioEnd() | protocol.Transcription(is_final=True):
                self.uncut = 0
        self.do(inputs.ServerSaid(message))

    def listen(self) -> None:
        """The loudspeaker plays what there is to its end."""
        if not self.held:
            self.around = replace(self.around, buffered_ms=0.0, reply_drained=self._is_complete, reply_sounding=False)
        self.pass_time(0.1)

    def close(self) -> None:
        self.do(inputs.Closed())
        self.is_over = True

    def replay(self) -> None:
        self._is_complete = True
        self._sound(active=True)
        self.around = replace(self.around, replaying=True)
        self.do(inputs.Replayed())

    def lose(self) -> None:
        self.around = replace(self.around, up=False)
        self.line.clear()
        self.controls.clear()
        self.do(inputs.LinkLost())

    def open(self) -> None:
        if self.around.up:
            return
        self.session += 1
        self.uncut = 0
        self.received[self.session] = []
        self.around = replace(self.around, up=True)
        self.do(inputs.ServerSaid(protocol.SessionStarted("s")))
        self.do(inputs.SessionOpened())

    # --- what is seen -------------------------------------------------------------------------------------------------

    def of(self, kind: type) -> list[events.Event]:
        return [event for event in self.told if isinstance(event, kind)]

    def outcomes(self, turn: int) -> list[str]:
        return [event.outcome for event in self.of(events.UtteranceOutcome) if event.turn == turn]

    @property
    def codes(self) -> list[str]:
        return [event.code for event in self.of(events.Notice)]

    # --- effects ------------------------------------------------------------------------------------------------------

    _is_complete = False

    def _run(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Emit():
                self.told.append(effect.event)
            case effects.Send():
                assert not self.is_over, "it is over, and something is sent"
                if self.around.up:
                    self.line.append(effect.message)
                    if effect.message == Control(Action.INTERRUPT):
                        self.cut_at, self.uncut = self.now, self.uncut + 1
            case effects.StartCapture():
                assert self.recording is None, "two microphones"
                assert self.machine.state.stage is TurnStage.TALKING, "a microphone that no stage has"
                self.recording, self.ends_at = effect.turn, None
                self.said[effect.turn] = Said()
            case effects.StopCapture():
                self.ends_at = self.now
            case effects.ResumeCapture():
                assert self.machine.state.stage is TurnStage.TALKING, "a microphone that no stage has"
                assert self.recording is not None
                assert self.ends_at is not None
                self.ends_at = None
            case effects.EndCapture():
                self.ends_at = self.now
                turn, self.recording, self.ends_at = self.recording, None, None
                self.said[turn].complete = True
                self._inbox.append(inputs.Completed(turn, LOUD))
            case effects.AbandonCapture():
                self.recording = self.ends_at = None
            case effects.Feed():
                self._feed(effect)
            case effects.StartOver():
                self.said[effect.turn].sent, self.said[effect.turn].closed = 0, False
            case effects.Merge():
                whole = self.said[effect.turn] = Said(complete=True)
                for turn, heard in effect.parts:
                    whole.samples += self.said[turn].samples[heard // CHUNK :]
            case effects.Drop():
                del self.said[effect.turn]
            case effects.Withdraw():
                self.line = deque(message for message in self.line if not isinstance(message, (list, AudioChunk)))
            case _:
                self._run_on_reply(effect)

    def _feed(self, effect: effects.Feed) -> None:
        assert not self.is_over, "it is over, and something is said"
        said = self.said[effect.turn]
        while self.around.up and not said.closed and (effect.whole or len(self.line) < 10):
            if said.sent == len(said.samples):
                break
            self.line.append([said.samples[said.sent]])
            said.sent += 1
        if self.around.up and said.complete and said.sent == len(said.samples):
            said.closed = True
        self._inbox.append(inputs.Fed(effect.turn, said.sent * CHUNK, said.closed))

    def _run_on_reply(self, effect: effects.Effect) -> None:
        match effect:
            case effects.BeginReply():
                self.turns += 1
            case effects.PutReply(message=protocol.ReplyChunk() as chunk):
                self._inbox.append(inputs.ReplySlice(chunk, goes_on=False))
            case effects.PutReply():
                self._inbox.append(inputs.ReplyEnd(effect.message))
            case effects.PlayReply():
                assert not self.is_over, "it is over, and something sounds"
                assert not self.uncut or self.now >= self.cut_at + GIVE_UP_S, "a reply that was cut off sounds again"
                self._is_complete = False
                self._sound(active=True)
            case effects.FinishReply():
                self._is_complete = self.around.reply_active
            case effects.EndReply() | effects.StopReply() | effects.CutReply():
                self._sound(active=False)
            case effects.HoldReply():
                self.held = True
            case effects.ReleaseReply():
                self.held = False
                self._sound(active=self.around.reply_active)

    def _sound(self, *, active: bool) -> None:
        self.around = replace(
            self.around,
            reply_active=active,
            reply_sounding=active,
            reply_drained=False,
            replaying=self.around.replaying and active,
            reply_held=active and self.held,
            buffered_ms=100.0 if active else 0.0,
        )
