"""All languages by sherpa-onnx: the real library, up to the door of the real model, which is too big to be here."""

import asyncio

import numpy as np
import pytest

from selam_cli.agent.models.catalog import OMNILINGUAL
from selam_cli.agent.providers import Heard
from selam_cli.agent.responder import EngineFault, SpokenAudio
from selam_cli.agent.stt import in_workers, sherpa
from selam_cli.agent.stt.stretches import LONGEST_S, SHORTEST_S, stretches
from tests.support.damage import damage_file
from tests.support.needs import need

RATE_HZ = 16_000
LOW_HZ, HIGH_HZ = 150, 1_600


@pytest.fixture
def library():
    need("sherpa-onnx", in_workers.installed("sherpa_onnx"))


@pytest.fixture
def tiny_model(library, tmp_path):
    from tests.support.tiny_model import write_tiny_model  # it loads onnx

    write_tiny_model(tmp_path)
    return tmp_path


def tones(*hertz, seconds=0.5):
    """Tones with a little quiet around them, PCM16."""
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    quiet = np.zeros(RATE_HZ // 4)
    parts = [quiet, *(6_000 * np.sin(2 * np.pi * tone * at) for tone in hertz), quiet]
    return np.concatenate(parts).astype("<i2").tobytes()


async def heard(hearer, *sounds, language=None):
    told = []
    listening = hearer.begin(language, told.append)
    for sound in sounds:
        for at in range(0, len(sound), 640):
            listening.feed(sound[at : at + 640])
    result = await asyncio.wait_for(listening.heard(SpokenAudio(b"".join(sounds))), 60)
    assert told == []
    return result


@pytest.fixture
async def hearer(request):
    """A way to make hearers that are closed at the end."""
    made = []

    def make(folder):
        made.append(sherpa.hearer(folder, workers=1))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_the_library_hears_what_is_said_with_a_model_of_the_real_ones_shape(tiny_model, hearer):
    ears = hearer(tiny_model)
    assert await heard(ears, tones(LOW_HZ, HIGH_HZ, LOW_HZ), language="am") == Heard("lohilo", "am")
    assert await heard(ears, tones(HIGH_HZ, LOW_HZ)) == Heard("hilo", None)


async def test_a_long_utterance_is_heard_in_stretches_and_whole(tiny_model, hearer):
    sounds = [tones(LOW_HZ, HIGH_HZ, seconds=9.0) for _ in range(3)]
    text = (await heard(hearer(tiny_model), *sounds)).text
    assert text.replace(" ", "") == "lohi" * 3
    assert " " in text


async def test_what_has_no_voice_is_not_asked_about(tiny_model, hearer):
    noise = np.random.default_rng(1).normal(0, 3_000, 2 * RATE_HZ).astype("<i2").tobytes()
    ears = hearer(tiny_model)
    for silence in (b"", bytes(RATE_HZ), noise):
        assert (await heard(ears, silence)).text == ""


def test_stretches_lose_nothing_and_end_where_it_is_quietest():
    sound = np.full(70 * RATE_HZ, 3_000, np.int16)
    sound[20 * RATE_HZ : 20 * RATE_HZ + RATE_HZ // 5] = 0
    parts = list(stretches(sound.tobytes()))
    assert np.array_equal(np.concatenate(parts), sound.astype(np.float32) / 32_768)
    assert 20 * RATE_HZ <= len(parts[0]) <= 20.2 * RATE_HZ
    assert all(len(part) <= LONGEST_S * RATE_HZ for part in parts)
    assert all(len(part) >= SHORTEST_S * RATE_HZ for part in parts[:-1])
    assert list(stretches(b"")) == []


@pytest.mark.parametrize("damage", ["truncated", "of noise", "empty", "of another kind", "without tokens", "no tokens"])
async def test_a_model_that_is_not_one_is_a_plain_sentence(tiny_model, hearer, damage):
    from tests.support.tiny_model import write_another_model  # it loads onnx

    model, tokens = tiny_model / "model.int8.onnx", tiny_model / "tokens.txt"
    match damage:
        case "of another kind":
            write_another_model(tiny_model)
        case "without tokens":
            tokens.unlink()
        case "no tokens":
            tokens.write_text("")
        case _:
            damage_file(model, damage)
    with pytest.raises(EngineFault) as fault:
        await heard(hearer(tiny_model), tones(LOW_HZ))
    assert fault.value.type == "session_error"
    assert str(tiny_model) in fault.value.message


def test_what_is_missing_is_said_without_loading_anything(library, tmp_path, monkeypatch):
    assert "selam-voice models omnilingual" in sherpa.available()
    assert "no folder" in sherpa.available(tmp_path / "nowhere")
    assert "model.int8.onnx" in sherpa.available(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"x")
    assert "tokens.txt" in sherpa.available(tmp_path)
    (tmp_path / "tokens.txt").write_bytes(b"x")
    assert sherpa.available(tmp_path) is None
    monkeypatch.setattr(sherpa, "installed", lambda _: False)
    assert "pip install 'selam-voice[sherpa]'" in sherpa.available(tmp_path)


def test_a_downloaded_model_counts_when_it_is_whole(library):
    folder = OMNILINGUAL.folder()
    folder.mkdir(parents=True)
    for file in OMNILINGUAL.files:
        with (folder / file.name).open("wb") as whole:
            whole.truncate(file.size_bytes)
    assert sherpa.available() is None
    with (folder / "model.int8.onnx").open("r+b") as cut:
        cut.truncate(1_000)
    assert "no model yet" in sherpa.available()
