"""Somebody who talks through `talk --json`, and knows of every utterance what must have become of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from selam_cli.sound.files import write_wav
from tests.support.lines import Lines, talk_json
from tests.support.recording_server import RecordingServer

BLOCK_BYTES = 3_200
SETTINGS = "pre_roll_ms = 0\nrelease_tail_ms = 0\necho_cancellation = false\n"
"""What is sent is, sample by sample, what was said."""
THROWING_AWAY = frozenset({"discard", "interrupt", "quit"})


class Voice:
    """Files of noise to be spoken: no two of their blocks are the same, so whatever is heard tells where it is from."""

    def __init__(self, folder: Path, seconds: float = 6.0) -> None:
        self._folder = folder
        self._seconds = seconds
        self.said: dict[int, bytes] = {}

    def file(self, turn: int) -> str:
        noise = np.random.default_rng(turn).integers(-8_000, 8_000, round(self._seconds * 16_000)).astype("<i2")
        self.said[turn] = noise.tobytes()
        path = self._folder / f"said-{turn}.wav"
        write_wav(str(path), noise, 16_000)
        return str(path)


class Person:
    """Their hands: commands that are waited for, and remembered."""

    def __init__(self, engine: Lines, voice: Voice) -> None:
        self.engine = engine
        self.voice = voice
        self._commands = 0
        self.thrown_away: set[int] = set()
        """The turns whose utterance they had thrown away."""

    async def do(self, verb: str, argument: str = "") -> bool:
        """Give a command, and wait until it was carried out; False where it was refused."""
        self._commands += 1
        number, seen = self._commands, len(self.engine.written)
        self.engine.send(json.dumps({"id": number, "command": verb, "argument": argument}))
        ack = await self.engine.until("ack", lambda line: line["id"] == number)
        if verb in THROWING_AWAY:
            self._remember_thrown_away(self.engine.written[seen : self.engine.written.index(ack)])
        return bool(ack["ok"])

    async def press(self) -> int:
        """Begin to talk, with words that were never said before; return the turn."""
        await self.do("microphone", self.voice.file(self.turn + 1))
        await self.do("press")
        return self.turn

    async def release(self) -> None:
        """Stop talking: a press comes only when this utterance has ended, or it would go on with it."""
        turn = self.turn
        await self.do("release")
        await self.engine.until("talk_ended", lambda line: line["turn"] == turn)

    @property
    def turn(self) -> int:
        return max((line["turn"] for line in self.engine.events("talk_started", "state")), default=0)

    @property
    def state(self) -> dict:
        return self.engine.events("state")[-1]

    async def until_state(self, condition) -> None:
        await self.engine.until("state", lambda line: line is self.engine.events("state")[-1] and condition(line))

    async def until_connected(self) -> None:
        """Wait until the server answers: of a connection that has just broken the engine may not have heard yet."""
        answer = ""
        while answer != "control_ack":
            await self.until_state(lambda state: state["phase"] == "ready")
            seen = len(self.engine.written)
            await self.do("listen", "on")
            answer = await self.engine.first_of({"control_ack", "reconnecting", "notice", "session_started"}, seen)

    def tell(self) -> None:
        """Print what happened, for whoever looks for a fault."""
        for line in self.engine.written:
            if line["event"] == "state":
                line = {key: line[key] for key in ("t", "phase", "turn", "queued_seconds", "kept_seconds")}  # noqa: PLW2901
            if line.get("event") not in {"playout", "audio", "latency", "ack", "audio_end"}:
                print(line)

    async def leave(self) -> None:
        seen = len(self.engine.written)
        self.engine.send("quit")
        assert await self.engine.ended() == 0
        self._remember_thrown_away(self.engine.written[seen:])

    def _remember_thrown_away(self, lines: list[dict]) -> None:
        """Who interrupts while the agent thinks wants no answer to what was said."""
        self.thrown_away |= {
            line["turn"] for line in lines
            if is_discarded(line) or (line["event"] == "turn_ended" and line["outcome"] == "interrupted")
        }  # fmt: skip


def is_discarded(line: dict) -> bool:
    return line["event"] == "utterance" and line["outcome"] == "discarded"


@asynccontextmanager
async def person(
    folder: Path, url: str | None, settings: str = "", *, seconds: float = 6.0, **options
) -> AsyncIterator[Person]:
    config = folder / "config.toml"
    config.write_text(SETTINGS + settings)
    environment = {"SELAM_CONFIG": str(config), "XDG_STATE_HOME": str(folder), **options.pop("environment", {})}
    voice = Voice(folder, seconds)
    """Without an address they talk with the embedded agent."""
    to = ("--local",) if url is None else ("--server", url)
    arguments = (*to, "--input", voice.file(1), "--output", options.pop("output", "null"))
    async with talk_json(*arguments, environment=environment, **options) as engine:
        yield Person(engine, voice)


# --- what became of what was said -------------------------------------------------------------------------------------


def blocks(audio: bytes) -> list[bytes]:
    return [audio[at : at + BLOCK_BYTES] for at in range(0, len(audio), BLOCK_BYTES)]


def holds(session: bytes, audio: bytes) -> bool:
    """Say whether a session heard all of it, in order; something else may have been said in between."""
    at = 0
    for block in blocks(audio):
        found = session.find(block, at)
        if found < 0:
            return False
        at = found + len(block)
    return True


def where_from(session: bytes, audio: bytes) -> str:
    """Say for a failure what a session heard of it: its length, and which blocks, by their place in what was said."""
    found = [place for place, block in enumerate(blocks(audio)) if session.find(block) >= 0]
    silent_s = (len(session) - len(session.lstrip(b"\0"))) / 32_000
    return f"{len(session) / 32_000:.2f} s, {silent_s:.2f} s of them silent at first, blocks {found[:3]} … {found[-1:]}"


def unaccounted(someone: Person, server: RecordingServer) -> list[str]:
    """Tell of every utterance that was lost, and of all sound that one session heard twice."""
    sessions, wrong = server.sessions, []
    for line in someone.engine.events("talk_ended"):
        turn, length = line["turn"], int((line["seconds"] - 0.001) * 16_000) * 2  # it is told to the millisecond
        said = someone.voice.said[turn][: max(0, length)]
        if turn not in someone.thrown_away and not any(holds(session, said) for session in sessions):
            outcomes = [told["outcome"] for told in someone.engine.events("utterance") if told["turn"] == turn]
            wrong.append(f"turn {turn}, {line['seconds']} s, told as {outcomes}, was heard in no session whole")
        for number, session in enumerate(sessions):
            twice = sum(session.count(block) > 1 for block in blocks(said) if len(block) == BLOCK_BYTES)
            if twice:
                wrong.append(f"turn {turn}: {twice} blocks of it were heard twice in session {number}")
    discarded = {line["turn"] for line in someone.engine.events("utterance") if is_discarded(line) and line["seconds"]}
    return [*wrong, *(f"turn {turn} was thrown away, and not by the user" for turn in discarded - someone.thrown_away)]
