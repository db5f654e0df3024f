"""The engine's devices on the virtual sound card, within one process: what cannot be asked of `talk --json`."""

import asyncio
import os
import threading
from importlib import import_module

import psutil

from selam_cli.config.settings import Settings
from selam_cli.core import events
from selam_cli.engine.engine import VoiceEngine
from selam_cli.engine.lines.commands import parse_command
from selam_cli.engine.server_target import ServerTarget
from selam_cli.sound import devices
from selam_cli.sound.device_watch import RosterWatch
from selam_cli.sound.speaker import open_speaker
from selam_cli.sound.streams import silence
from tests.sound.test_devices import _card
from tests.support.needs import need_programs
from tests.support.processes import in_a_process_of_its_own
from tests.support.sound_libraries import library_environment
from tests.support.vsound import PROGRAMS, VirtualSoundCard


class Heard:
    """An engine that talks to nobody, and what it tells."""

    def __init__(self, **settings):
        self.told = []
        self._news = asyncio.Event()
        self.engine = VoiceEngine(
            Settings(echo_cancellation=False, **settings), ServerTarget("custom", "ws://127.0.0.1:1"), self._on
        )

    def _on(self, event):
        self.told.append(event)
        self._news.set()

    async def until(self, condition):
        async with asyncio.timeout(30):
            while not any(condition(event) for event in self.told):
                self._news.clear()
                await self._news.wait()

    async def notice(self, code):
        await self.until(lambda event: isinstance(event, events.Notice) and event.code == code)

    async def open(self):
        await self.until(
            lambda event: isinstance(event, events.StateChanged) and event.speaker and event.microphone.open
            and not event.microphone.opening
        )  # fmt: skip


def run_on_a_card(work, tmp_path, library):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path)
    card.start()
    try:
        environment = {**os.environ, **card.environment, **library_environment(library), "PYTHONPATH": "."}
        environment["SERVER"] = str(card.pid)
        in_a_process_of_its_own(f"{__name__}:{work}", environment)
    finally:
        card.stop()


def test_a_library_that_lists_devices_only_as_it_starts_is_started_again(tmp_path):
    """As PortAudio on macOS and Windows, where a stream stays with what was the default device when it was opened."""
    run_on_a_card("follow_by_starting_again", tmp_path, "portaudio")


async def follow_by_starting_again():
    portaudio = import_module("selam_cli.sound.portaudio")
    portaudio.follows_default = lambda: False
    started_again = []
    look_again = portaudio.look_again
    portaudio.look_again = lambda: (look_again(), started_again.append(True))
    card, heard = _card(), Heard()
    running = asyncio.create_task(heard.engine.run())
    await heard.open()
    card.plug("Headset")
    before = len(heard.told)
    card.make_default("Headset")
    await heard.notice("microphone_changed")
    await heard.notice("speaker_changed")
    del heard.told[:before]
    await heard.open()
    assert started_again
    async with asyncio.timeout(30):
        while card.streams(os.getpid()) != ["playing on Headset", "recording from Headset-mic"]:
            await asyncio.sleep(0.05)  # the one may be open before the other, and the sound server tells nobody
    heard.engine.quit()
    await running


def test_a_device_that_opens_slowly_does_not_hold_up_the_engine(tmp_path):
    run_on_a_card("open_slowly", tmp_path, "portaudio")


async def open_slowly():
    portaudio = import_module("selam_cli.sound.portaudio")
    open_input = portaudio.open_input
    opens = threading.Event()
    portaudio.open_input = lambda *arguments: (opens.wait(20), open_input(*arguments))[1]
    heard = Heard()
    opening = asyncio.create_task(heard.engine.devices.open())
    for _ in range(10):
        await asyncio.sleep(0.01)
    assert not opening.done(), "a loop that is held up comes round when it has opened"
    opens.set()
    await opening
    await heard.open()
    opens.clear()
    heard.engine.execute(parse_command('{"id": 1, "command": "microphone", "argument": "pulse"}'))
    await asyncio.sleep(0.01)
    assert not [event for event in heard.told if isinstance(event, events.Ack)]
    opens.set()
    await heard.until(lambda event: isinstance(event, events.Ack) and event.ok)
    assert heard.engine.conversation.state.microphone.name == "pulse"
    await heard.engine.devices.close()


def test_a_speaker_that_was_not_there_at_the_start_is_taken_when_it_comes(tmp_path):
    run_on_a_card("start_without_the_speaker", tmp_path, "miniaudio")


async def start_without_the_speaker():
    card, heard = _card(), Heard(output="Headset")
    running = asyncio.create_task(heard.engine.run())
    await heard.notice("no_speaker")
    card.plug("Headset")
    await heard.notice("speaker_back")
    assert "playing on Headset" in card.streams(os.getpid())
    heard.engine.quit()
    await running


def test_the_roster_knows_names_and_defaults_and_when_there_is_none(tmp_path):
    run_on_a_card("watch_the_roster", tmp_path, "both")


async def watch_the_roster():
    card, seen, news = _card(), [], asyncio.Event()
    watch = RosterWatch(asyncio.get_running_loop(), lambda roster: (seen.append(roster), news.set()))

    async def until(condition):
        async with asyncio.timeout(30):
            while not (seen and condition(seen[-1])):
                news.clear()
                await news.wait()

    await until(lambda roster: roster.outputs.default == "VSpeaker" and roster.inputs.default == "VMic")
    card.plug("Headset")
    await until(lambda roster: "HeadsetMic" in roster.inputs.names and "Headset" in roster.outputs.names)
    card.make_default("Headset")
    await until(lambda roster: (roster.inputs.default, roster.outputs.default) == ("HeadsetMic", "Headset"))
    os.kill(int(os.environ["SERVER"]), 9)
    await until(lambda roster: roster is None)
    watch.stop()


def test_no_library_leaves_a_connection_to_the_sound_server_behind(tmp_path):
    run_on_a_card("open_and_close_again", tmp_path, "both")


async def open_and_close_again():
    loop, process = asyncio.get_running_loop(), psutil.Process()

    def open_and_close():
        for spec in (None, "VSpeaker"):
            for _ in range(3):
                open_speaker(spec, lambda _: silence, print, loop=loop).close()

    open_and_close()
    open_and_close()
    fds, threads = process.num_fds(), process.num_threads()
    open_and_close()
    async with asyncio.timeout(20):
        while process.num_fds() > fds or process.num_threads() > threads:
            await asyncio.sleep(0.01)  # a thread that ends tells nobody
    assert {backend.__name__.rpartition(".")[2] for backend in devices.backends()} == {"portaudio", "mini"}
