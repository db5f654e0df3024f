"""Random sequences of faults while somebody talks: no hang, no crash, and every utterance is accounted for.

The same seed makes the same faults: SELAM_FAULT_SEEDS=7 runs that sequence alone, SELAM_FAULT_SEEDS=7-9 these three.
With SELAM_SOAK=1 there are 200, and each goes on for longer.
"""

import asyncio
import os
import random
import subprocess

import pytest

from tests.faults.person import Person, Voice, person, unaccounted
from tests.support.faulty_link import faulty_link
from tests.support.lines import talk_json
from tests.support.needs import need_programs
from tests.support.recording_server import recording_server
from tests.support.vsound import PROGRAMS, VirtualSoundCard

SOAK = os.environ.get("SELAM_SOAK") == "1"
FIRST, _, LAST = os.environ.get("SELAM_FAULT_SEEDS", f"1-{200 if SOAK else 10}").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)
TOGETHER = [SEEDS[at : at + 5] for at in range(0, len(SEEDS), 5)]
"""Five at a time: most of a sequence is waiting."""

STEPS = 6 if SOAK else 4


class Fate:
    """Draws what happens, and makes it happen."""

    def __init__(self, seed, someone, server, link, card=None):
        self._card = card
        self._dice = random.Random(seed)
        self._someone = someone
        self._server = server
        self._link = link
        self.happened = []

    # --- what breaks ---

    async def _server_is_killed(self, seconds):
        self._server.kill()
        await asyncio.sleep(seconds)
        await self._server.start()

    async def _server_stands_still(self, seconds):
        with self._server.standing_still():
            await asyncio.sleep(seconds)

    async def _link_is_cut(self, seconds):
        self._link.cut()
        await asyncio.sleep(seconds)
        await self._link.mend()

    async def _link_is_reset(self, _):
        self._link.reset()

    async def _link_freezes(self, seconds):
        self._link.freeze()
        await asyncio.sleep(seconds)
        await self._link.mend()

    async def _link_freezes_and_is_lost(self, seconds):
        self._link.freeze()
        await asyncio.sleep(seconds)
        self._link.reset()
        await self._link.mend()

    async def _link_freezes_upwards(self, seconds):
        self._link.freeze(self._link.up)
        await asyncio.sleep(seconds)
        self._link.reset()
        await self._link.mend()

    async def _link_freezes_downwards(self, seconds):
        self._link.freeze(self._link.down)
        await asyncio.sleep(seconds)
        self._link.reset()
        await self._link.mend()

    async def _link_is_slow(self, seconds):
        self._link.slow(20_000, delay_s=0.1)
        await asyncio.sleep(seconds)
        await self._link.mend()

    async def _link_stutters(self, seconds):
        self._link.stutter(1)
        await asyncio.sleep(seconds)
        await self._link.mend()

    async def _nothing(self, _):
        pass

    async def _sound_server_is_killed(self, seconds):
        await asyncio.to_thread(self._card.stop)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._card.start)

    async def _sound_server_stands_still(self, seconds):
        with self._card.standing_still():
            await asyncio.sleep(seconds)

    async def _both_servers_are_killed(self, seconds):
        self._server.kill()
        await self._sound_server_is_killed(seconds)
        await self._server.start()

    # --- what the user does ---

    async def _talk(self, seconds):
        await self._someone.press()
        await asyncio.sleep(seconds)
        await self._someone.release()

    async def _talk_twice(self, seconds):
        await self._talk(seconds / 2)
        await self._talk(seconds / 2)

    async def _talk_and_wait(self, seconds):
        await self._talk(seconds / 2)
        await asyncio.sleep(seconds)

    async def _think_better_of_it(self, seconds):
        await self._someone.press()
        await asyncio.sleep(seconds / 2)
        await self._someone.do("discard")

    async def _talk_and_interrupt(self, seconds):
        await self._talk(seconds / 2)
        await asyncio.sleep(seconds / 2)
        await self._someone.do("interrupt")

    async def _retry(self, _):
        await self._someone.do("retry")

    async def _resend(self, _):
        await self._someone.do("resend")

    async def _throw_away_what_is_kept(self, _):
        await self._someone.do("discard")

    async def _change_the_voice(self, seconds):
        await self._someone.do("voice", self._dice.choice(["ameha", "mekdes", "aria"]))
        await asyncio.sleep(seconds / 2)

    async def next(self):
        faults = [
            self._server_is_killed, self._server_stands_still, self._link_is_cut, self._link_is_reset,
            self._link_freezes, self._link_freezes_and_is_lost, self._link_freezes_upwards,
            self._link_freezes_downwards, self._link_is_slow, self._link_stutters, self._nothing,
        ]  # fmt: skip
        if self._card is not None:
            faults += [self._sound_server_is_killed, self._sound_server_stands_still, self._both_servers_are_killed] * 3
        deeds = [
            self._talk, self._talk, self._talk, self._talk_twice, self._talk_twice, self._talk_and_wait,
            self._think_better_of_it, self._talk_and_interrupt, self._retry, self._resend, self._resend,
            self._throw_away_what_is_kept, self._change_the_voice,
        ]  # fmt: skip
        fault, deed = self._dice.choice(faults), self._dice.choice(deeds)
        figures = [round(self._dice.uniform(0.05, most), 2) for most in (0.5, 1.5, 1.0)]
        self.happened.append(f"{fault.__name__}{figures[:2]} {deed.__name__}{figures[2:]}")
        until, lasting, talking = figures
        breaking = asyncio.create_task(_later(until, fault(lasting)))
        await deed(talking)
        await breaking

    async def settle(self):
        """Everything is well again: send what is kept until nothing is."""
        await self._link.mend()
        await self._someone.do("retry")
        while True:
            await self._someone.until_connected()
            if not self._someone.state["kept_seconds"]:
                return
            turn = self._someone.turn + 1
            if await self._someone.do("resend"):
                await self._someone.engine.until("turn_ended", lambda line, turn=turn: line["turn"] == turn)


async def _later(seconds, work):
    await asyncio.sleep(seconds)
    await work


async def live_through(folder, seed):
    """Let one sequence happen, and look at what became of it."""
    folder.mkdir()
    within_s = random.Random(seed).choice([0, 1, 10])
    async with (
        recording_server(folder) as server,
        faulty_link(server.url) as link,
        person(folder, link.url, f"resend_within_s = {within_s}\n") as someone,
    ):
        fate = Fate(seed, someone, server, link)
        try:
            await someone.engine.until("session_started")
            for _ in range(STEPS):
                await fate.next()
            await fate.settle()
            await someone.leave()
            look_back(folder, someone, server)
        except BaseException:
            someone.tell()
            print(server.summary)
            print(f"SELAM_FAULT_SEEDS={seed}, resent within {within_s} s:", *fate.happened, sep="\n  ")
            raise


def look_back(folder, someone, server):
    assert unaccounted(someone, server) == []
    assert "no_answer" not in [notice["code"] for notice in someone.engine.events("notice")]
    assert someone.engine.errors == b""
    logs = "".join(path.read_text() for path in folder.rglob("*.log*"))
    assert "Traceback" not in logs
    assert "the connection failed" not in logs  # the engine's top level
    assert not someone.engine.events("state")[-1]["microphone"]["open"]


class AtAMicrophone(Person):
    """Somebody at a real device, into which there is noise for as long as they talk."""

    def __init__(self, engine, card, noise):
        super().__init__(engine, None)
        self._command = ["paplay", "--device=mic", noise]
        self._environment = {**os.environ, **card.environment}
        self._noise = None

    async def press(self):
        self._noise = subprocess.Popen(self._command, env=self._environment, stderr=subprocess.DEVNULL)
        await self.do("press")
        return self.turn

    async def do(self, verb, argument=""):
        done = await super().do(verb, argument)
        if verb in {"release", "discard"} and self._noise is not None:
            self._noise.kill()
            self._noise.wait()
        return done


def heard_less_than_was_said(someone, server):
    """What a device hears is not known to the sample; no less of it may arrive than was heard."""
    said_s = sum(
        line["seconds"] for line in someone.engine.events("talk_ended") if line["turn"] not in someone.thrown_away
    )
    heard_s = sum(len(session) for session in server.sessions) / 32_000
    return said_s > heard_s + 0.01


@pytest.mark.soak
@pytest.mark.timeout(360)
@pytest.mark.parametrize("seed", range(1_001, 1_021 if SOAK else 1_002))
async def test_no_microphone_stays_open_whatever_breaks(tmp_path, seed):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    settings = tmp_path / "config.toml"
    settings.write_text('microphone = "per_turn"\nresend_within_s = 1\necho_cancellation = false\n')
    environment = {**card.environment, "SELAM_CONFIG": str(settings), "XDG_STATE_HOME": str(tmp_path)}
    try:
        async with (
            recording_server(tmp_path) as server,
            faulty_link(server.url) as link,
            talk_json("--server", link.url, environment=environment) as engine,
        ):
            someone = AtAMicrophone(engine, card, Voice(tmp_path).file(1))
            fate = Fate(seed, someone, server, link, card)
            try:
                await engine.until("session_started")
                for _ in range(STEPS):
                    await fate.next()
                await fate.settle()
                await someone.until_state(lambda state: not state["microphone"]["open"])
                async with asyncio.timeout(60):
                    while any(stream.startswith("recording") for stream in card.streams(engine.process.pid)):
                        await asyncio.sleep(0.05)  # the sound server tells nobody
                await someone.leave()
                assert card.streams(engine.process.pid) == []
                assert not heard_less_than_was_said(someone, server)
                assert engine.errors == b""
            except BaseException:
                someone.tell()
                print(server.summary)
                print(f"seed {seed}", *fate.happened, sep="\n  ")
                raise
    finally:
        card.stop()


@pytest.mark.soak
@pytest.mark.timeout(360)
@pytest.mark.parametrize("seeds", TOGETHER, ids=str)
async def test_every_utterance_is_accounted_for_whatever_breaks(tmp_path, seeds):
    await asyncio.gather(*(live_through(tmp_path / str(seed), seed) for seed in seeds))
