"""Microphones and speakers on the virtual sound card, through each library."""

import asyncio
import ctypes
import hashlib
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from selam_cli.core.jitter_buffer import PlayoutBuffer
from selam_cli.errors import DeviceError
from selam_cli.sound import devices, streams
from selam_cli.sound.microphone import open_microphone
from selam_cli.sound.resample import Resampler
from selam_cli.sound.speaker import open_speaker
from selam_cli.sound.streams import Watch
from tests.support import processes
from tests.support.needs import need, need_programs
from tests.support.processes import is_gone
from tests.support.speech import are_in_order, as_heard, correlation, heard_in_pieces, spoken, trimmed
from tests.support.vsound import PROGRAMS, VirtualSoundCard

one_at_a_time = pytest.mark.xdist_group("sound")  # recordings are judged: one sound server at a time has to keep up

SENTENCE = "She had your dark suit in greasy wash water all year."
SHORT = "Stop at once."


def loads(name):
    try:
        __import__(name)
    except (ImportError, OSError):
        return False
    return True


@pytest.fixture(params=["portaudio", "miniaudio"])
def library(request, monkeypatch):
    need(request.param, loads({"portaudio": "sounddevice", "miniaudio": "miniaudio"}[request.param]))
    monkeypatch.setenv(devices.BACKEND_VARIABLE, request.param)
    return request.param


def in_a_process_of_its_own(work, environment):
    processes.in_a_process_of_its_own(f"{__name__}:{work}", environment)


@pytest.fixture
def environment(sound_card, library):
    return {**os.environ, "PYTHONPATH": "."}


@one_at_a_time
def test_speech_that_the_sound_server_is_late_with_is_whole(library, environment, sound_card):
    """It gets no time for a while, and then hands on in one go what was said meanwhile."""
    in_a_process_of_its_own("hear_speech_late", {**environment, "SERVER": str(sound_card.pid)})


async def hear_speech_late():
    hearing = asyncio.create_task(hear_speech(SENTENCE, on_lost=lambda _: None))
    for _ in range(3):
        await asyncio.sleep(0.6)
        os.kill(int(os.environ["SERVER"]), signal.SIGSTOP)
        await asyncio.sleep(0.3)
        os.kill(int(os.environ["SERVER"]), signal.SIGCONT)
    await hearing


async def hear_speech(sentence, on_lost=pytest.fail):
    card = _card()
    said, blocks, times = spoken(sentence), [], []
    loop = asyncio.get_running_loop()
    first = asyncio.Event()

    def on_block(samples, ended_at):
        blocks.append(samples)
        times.append(ended_at)
        first.set()

    microphone = open_microphone(None, on_block, on_lost, loop=loop)
    await asyncio.wait_for(first.wait(), 20)
    await asyncio.to_thread(card.speak, said)
    heard_since = len(blocks)
    async with asyncio.timeout(20):
        while sum(map(len, blocks[heard_since:])) < 8_000:  # its end is on its way
            await asyncio.sleep(0.02)
    microphone.close()
    heard = np.concatenate(blocks)
    assert heard.dtype == np.int16
    assert correlation(trimmed(said), heard)[0] >= 0.99
    assert times == sorted(times)


@one_at_a_time
def test_a_reply_leaves_the_speaker_without_a_break(library, environment, sound_card):
    in_a_process_of_its_own("play_speech", environment)


async def play_speech():
    card = _card()
    said = spoken(SENTENCE)
    buffers = []

    def make_pull(rate_hz):
        buffer = PlayoutBuffer(rate_hz)
        resampler = Resampler(16_000, rate_hz)
        buffers.append((buffer, np.concatenate((resampler.process(said), resampler.flush()))))
        return buffer.pull

    speaker = open_speaker(None, make_pull, pytest.fail, loop=asyncio.get_running_loop())
    buffer, sound = buffers[0]
    with card.recording(rate_hz=48_000, channels=2) as recorded:
        buffer.begin()
        buffer.write(sound)
        buffer.finish()
        async with asyncio.timeout(30):
            while not buffer.drained:
                await asyncio.sleep(0.02)
    speaker.close()
    assert np.array_equal(*recorded)
    assert buffer.breaks == 0
    heard = as_heard(recorded[0], 48_000)
    assert heard_in_pieces(said, heard) >= 0.8  # a hole in a soft place is not told from a pause
    assert are_in_order(said, heard)


def _card():
    """The card that the parent process started: its socket is in the environment."""
    return VirtualSoundCard(Path(os.environ["PULSE_SERVER"].removeprefix("unix:")).parent)


@one_at_a_time
def test_a_microphone_that_takes_all_its_channels_at_another_rate_is_heard_whole(sound_card, monkeypatch):
    """In which order rates and channels are tried, tests/sound/test_portaudio.py shows."""
    need("portaudio", loads("sounddevice"))
    monkeypatch.setenv(devices.BACKEND_VARIABLE, "portaudio")
    in_a_process_of_its_own("hear_speech_from_a_choosy_microphone", {**os.environ, "PYTHONPATH": "."})


async def hear_speech_from_a_choosy_microphone():
    """The card takes everything, so it is made to refuse; what it takes then is real."""
    portaudio = import_module("selam_cli.sound.portaudio")
    library, refused = portaudio.sounddevice, []
    open_stream = library.RawInputStream

    def choosy(**options):
        if (asked := (options["samplerate"], options["channels"])) != (44_100, 6):
            refused.append(asked)
            raise library.PortAudioError("Invalid sample rate", -9997)
        return open_stream(**options)

    library.RawInputStream = choosy
    listed = portaudio.list_devices
    portaudio.list_devices = lambda: [replace(device, channels=6) for device in listed()]
    await hear_speech(SHORT)
    assert refused


def test_a_sound_server_that_dies_is_noticed(library, tmp_path):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    try:
        in_a_process_of_its_own(
            "lose_the_server", {**os.environ, **card.environment, "PYTHONPATH": ".", "SERVER": str(card.pid)}
        )
    finally:
        card.stop()


async def lose_the_server():
    lost = asyncio.Queue()
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    microphone = open_microphone(None, lambda *_: heard.set(), lambda _: lost.put_nowait("microphone"), loop=loop)
    speaker = open_speaker(
        None, lambda _: lambda frames: np.zeros(frames, np.int16), lambda _: lost.put_nowait("speaker"), loop=loop
    )
    await asyncio.wait_for(heard.wait(), 20)
    os.kill(int(os.environ["SERVER"]), signal.SIGKILL)
    async with asyncio.timeout(30):
        assert {await lost.get(), await lost.get()} == {"microphone", "speaker"}
    microphone.close()
    speaker.close()


@pytest.mark.parametrize("direction", ["input", "output"])
def test_a_sound_server_that_dies_as_portaudio_starts_a_stream_does_not_hang_it(monkeypatch, tmp_path, direction):
    """PortAudio's own thread fails then, and the one that starts the stream waits for it for good (its issue 535)."""
    need("portaudio", loads("sounddevice"))
    need_programs(*PROGRAMS)
    monkeypatch.setenv(devices.BACKEND_VARIABLE, "portaudio")
    card = VirtualSoundCard(tmp_path)
    card.start()
    try:
        own = {**os.environ, **card.environment, "PYTHONPATH": ".", "SERVER": str(card.pid), "DIRECTION": direction}
        in_a_process_of_its_own("start_as_the_server_dies", own)
    finally:
        card.stop()


async def start_as_the_server_dies():
    loop, server = asyncio.get_running_loop(), psutil.Process(int(os.environ["SERVER"]))
    portaudio = import_module("selam_cli.sound.portaudio")
    works = asyncio.Event()

    def opened():
        if os.environ["DIRECTION"] == "input":
            return open_microphone(None, lambda *_: works.set(), lambda _: None, loop=loop)

        def pull(frames):
            loop.call_soon_threadsafe(works.set)
            return np.zeros(frames, np.int16)

        return open_speaker(None, lambda _: pull, lambda _: None, loop=loop)

    kind = portaudio.sounddevice._StreamBase
    start = kind.start

    def start_too_late(stream):
        if not is_gone(server):
            server.kill()
            while not is_gone(server):
                time.sleep(0.01)
        start(stream)

    kind.start = start_too_late
    with pytest.raises(DeviceError):
        await asyncio.to_thread(opened)
    card = _card()
    card.socket.unlink()
    card.start()
    try:
        devices.look_again()
        device = await asyncio.to_thread(opened)
        await asyncio.wait_for(works.wait(), 20)
        device.close()
    finally:
        card.stop()


def test_a_stream_whose_thread_goes_round_in_circles_is_left_behind_and_quiet(sound_card, tmp_path):
    """As PortAudio's may when the sound server dies after an overrun; it prints at each turn (its issue 1037)."""
    need("portaudio", loads("sounddevice"))
    environment = {**os.environ, "PYTHONPATH": ".", "ERRORS": str(tmp_path / "errors")}
    in_a_process_of_its_own("end_a_stream_that_spins", environment)


async def end_a_stream_that_spins():
    close = import_module("selam_cli.sound.portaudio_threads").close
    errors = Path(os.environ["ERRORS"])
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    spinning, never = [], threading.Event()

    def spin():
        spinning.append(threading.get_native_id())
        while True:
            hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)  # without the interpreter's lock, as a library does

    threading.Thread(target=spin, daemon=True).start()
    while not spinning:
        await asyncio.sleep(0.01)
    stream = SimpleNamespace(abort=never.wait, close=pytest.fail, thread_ids={spinning[0]})
    await asyncio.to_thread(close, stream)
    assert os.getpriority(os.PRIO_PROCESS, spinning[0]) == 19
    before = errors.stat().st_size
    pcm = ctypes.c_void_p()
    assert ctypes.CDLL("libasound.so.2").snd_pcm_open(ctypes.byref(pcm), b"nowhere", 0, 0) < 0
    assert errors.stat().st_size == before, "what a library prints goes nowhere"
    print("our own words stay", file=sys.stderr, flush=True)
    assert errors.stat().st_size > before
    devices.look_again()  # which would wait for that thread
    speaker = open_speaker(None, lambda _: streams.silence, pytest.fail, loop=asyncio.get_running_loop())
    assert len(speaker._stream._stream.thread_ids) == 1, "the stream's own thread is known"
    speaker.close()


def test_a_speaker_that_runs_dry_takes_longer_blocks(sound_card, monkeypatch):
    need("portaudio", loads("sounddevice"))
    monkeypatch.setenv(devices.BACKEND_VARIABLE, "portaudio")
    in_a_process_of_its_own("be_too_slow", {**os.environ, "PYTHONPATH": "."})


async def be_too_slow():
    loop = asyncio.get_running_loop()
    longer = asyncio.Event()

    def make_pull(rate_hz):
        def pull(frames):
            if frames == rate_hz * 40 // 1_000:  # 20 ms were too short as well
                loop.call_soon_threadsafe(longer.set)
            else:
                time.sleep(0.15)  # longer than all that the device has in store
            return np.zeros(frames, np.int16)

        return pull

    speaker = open_speaker(None, make_pull, pytest.fail, loop=loop)
    await asyncio.wait_for(longer.wait(), 20)
    speaker.close()


@pytest.mark.parametrize(
    "what_happens",
    ["raise OSError('PortAudio library not found')", "raise type('PortAudioError', (Exception,), {})('no start')"],
)
def test_where_portaudio_is_of_no_use_miniaudio_takes_its_place(tmp_path, sound_card, what_happens):
    need("miniaudio", loads("miniaudio"))
    (tmp_path / "sounddevice.py").write_text(what_happens)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}."}
    environment.pop(devices.BACKEND_VARIABLE, None)
    in_a_process_of_its_own("use_both", environment)


async def use_both():
    loop = asyncio.get_running_loop()
    heard, played = asyncio.Event(), asyncio.Event()

    def pull(frames):
        loop.call_soon_threadsafe(played.set)
        return np.zeros(frames, np.int16)

    assert [backend.__name__ for backend in devices.backends()] == ["selam_cli.sound.mini"]
    microphone = open_microphone(None, lambda *_: heard.set(), pytest.fail, loop=loop)
    speaker = open_speaker(None, lambda _: pull, pytest.fail, loop=loop)
    async with asyncio.timeout(20):
        await heard.wait()
        await played.wait()
    microphone.close()
    speaker.close()


async def test_a_device_that_calls_back_no_more_is_lost_once(monkeypatch):
    monkeypatch.setattr(streams, "LOOK_EVERY_S", 0.01)
    reasons, lost = [], asyncio.Event()
    watch = Watch(asyncio.get_running_loop(), lambda reason: (reasons.append(reason), lost.set()))
    watch.alive()
    await asyncio.wait_for(lost.wait(), 20)
    watch.lost("again")
    assert reasons == ["it stopped working."]


async def test_a_program_that_was_stopped_has_not_lost_its_devices(monkeypatch):
    """As after Ctrl+Z: nothing called back for long, and nothing could."""
    monkeypatch.setattr(streams, "LOOK_EVERY_S", 0.05)
    reasons = []
    watch = Watch(asyncio.get_running_loop(), reasons.append)
    watch.alive()
    time.sleep(0.5)  # the whole process stands still, that is the point
    for _ in range(3):
        await asyncio.sleep(0)
    assert not reasons
    watch.stop()
