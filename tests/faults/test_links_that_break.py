"""A link that is cut, frozen, slow or lossy, for as long as such things last: TCP between the two, and IP below it."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.faults.person import holds, person, unaccounted
from tests.support.far_network import HERE, far_network
from tests.support.needs import need_right
from tests.support.processes import in_a_process_of_its_own
from tests.support.recording_server import recording_server
from tests.support.speech import correlation

SOAK = os.environ.get("SELAM_SOAK") == "1"


async def begin_to_talk(someone, server):
    """Have somebody begin to talk; return the turn, once the server hears them."""
    await someone.engine.until("session_started")
    turn = await someone.press()
    await server.until(lambda: server.sessions[-1])
    return turn


async def answered(someone):
    await someone.engine.until("turn_ended", lambda line: line["outcome"] == "answered")


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.skipif(not SOAK, reason="a long run"))])
async def test_who_talks_through_a_cut_is_heard_whole_in_the_second_session(server, link, tmp_path, seconds):
    async with person(tmp_path, link.url, seconds=seconds + 5) as someone:
        await someone.engine.until("session_started")
        turn = await someone.press()
        await server.until(lambda: len(server.sessions[-1]) >= 16_000)
        link.cut()
        await asyncio.sleep(seconds)
        await link.mend()
        await someone.do("retry")
        await someone.engine.until("session_started", count=2)
        await someone.release()
        await answered(someone)
        await someone.leave()
    said_s = someone.engine.events("talk_ended")[0]["seconds"]
    said = np.frombuffer(someone.voice.said[turn], "<i2")[: int(said_s * 16_000)]
    assert said_s > seconds
    assert correlation(said, np.frombuffer(server.sessions[1], "<i2"))[0] >= 0.99
    assert unaccounted(someone, server) == []


@pytest.mark.skipif(not SOAK, reason="a long run")
async def test_what_was_said_before_a_cut_of_thirty_seconds_is_kept_and_sent_when_asked(server, link, tmp_path):
    async with person(tmp_path, link.url) as someone:
        await begin_to_talk(someone, server)
        link.cut()
        await someone.release()
        await asyncio.sleep(30)
        assert someone.engine.events("utterance")[-1]["outcome"] == "kept"
        await link.mend()
        await someone.do("resend")
        await answered(someone)
        await someone.leave()
    assert unaccounted(someone, server) == []


@pytest.mark.skipif(not SOAK, reason="the lossy network goes silent as well")
async def test_a_link_that_is_silent_for_three_seconds_loses_nothing_and_no_session(server, link, tmp_path):
    async with person(tmp_path, link.url) as someone:
        await begin_to_talk(someone, server)
        link.freeze()
        await someone.engine.until("notice", lambda line: line["code"] == "stalled")
        await asyncio.sleep(1)
        await link.mend()
        await someone.until_state(lambda state: not state["connection"].get("stalled"))
        await someone.release()
        await answered(someone)
        await someone.leave()
    assert len(server.sessions) == 1
    assert unaccounted(someone, server) == []


@pytest.mark.skipif(not SOAK, reason="a long run")
async def test_a_link_that_carries_one_way_only_is_told_as_stalled(server, link, tmp_path):
    """The server hears every word, and nothing comes back: who talks cannot know that."""
    async with person(tmp_path, link.url) as someone:
        await begin_to_talk(someone, server)
        link.freeze(link.down)
        await someone.engine.until("notice", lambda line: line["code"] == "stalled")
        await link.mend()
        await someone.release()
        await answered(someone)
        await someone.leave()
    assert unaccounted(someone, server) == []


@pytest.mark.skipif(not SOAK, reason="a long run")
async def test_a_link_that_is_slower_than_speech_carries_all_of_it_in_the_end(server, link, tmp_path):
    link.slow(30_000, delay_s=0.1)  # speech needs 43,000
    async with person(tmp_path, link.url) as someone:
        await someone.engine.until("session_started")
        await someone.press()
        await asyncio.sleep(1.0)
        await someone.release()
        await answered(someone)
        assert someone.state["dropped_seconds"] == 0
        await someone.leave()
    assert [line["outcome"] for line in someone.engine.events("utterance")] == ["sent"]
    assert unaccounted(someone, server) == []


# --- below TCP --------------------------------------------------------------------------------------------------------


async def a_lossy_network() -> None:
    """Run in a network namespace of its own: packets are lost, and then all of them for three seconds."""
    folder = Path(tempfile.mkdtemp())
    try:
        with far_network() as network:
            network.delay_s, network.loss = 0.05, 0.05
            async with recording_server(folder, f"--host={HERE}") as server, person(
                folder, server.url, "insecure = true\n", before=network.enter
            ) as someone:  # fmt: skip
                await someone.engine.until("session_started")
                turn = await someone.press()
                await server.until(lambda: len(server.sessions[-1]) >= 32_000)
                assert network.lost
                network.cut = True
                await asyncio.sleep(3)
                network.cut = False
                await someone.release()
                await answered(someone)
                await someone.leave()
            assert holds(server.sessions[-1], someone.voice.said[turn][:100_000])
            assert unaccounted(someone, server) == []
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_a_network_that_loses_packets_and_goes_away_for_three_seconds_loses_no_word():
    allowed = all(shutil.which(program) for program in ("unshare", "nsenter", "ip")) and Path("/dev/net/tun").exists()
    look = ["unshare", "-rn", "ip", "tuntap", "add", "far0", "mode", "tun"]
    allowed = allowed and subprocess.run(look, capture_output=True, check=False).returncode == 0
    need_right("to make a network of one's own: the links above are what is tested", allowed)
    in_a_process_of_its_own(f"{__name__}:a_lossy_network", None, before=["unshare", "-rn"])
