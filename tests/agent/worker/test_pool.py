"""Engines in processes of their own: whatever one does, it costs its own turn at most."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import EngineFault, SpokenAudio
from selam_cli.agent.stt.in_workers import HearerInWorkers
from selam_cli.agent.worker.pool import WorkerPool
from selam_cli.agent.worker.process import Program
from tests.commands.test_serve import gone
from tests.support.jumping_clock import while_time_flies

SAID = SpokenAudio(b"")
HERE = "tests.agent.worker.recognisers"


def program(recogniser="Scripted", **options):
    return Program("a scripted engine", f"{HERE}:{recogniser}", **options)


@pytest.fixture
async def pools(monkeypatch):
    """Pools of scripted recognisers; the workers find the tests' modules."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    made = []

    def make(recogniser="Scripted", *, size=1, most_waiting=32, wait_s=60.0, **options):
        made.append(WorkerPool(program(recogniser, **options), size=size, most_waiting=most_waiting, wait_s=wait_s))
        return made[-1]

    yield make
    for pool in made:
        await pool.close()


async def heard(pool, *said, told=lambda _: None):
    listening = pool.begin("en", told)
    for word in said:
        listening.feed(f"{word}|".encode())
    return await asyncio.wait_for(listening.heard(SAID), 60)


async def told(pool, word):
    """Feed a word that goes on for ever, and wait until the worker is at it."""
    begun = asyncio.Event()
    listening = pool.begin("en", lambda _: begun.set())
    listening.feed(b"so")
    await asyncio.wait_for(begun.wait(), 60)
    listening.feed(word.encode())
    await asyncio.sleep(0)  # sent, then
    return listening


async def test_it_hears_and_tells_what_it_hears_so_far(pools):
    pool = pools()
    so_far = []
    listening = pool.begin("en", so_far.append)
    for number, word in enumerate([b"one ", b"two "], 1):
        listening.feed(word)
        async with asyncio.timeout(60):
            while len(so_far) < number:
                await asyncio.sleep(0.01)
    assert await listening.heard(SAID) == Heard("one two ", "en")
    assert so_far == ["one ", "one two "]


async def test_a_worker_starts_when_it_is_needed_and_stays_for_the_next_utterance(pools):
    pool = pools()
    assert pool.pids == []
    await heard(pool, "one")
    first = pool.pids
    assert await heard(pool, "two") == Heard("two", "en")
    assert pool.pids == first
    assert len(first) == 1


async def test_a_worker_can_be_started_before_it_is_needed(pools):
    pool = pools()
    pool.warm_up()
    async with asyncio.timeout(60):
        while not pool.pids:
            await asyncio.sleep(0.01)
    warm = pool.pids
    await heard(pool, "one")
    assert pool.pids == warm


async def test_arguments_reach_the_recogniser(pools):
    pool = pools(arguments={"greeting": "selam "})
    assert (await heard(pool, "alem")).text == "selam alem"


async def test_what_is_learned_of_a_speaker_is_theirs_alone(pools):
    hearer = HearerInWorkers(program(), frozenset({"en"}), workers=1)
    try:
        one, other = hearer.for_speaker(), hearer.for_speaker()
        for ears in (one, other, one):
            await listen(ears, "word")
        assert await listen(one, "memory") == "[4.0, 4.0]"
        assert await listen(other, "memory") == "[4.0]"
        assert await listen(hearer, "memory") == "[]"
    finally:
        await hearer.close()


async def listen(ears, word):
    listening = ears.begin("en", lambda _: None)
    listening.feed(word.encode())
    return (await asyncio.wait_for(listening.heard(SAID), 60)).text


async def test_what_libraries_print_is_no_message(pools):
    assert (await heard(pools(), "print", " ", "print", " ", "read")).text == "''"


@pytest.mark.parametrize("how", ["crash", "raise"])
async def test_a_crash_costs_its_turn_and_no_other(pools, how):
    pool = pools(size=2)
    other = pool.begin("en", lambda _: None)
    other.feed(b"I am ")
    with pytest.raises(EngineFault, match="stopped unexpectedly") as fault:
        await heard(pool, how)
    assert fault.value.type == "audio_error"
    other.feed(b"still here")
    assert (await other.heard(SAID)).text == "I am still here"
    assert (await heard(pool, "and so am I")).text == "and so am I"


@pytest.mark.parametrize("how", ["hang", "hang holding the lock"])
async def test_a_hang_ends_and_costs_its_turn(pools, how):
    pool = pools()
    listening = await told(pool, how)
    stuck = pool.pids
    with pytest.raises(EngineFault, match="took too long"):
        await while_time_flies(listening.heard(SAID))
    assert (await heard(pool, "again")).text == "again"
    assert pool.pids != stuck


async def test_a_worker_that_died_between_two_utterances_is_not_noticed(pools):
    pool = pools()
    await heard(pool, "one")
    os.kill(pool.pids[0], signal.SIGKILL)
    async with asyncio.timeout(60):
        while pool.pids:
            await asyncio.sleep(0.01)
    assert (await heard(pool, "two")).text == "two"


async def test_a_stopped_worker_is_taken_for_a_hang(pools):
    pool = pools()
    await heard(pool, "one")
    os.kill(pool.pids[0], signal.SIGSTOP)
    with pytest.raises(EngineFault, match="took too long"):
        await while_time_flies(heard(pool, "two"))
    assert (await heard(pool, "three")).text == "three"


async def test_an_engines_own_fault_reaches_the_user_as_it_says_and_the_worker_stays(pools):
    pool = pools(yield_within_s=60)
    await heard(pool, "one")
    before = pool.pids
    with pytest.raises(EngineFault, match="no sound") as fault:
        await heard(pool, "fault")
    assert fault.value.type == "validation_error"
    assert (await heard(pool, "two")).text == "two"
    assert pool.pids == before


async def test_an_utterance_that_is_dropped_leaves_nothing_to_the_next(pools):
    pool = pools(yield_within_s=60)
    await heard(pool, "one")
    before = pool.pids
    (await told(pool, "dropped")).cancel()
    assert (await heard(pool, "two")).text == "two"
    assert pool.pids == before


async def test_giving_up_frees_the_caller_at_once_and_ends_a_worker_that_goes_on(pools):
    pool = pools(yield_within_s=0.3)
    listening = await told(pool, "hang")
    stuck = pool.pids[0]
    waiting = asyncio.create_task(listening.heard(SAID))
    await asyncio.sleep(0)
    waiting.cancel()
    done, _ = await asyncio.wait({waiting}, timeout=60)
    assert done
    assert waiting.cancelled()
    assert (await heard(pool, "next")).text == "next"  # though there is one place only
    await gone(stuck)


async def test_who_finds_no_worker_free_waits_in_turn_and_loses_no_word(pools):
    pool = pools()
    first = await told(pool, " first")
    second = asyncio.create_task(heard(pool, "second, ", "every word"))
    await asyncio.sleep(0)
    assert not second.done()
    assert (await first.heard(SAID)).text == "so first"
    assert (await second).text == "second, every word"


async def test_a_queue_that_is_too_long_is_refused_at_once_and_a_wait_that_is_too_long_ends(pools):
    full, slow = pools(most_waiting=0), pools(wait_s=0.2)
    for pool in (full, slow):
        holder = await told(pool, " I speak")
        with pytest.raises(EngineFault, match="Too many people"):
            await heard(pool, "and I")
        assert (await holder.heard(SAID)).text == "so I speak"
        assert (await heard(pool, "now I")).text == "now I"


async def test_no_more_than_its_size_run_at_once(pools):
    pool = pools(size=2)
    assert [answer.text for answer in await asyncio.gather(*(heard(pool, str(n)) for n in range(6)))] == list("012345")
    assert len(pool.pids) == 2


@pytest.mark.parametrize(
    ("recogniser", "says"),
    [
        ("NoModel", "download it"),
        ("Broken", "could not be started"),
        ("Sleepy", "could not start within"),
        ("Nobody", "could not be started"),
    ],
)
async def test_an_engine_that_does_not_come_up_says_so_and_holds_no_place(pools, recogniser, says):
    pool = pools(recogniser)
    for _ in range(2):
        with pytest.raises(EngineFault, match=says):
            await while_time_flies(heard(pool, "hello"), lambda: recogniser == "Sleepy")
    assert pool.pids == []


async def test_keys_and_files_of_the_agent_do_not_leak(pools, monkeypatch):
    for name in ("SELAM_API_KEY", "SELAM_TOKEN", "OPENAI_API_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, "sk-selam-test-secret")
    pool = pools()
    known = (await heard(pool, "secrets")).text.split(",")
    assert "PATH" in known
    assert not [name for name in known if any(part in name for part in ("KEY", "TOKEN", "PASSWORD"))]
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    try:
        fresh = pools()
        # 0, 1, 2, the two pipes' copies, and the folder that is being listed.
        assert len((await heard(fresh, "files")).text.split(",")) == 6
    finally:
        os.close(reading)
        os.close(writing)


async def test_closing_ends_every_worker(pools):
    pool = pools(size=2)
    await asyncio.gather(heard(pool, "one"), heard(pool, "two"))
    pids = pool.pids
    listening = await told(pool, "hang")
    await pool.close()
    for pid in pids:
        await gone(pid)
    with pytest.raises(asyncio.CancelledError):
        await listening.heard(SAID)


PARENT = """
import asyncio, sys
from selam_cli.agent.worker.pool import WorkerPool
from selam_cli.agent.worker.process import Program
async def main():
    pool = WorkerPool(Program("scripted", "tests.agent.worker.recognisers:Scripted", hang_after_s=2.0), size=1)
    begun = asyncio.Event()
    listening = pool.begin("en", lambda _: begun.set())
    listening.feed(b"so")
    await begun.wait()
    listening.feed(sys.argv[1].encode())
    print(pool.pids[0], flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.parametrize("busy_with", ["nothing", "hang", "hang holding the lock"])
async def test_a_worker_does_not_survive_the_agent(busy_with):
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT,
        busy_with,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    pid = int(await parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    await parent.wait()
    await gone(pid)
