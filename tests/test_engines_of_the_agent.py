"""The embedded agent with engines, whole: a question as sound to an answer as sound, twice by its own process."""

import json

import pytest
import soundfile

from selam_cli.agent.stt import sphinx
from selam_cli.agent.text.language import detect
from selam_cli.config.agent_settings import AgentSettings
from selam_cli.sound.files import write_wav
from tests.agent.conftest import server  # noqa: F401  # a fixture
from tests.support.embedded_agent import embedded_agent
from tests.support.needs import need, need_programs
from tests.support.openai_server import event, refuses, replies, streams
from tests.support.speech import correlation, spoken, trimmed
from tests.test_ask import ask

HEARING, THINKING, SPEAKING = "audio/transcriptions", "chat/completions", "audio/speech"
TOKENS = [event("It is "), event("noon. "), event("Time for lunch."), event(finish_reason="stop"), b"data: [DONE]\n\n"]


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "question.wav"
    write_wav(str(path), spoken("What time is it?"), 16_000)
    return str(path)


@pytest.fixture
def settings(tmp_path, server, monkeypatch):  # noqa: F811  # the fixture
    def with_table(**table):
        lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
        path = tmp_path / "config.toml"
        path.write_text("\n".join(["[agent]", *lines]), encoding="utf-8")
        return {"SELAM_CONFIG": str(path), "SELAM_LLM_KEY": "sk-selam-test-4711", "OLLAMA_HOST": "127.0.0.1:9"}

    return with_table


async def ask_one_with(settings, question, *arguments):
    """Ask an agent of the test's own process that has these engines."""
    async with embedded_agent(settings) as agent:
        server = agent.url.replace("http", "ws")
        return await ask(question, "--server", server, "--voice", "aria", *arguments)


async def test_a_question_is_heard_thought_about_and_answered_aloud(question, settings, server, tmp_path):  # noqa: F811
    sentence = tmp_path / "sentence.wav"
    answer = spoken("It is noon.", "rms")
    write_wav(str(sentence), answer, 16_000)
    server.answers = {
        HEARING: replies({"text": "What time is it?", "language": "english"}),
        THINKING: streams(*TOKENS),
        SPEAKING: streams(sentence.read_bytes(), content_type="audio/wav"),
    }
    out = tmp_path / "reply.wav"
    status, output, errors = await ask(
        question, "--local", "--voice", "aria", "--instructions", "Be brief.", "--out", str(out),
        environment=settings(
            stt_url=server.base_url, llm_url=server.base_url, llm_model="m",
            tts_url=server.base_url, tts="openai",
        ),
    )  # fmt: skip
    assert (status, errors) == (0, "")
    assert output == "You: What time is it?\nAgent: It is noon. Time for lunch.\n"
    thought = next(request for request in server.received if request.path.endswith(THINKING))
    assert thought.headers["Authorization"] == "Bearer sk-selam-test-4711"
    assert "Be brief." in thought.json["messages"][0]["content"]
    assert thought.json["messages"][-1] == {"role": "user", "content": "What time is it?"}
    reply, rate_hz = soundfile.read(out, dtype="int16")
    assert rate_hz == 16_000
    assert correlation(trimmed(answer), reply)[0] >= 0.99
    assert len(reply) >= 2 * len(trimmed(answer)), "two sentences, each spoken"


async def test_with_a_voice_of_its_own_it_repeats_what_it_understood(question, server, tmp_path):  # noqa: F811
    need_programs("espeak-ng")
    server.answers = {HEARING: replies({"text": "What time is it?"})}
    out = tmp_path / "reply.wav"
    status, output, errors = await ask_one_with(AgentSettings(stt_url=server.base_url), question, "--out", str(out))
    assert (status, errors) == (0, "")
    assert "You said: What time is it?" in output
    assert detect("You said: What time is it?") == "en"
    samples, rate_hz = soundfile.read(out, dtype="int16")
    assert len(trimmed(samples)) / rate_hz > 1.0


async def test_without_a_network_english_is_heard_and_answered_with_what_pip_brings(question, settings, tmp_path):
    need("pocketsphinx", sphinx.available() is None)
    out = tmp_path / "reply.wav"
    away = {"SELAM_API_KEY": "sk-selam-test-4711", "HTTPS_PROXY": "http://127.0.0.1:1", "PATH": "/nowhere"}
    status, output, errors = await ask(
        question, "--local", "--voice", "aria", "--out", str(out), environment={**settings(), **away}
    )
    assert (status, errors) == (0, "")
    assert "You: what time is it\n" in output
    assert "You said: what time is it" in output
    assert "(api.selamgpt.com cannot be reached (Nothing answers at the proxy 127.0.0.1:1). Until it can," in output
    samples, rate_hz = soundfile.read(out, dtype="int16")
    assert len(trimmed(samples)) / rate_hz > 1.0


async def test_a_server_that_refuses_the_key_is_told_as_such(question, server):  # noqa: F811
    server.answers = {HEARING: replies({"text": "What time is it?"}), THINKING: refuses(401)}
    url = server.base_url
    settings = AgentSettings(stt_url=url, llm_url=url, llm_model="m", llm_key="sk-selam-test-4711", tts="none")
    status, _, errors = await ask_one_with(settings, question)
    assert status == 3
    assert "API key" in errors
    assert "sk-selam" not in errors


async def test_a_language_that_nothing_hears_is_refused_with_what_would(question):
    status, _, errors = await ask_one_with(AgentSettings(llm="none"), question, "--language", "am")
    assert status == 6
    assert "Nothing here can hear Amharic." in errors
    assert "stt_url" in errors
