"""espeak-ng as it is installed: the program, and the library in processes of its own, crashed and hung for real."""

import asyncio
import importlib
import os
import socket
import subprocess
import sys
from contextlib import aclosing

import numpy as np
import psutil
import pytest

from selam_cli.agent.responder import EngineFault
from selam_cli.agent.tts import espeak, espeak_process, espeak_program
from selam_cli.agent.tts.espeak import LOUDNESS_DBFS, Espeak, available
from selam_cli.agent.tts.espeak_process import EspeakLibrary
from selam_cli.agent.tts.espeak_program import EspeakProgram
from selam_cli.core.catalog import VOICES
from tests.support.needs import need
from tests.support.processes import is_gone

HELLO = {
    "am": "ሰላም፣ እንዴት ነህ? ዛሬ በጣም ጥሩ ቀን ነው። ወደ ገበያ ሄጄ ቡና ገዛሁ።",
    "om": "Akkam jirta? Har’a guyyaan gaarii dha. Gara gabaa deemee buna bite.",
    "en": "Hello, how are you? Today is a very good day. I went to the market and bought coffee.",
    "ti": "ከመይ ኣለኻ፧ ሎሚ ጽቡቕ መዓልቲ እዩ። ናብ ዕዳጋ ከይደ ቡን ገዚአ።",
}
GREETING = "Hello, how are you?"
LONG = HELLO["en"] * 4
MANY = 2 * max(espeak_program.AT_ONCE, espeak_process.AT_ONCE)
SOAK = os.environ.get("SELAM_SOAK") == "1"
ONE_OF_EACH = [next(name for name in VOICES if VOICES[name].gender == gender) for gender in ("f", "m")]
OTHERS = frozenset()


def program(**settings):
    found = EspeakProgram.installed()
    need("espeak-ng", found)
    return EspeakProgram(found._path, found.languages, **settings)


def library(**settings):
    found = EspeakLibrary.installed()
    need("espeakng-loader", found)
    return EspeakLibrary(found.languages, **settings)


@pytest.fixture(autouse=True)
def others(monkeypatch):
    """The processes that are not this test's: a sound server for the whole run, say."""
    monkeypatch.setattr(sys.modules[__name__], "OTHERS", frozenset(psutil.Process().children()))


@pytest.fixture(params=[program, library], ids=["program", "library"])
async def voice(request):
    synthesizer = Espeak([request.param()])
    yield synthesizer
    await synthesizer.close()
    assert children() == []


@pytest.fixture
async def by_library():
    source = library()
    yield source
    await source.close()
    assert children() == []


def children():
    return [child for child in psutil.Process().children() if child not in OTHERS and not is_gone(child)]


async def said(synthesizer, text, language, name="aria"):
    pieces = [piece async for piece in synthesizer.speak(text, language, name)]
    assert all(len(piece) % 2 == 0 for piece in pieces)
    return np.frombuffer(b"".join(pieces), "<i2")


async def until_gone(processes):
    while not all(is_gone(process) for process in processes):
        await asyncio.sleep(0.005)


def is_as_long(one, other):
    """Tell whether two recordings of a sentence are both whole; the library varies by some samples."""
    return abs(len(one) - len(other)) < 160


def level_dbfs(samples):
    """Return the RMS of what is no pause."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320).astype(float)
    levels = np.sqrt((frames**2).mean(axis=1))
    spoken = levels[levels > levels.max() / 20]
    return 20 * np.log10(np.sqrt((spoken**2).mean()) / 32_768)


def pitch_hz(samples):
    """Return the median pitch of the loud frames, by autocorrelation."""
    found = []
    for start in range(0, len(samples) - 960, 960):
        frame = samples[start : start + 960].astype(float)
        if np.sqrt((frame**2).mean()) > 1_000:
            alike = np.correlate(frame, frame, "full")[959:]
            found.append(16_000 / (40 + int(np.argmax(alike[40:266]))))
    return np.median(found)


@pytest.mark.parametrize("language", HELLO)
async def test_each_language_is_spoken_at_an_even_level_and_without_clipping(voice, language):
    if language not in voice.languages:
        assert language == "ti"  # Debian's espeak-ng is older than its Tigrinya
        with pytest.raises(EngineFault, match=r"version 1\.52"):
            await said(voice, HELLO[language], language)
        return
    for name in VOICES if SOAK else ONE_OF_EACH:
        samples = await said(voice, HELLO[language], language, name)
        assert 3 < len(samples) / 16_000 < 9
        assert abs(level_dbfs(samples) - LOUDNESS_DBFS) < 1.5, name
        assert np.abs(samples.astype(int)).max() < 32_000, name


async def test_women_speak_higher_than_men(voice):
    women, men = [
        [pitch_hz(await said(voice, GREETING, "en", name)) for name in VOICES if VOICES[name].gender == gender]
        for gender in ("f", "m")
    ]
    assert min(women) > 150 > max(men)


async def test_a_longer_text_takes_longer_and_another_text_sounds_otherwise(voice):
    one, two, both = [
        await said(voice, text, "en") for text in ("Good morning.", "Good evening.", "Good morning. Good evening.")
    ]
    assert max(len(one), len(two)) < len(both)
    assert len(one) != len(two) or not np.array_equal(one, two)


async def test_a_word_of_another_language_is_spoken_by_its_voice_without_a_break(voice):
    alone = await said(voice, "በጣም ጥሩ", "am")
    mixed = await said(voice, "በጣም computer ጥሩ", "am")
    assert len(mixed) > len(alone) + 16_000 // 4
    # The longest silence within is that of a word's edge, not that of a sentence's end.
    loud = np.flatnonzero(np.abs(mixed.astype(int)) > 200)
    assert np.diff(loud).max() < 16_000 // 4


@pytest.mark.parametrize("text", ["😀", "", "***", "…"])
async def test_a_sentence_without_words_is_silent(voice, text):
    assert len(await said(voice, text, "am")) == 0


@pytest.mark.parametrize(
    "text", ["--help me", "-v de", "-f /etc/passwd", "[[h@l]] <break time='9s'/> \ud800", "$(id) `id` ; id"]
)
async def test_text_is_never_an_option_nor_a_command_nor_a_notation(voice, text):
    assert 0.1 < len(await said(voice, text, "en")) / 16_000 < 5


async def test_somali_is_refused_and_never_spelled(voice):
    assert "so" not in voice.languages
    with pytest.raises(EngineFault, match="no voice for Somali"):
        await said(voice, "Sidee tahay", "so")


async def test_a_sentence_without_end_is_spoken_whole(voice):
    once, thrice = [await said(voice, "word " * count, "en") for count in (40, 120)]
    assert len(thrice) > 2.8 * len(once)


async def test_breaking_off_ends_the_making_and_leaves_a_voice(voice):
    async with aclosing(voice.speak(LONG, "en", "aria")) as sound:
        await anext(sound)
    assert len(await said(voice, "Good morning.", "en")) > 8_000


async def test_cancelling_at_any_moment_leaves_a_voice(voice):
    whole = await said(voice, HELLO["am"], "am")
    for milliseconds in (0, 1, 2, 5, 10, 20, 40):
        speaking = asyncio.create_task(said(voice, LONG, "en"))
        await asyncio.wait({speaking}, timeout=milliseconds / 1_000)
        speaking.cancel()
        await asyncio.wait({speaking})
        assert is_as_long(await said(voice, HELLO["am"], "am"), whole)


async def test_many_at_once_are_all_served_whole(voice):
    alone = await said(voice, HELLO["am"], "am")
    together = await asyncio.gather(*(said(voice, HELLO["am"], "am") for _ in range(MANY)))
    assert all(is_as_long(samples, alone) for samples in together)


async def test_one_who_does_not_listen_on_keeps_no_process_from_others(voice):
    """A reply is paced; what is to come of its sentence waits on this side."""
    waiting = [voice.speak(LONG, "en", "aria") for _ in range(espeak_program.AT_ONCE + espeak_process.AT_ONCE)]
    for sound in waiting:
        await anext(sound)
    assert len(await said(voice, "Good morning.", "en")) > 8_000
    for sound in waiting:
        await sound.aclose()


async def test_the_library_serves_many_with_few_processes(by_library):
    synthesizer = Espeak([by_library])
    speaking = asyncio.gather(*(said(synthesizer, GREETING, "en") for _ in range(MANY)))
    counts = set()
    while not speaking.done():
        counts.add(len(children()))
        await asyncio.wait({speaking}, timeout=0.02)
    await speaking
    assert 1 <= max(counts | {len(children())}) <= espeak_process.AT_ONCE


async def test_no_key_is_given_to_it(by_library, tmp_path, monkeypatch):
    need("a POSIX shell", os.name == "posix")
    monkeypatch.setenv("SELAM_API_KEY", "sk-selam-test-secret")
    monkeypatch.setenv("https_proxy", "http://me:sk-selam-test-secret@127.0.0.1:1")
    await said(Espeak([by_library]), "One.", "en")
    (child,) = children()
    assert {"PATH", "SELAM_API_KEY", "https_proxy"} & set(child.environ()) == {"PATH"}
    told, path = tmp_path / "environment", tmp_path / "espeak-ng"
    path.write_text(f'#!/bin/sh\nenv > {told}\nexec {program()._path} "$@"\n')
    path.chmod(0o755)
    assert len(await said(Espeak([EspeakProgram(str(path), frozenset({"en"}))]), "One.", "en")) > 4_000
    assert "PATH=" in told.read_text()
    assert "sk-selam-test-secret" not in told.read_text()


async def test_a_process_survives_a_sentence_that_was_broken_off(by_library, monkeypatch):
    monkeypatch.setattr(espeak_process, "BREAK_OFF_WITHIN_S", 60)
    synthesizer = Espeak([by_library])
    await said(synthesizer, "One.", "en")
    (before,) = children()
    async with aclosing(synthesizer.speak(LONG, "en", "aria")) as sound:
        await anext(sound)
    await until_recovered(by_library)
    await said(synthesizer, "Two.", "en")
    assert [child.pid for child in children()] == [before.pid]


async def until_recovered(source):
    while source._leaving:
        await asyncio.wait(source._leaving)


async def test_a_process_that_crashes_costs_its_sentence_and_no_more(by_library):
    synthesizer = Espeak([by_library])
    await said(synthesizer, "One.", "en")
    (before,) = children()
    sound = by_library.sound("word " * 2_000, "en-us+f3", end_pause=True)
    await anext(sound)
    before.kill()
    with pytest.raises(EngineFault, match="ended by itself") as fault:
        async for _ in sound:
            pass
    assert fault.value.type == "audio_error"
    assert len(await said(synthesizer, "Two.", "en")) > 4_000
    assert before.pid not in [child.pid for child in children()]


async def test_a_process_that_died_in_its_sleep_is_not_noticed(by_library):
    synthesizer = Espeak([by_library])
    await said(synthesizer, "One.", "en")
    (before,) = children()
    before.kill()
    await until_gone([before])
    assert len(await said(synthesizer, "Two.", "en")) > 4_000


async def test_a_process_that_hangs_is_ended_and_replaced():
    source = library(stuck_after_s=0.5)
    synthesizer = Espeak([source])
    while True:  # a busy machine may take longer than that for a start
        try:
            await said(synthesizer, "One.", "en")
            break
        except EngineFault:
            continue
    (before,) = children()
    before.suspend()
    with pytest.raises(EngineFault, match="stood still") as fault:
        await said(synthesizer, "Two.", "en")
    assert fault.value.type == "audio_error"
    await until_gone([before])
    await source.close()
    assert children() == []


async def test_an_idle_process_ends():
    source = library(idle_s=0.05)
    await said(Espeak([source]), "One.", "en")
    await until_gone(children())
    await source.close()


async def test_a_program_that_hangs_or_crashes_is_told(tmp_path):
    need("a POSIX shell", os.name == "posix")
    for body, reason, within_s in (
        ("exec sleep 60", "stood still", 0.5),
        ("exit 3", "status 3", 60),
        ("head -c 44 /dev/zero", "rate", 60),
    ):
        path = tmp_path / "espeak-ng"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        source = EspeakProgram(str(path), frozenset({"en"}), stuck_after_s=within_s)
        with pytest.raises(EngineFault, match=reason) as fault:
            await said(Espeak([source]), "One.", "en")
        assert fault.value.type == "audio_error"
    assert children() == []


async def test_a_program_that_is_gone_is_told(tmp_path):
    with pytest.raises(EngineFault, match="does not start"):
        await said(Espeak([EspeakProgram(str(tmp_path / "none"), frozenset({"en"}))]), "One.", "en")


def test_what_is_missing_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(espeak.EspeakLibrary, "installed", classmethod(lambda cls: None))
    assert available() == available("am")
    assert "package espeak-ng" in (available() or "")
    assert "extra `local`" in (available() or "")


def test_a_language_that_is_missing_is_said(monkeypatch):
    need("espeak-ng", EspeakProgram.installed())
    assert available() is None
    assert available("en") is None
    assert available("so") == "espeak-ng has no voice for Somali."
    monkeypatch.setattr(espeak.EspeakLibrary, "installed", classmethod(lambda cls: None))
    if "ti" not in EspeakProgram.installed().languages:
        assert "version 1.52" in (available("ti") or "")


def test_the_library_is_never_in_a_process_of_another_thing():
    """It is GPL-3 and one voice a process: speaking loads it into its own processes alone."""
    need("espeakng-loader", EspeakLibrary.installed())
    watched = (
        "import asyncio, sys\n"
        "from selam_cli.agent.tts.espeak import Espeak\n"
        "from selam_cli.agent.tts.espeak_process import EspeakLibrary\n"
        "async def main():\n"
        "    voice = Espeak([EspeakLibrary.installed()])\n"
        "    assert [piece async for piece in voice.speak('One.', 'en', 'aria')]\n"
        "    await voice.close()\n"
        "asyncio.run(main())\n"
        "assert 'espeakng_loader' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-P", "-c", watched], check=True, timeout=60)


def test_it_does_the_same_on_uvloop():
    """The agent runs on uvloop where there is one, and the two loops differ in how they tell a process's end."""
    uvloop = pytest.importorskip("uvloop") if sys.platform == "win32" else importlib.import_module("uvloop")
    sources = [program(), library()]

    async def breaking_off_and_crashing():
        for source in sources:
            voice = Espeak([source])
            async with aclosing(voice.speak(LONG, "en", "aria")) as sound:
                await anext(sound)
            for child in children():
                child.kill()
            await until_gone(children())
            assert len(await said(voice, "One.", "en")) > 4_000
            await voice.close()

    uvloop.run(breaking_off_and_crashing())
    assert children() == []


async def test_the_program_leaves_the_sound_server_and_the_home_alone(tmp_path, monkeypatch):
    """It writes to a pipe; yet it would wait for a sound server that accepts and says nothing."""
    program()  # skipped where there is none
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for variable in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    with socket.socket(socket.AF_UNIX) as sound_server:
        sound_server.bind(str(tmp_path / "hangs"))
        sound_server.listen()
        sound_server.setblocking(False)
        monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'hangs'}")
        source = EspeakProgram.installed()
        assert source is not None
        assert len([piece async for piece in source.sound("Hello.", "en", end_pause=True)]) > 0
        with pytest.raises(BlockingIOError):
            sound_server.accept()
    monkeypatch.delenv("PULSE_SERVER")
    assert len([piece async for piece in source.sound("Hello.", "en", end_pause=True)]) > 0
    assert list(home.iterdir()) == []
