"""Alternating turns while devices come and go: no crash, no hang, no thread or stream left behind, no turn lost."""

import asyncio
import os
import random
import subprocess
import time

import psutil
import pytest

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioEnd, ReplyChunk
from tests.support.lines import talk_json
from tests.support.needs import need_programs
from tests.support.sound_libraries import library_environment
from tests.support.talker import tone
from tests.support.voice_server import voice_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

TROUBLE_S = 1_800
"""How long devices come and go in each of three conversations, all at once. The round that has begun is finished."""

ROUNDS_AT_LEAST = 5
"""A round takes two seconds, on a machine that is busy a few more."""

HEADSETS = ("Headset", "Buds")


class Mischief:
    """Does to the sound card what people do to theirs; the same things for the same seed."""

    def __init__(self, card, engine, seed, *, names):
        self._card = card
        self._engine = engine
        self._dice = random.Random(seed)
        self._plugged = set()
        self._names = names
        self._commands = 0

    def next(self):
        """Return something to do, as a coroutine."""
        deeds = [self._plug, self._unplug, self._choose_default, self._restart, self._change, self._change, self._pause]
        deed = self._dice.choice(deeds)
        return asyncio.wait_for(deed(self._dice.choice(HEADSETS), self._dice.random()), 60)

    async def tidy_up(self):
        for name in HEADSETS:
            await self._unplug(name, 0)
        await asyncio.to_thread(self._card.make_default, "spk")
        for kind in ("microphone", "speaker"):
            await self._command(kind, "default")

    async def _plug(self, name, luck):
        if name not in self._plugged:
            await asyncio.to_thread(self._card.plug, name, 44_100 if luck < 0.5 else 16_000)
            self._plugged.add(name)

    async def _unplug(self, name, _):
        await asyncio.to_thread(self._card.unplug, name)
        self._plugged.discard(name)

    async def _choose_default(self, name, _):
        await asyncio.to_thread(self._card.make_default, name if name in self._plugged else "spk")

    async def _restart(self, _, luck):
        await asyncio.to_thread(self._card.stop)
        await asyncio.sleep(luck)
        await asyncio.to_thread(self._card.start)
        self._plugged.clear()

    async def _pause(self, _, luck):
        with self._card.standing_still():
            await asyncio.sleep(1.5 * luck)

    async def _change(self, name, luck):
        kind = "microphone" if luck < 0.5 else "speaker"
        name = {"microphone": f"{name}Mic", "speaker": name}[kind] if self._names else "pulse"
        await self._command(kind, name if luck % 0.5 < 0.35 else "default")

    async def _command(self, kind, name):
        self._commands += 1
        number, since = self._commands, len(self._engine.written)
        self._engine.send(f'{{"id": {number}, "command": "{kind}", "argument": "{name}"}}')
        await self._engine.until("ack", lambda line: line["id"] == number, since=since)  # what is not there is refused


def say_into(card, seconds):
    """Speak for a moment into whatever microphone there is; a server that dies meanwhile is no matter."""
    samples = tone(seconds)
    for sink in ("mic", *(f"{name}-in" for name in HEADSETS)):
        player = subprocess.Popen(
            ["paplay", "--raw", "--format=s16le", "--rate=16000", "--channels=1", f"--device={sink}"],
            env={**os.environ, **card.environment}, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            player.communicate(samples.tobytes(), timeout=seconds + 0.5)
        except subprocess.TimeoutExpired:
            player.kill()
            player.wait()


def belongings(process, card):
    """What must not grow."""
    return {
        "threads": process.num_threads(),
        "descriptors": process.num_fds(),
        "streams": card.streams(process.pid),
    }


async def settled(process, card):
    """Return them once they have not changed for two seconds: what is closed takes a moment to be gone."""
    seen = [belongings(process, card)]
    while len(seen) < 5 or any(earlier != seen[-1] for earlier in seen[-5:]):
        await asyncio.sleep(0.5)
        seen.append(belongings(process, card))
    return seen[-1]


async def take_turn(engine, server, card, mischief):
    since = len(engine.written)
    doing = asyncio.create_task(mischief.next())
    engine.send("press")
    turn = (await engine.until("talk_started", since=since))["turn"]
    await asyncio.to_thread(say_into, card, 0.3)
    engine.send("release")
    await engine.until("talk_ended", since=since)
    await server.send(protocol.Transcription("hello"))
    await server.send(protocol.Response("Hello."))
    for _ in range(8):
        await server.send(ReplyChunk(tone(0.1).tobytes()))
    await server.send(AudioEnd(8))
    await engine.until("turn_ended", lambda line: line["turn"] == turn, since=since)
    await doing
    # What is answered without having been asked is over, too, before the next turn.
    await engine.until_last("state", lambda line: line["phase"] == "ready")


async def test_turns_go_on_while_devices_come_and_go(tmp_path):
    """A few rounds of what the long run does for half an hour."""
    need_programs(*PROGRAMS)
    await converse(tmp_path, "both", "", 11, for_s=0)


@pytest.mark.soak
@pytest.mark.timeout(TROUBLE_S + 900)
async def test_turns_go_on_for_long_while_devices_come_and_go(tmp_path):
    need_programs(*PROGRAMS)
    conversations = [("both", "", 11), ("portaudio", "", 12), ("miniaudio", 'microphone = "per_turn"\n', 13)]
    async with asyncio.TaskGroup() as group:
        for library, settings, seed in conversations:
            folder = tmp_path / library
            folder.mkdir()
            group.create_task(converse(folder, library, settings, seed, for_s=TROUBLE_S))


async def converse(tmp_path, library, settings, seed, *, for_s):
    """Take turns, with a sound card of its own, while its devices come and go."""
    environment = library_environment(library)
    config = tmp_path / "config.toml"
    config.write_text(settings)
    card = VirtualSoundCard(tmp_path)
    card.start()
    try:
        async with (
            voice_server() as server,
            talk_json(
                "--server", server.url, environment={**card.environment, **environment, "SELAM_CONFIG": str(config)}
            ) as engine,
        ):
            await engine.until("session_started")
            await engine.until("state", lambda line: line["speaker"])
            process = psutil.Process(engine.process.pid)
            mischief = Mischief(card, engine, seed, names=library != "portaudio")
            await take_turn(engine, server, card, Mischief(card, engine, 0, names=False))
            await mischief.tidy_up()

            before = await settled(process, card)
            rounds, until = 0, time.monotonic() + for_s
            while rounds < ROUNDS_AT_LEAST or time.monotonic() < until:
                await take_turn(engine, server, card, mischief)
                rounds += 1
            await mischief.tidy_up()
            after = await settled(process, card)
            print(f"{library}: {rounds} rounds; before {before}, after {after}")
            assert after == before
            engine.send("quit")
            assert await engine.ended() == 0
    finally:
        card.stop()
    turns = [line["turn"] for line in engine.events("talk_started")]
    assert len(turns) == rounds + 1
    for name in ("talk_ended", "utterance"):
        assert [line["turn"] for line in engine.events(name)] == turns
    assert set(turns) <= {line["turn"] for line in engine.events("turn_ended")}
    assert not [line for line in engine.events("error") if line["type"] != "device_error"]
