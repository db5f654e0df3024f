"""A link that is cut in mid-utterance, as `ask` meets it."""

import asyncio
import contextlib
import json

import numpy as np

from selam_cli.core import protocol
from selam_cli.core.protocol import AudioEnd, Response, StartSession
from selam_cli.sound.files import write_wav
from tests.engine.test_lost_and_found import heard_in_session
from tests.support.speech import correlation, spoken
from tests.support.talker import tone
from tests.support.voice_server import voice_server
from tests.test_ask import ask


class Cable:
    """A TCP proxy: what goes through it can be cut, and mended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pieces: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._taken = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self._taken, reuse_address=True)
        self._taken = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection off, and take no further one."""
        self._server.close()
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            piece.transport.abort()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._taken}"

    async def _join(self, reader, writer) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._pieces += [writer, far_writer]
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    @staticmethod
    async def _pass(reader, writer) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()


@contextlib.asynccontextmanager
async def cabled():
    async with voice_server() as server:
        cable = Cable(int(server.url.rpartition(":")[2]))
        await cable.mend()
        try:
            yield server, cable
        finally:
            cable.cut()


async def test_after_a_cut_of_three_seconds_the_second_session_holds_the_whole_utterance(tmp_path):
    said = spoken("The quick brown fox jumps over the lazy dog, and then it sleeps until the morning.")
    question = tmp_path / "question.wav"
    write_wav(str(question), said, 16_000)
    async with cabled() as (server, cable):
        asking = asyncio.create_task(ask(str(question), "--server", cable.url))
        await server.until(lambda: len(server.audio) >= len(said) // 2)  # a quarter of it
        cable.cut()
        await asyncio.sleep(3.0)
        await cable.mend()
        await server.until(lambda: len(server.messages(StartSession)) == 2)
        await server.until(lambda: len(server.audio) > 32_000 and not any(server.audio[-32_000:]))
        await server.send(protocol.Transcription("the quick brown fox"))
        await server.send(Response("It sleeps."))
        await server.send(AudioEnd(0))
        status, output, errors = await asking
    assert (status, output) == (0, "You: the quick brown fox\nAgent: It sleeps.\n")
    assert correlation(said, np.frombuffer(heard_in_session(server, 2), "<i2"))[0] >= 0.99
    assert heard_in_session(server, 2)[: len(said) * 2] == said.tobytes()
    assert "within 10 s" in errors
    assert "sent again, from its beginning" in errors


async def test_a_question_whose_link_stays_cut_is_told_as_lost(tmp_path):
    question = tmp_path / "question.wav"
    write_wav(str(question), tone(1.5), 16_000)
    (tmp_path / "config.toml").write_text("resend_within_s = 1\n")
    async with cabled() as (server, cable):
        asking = asyncio.create_task(
            ask(str(question), "--json", "--server", cable.url,
                environment={"SELAM_CONFIG": str(tmp_path / "config.toml")})
        )  # fmt: skip
        await server.until(lambda: server.audio)
        cable.cut()
        status, output, errors = await asking
    assert status == 4
    assert "was not back within 1 s" in errors
    lines = [json.loads(line) for line in output.splitlines()]
    assert next(line["outcome"] for line in lines if line["event"] == "utterance") == "kept"
