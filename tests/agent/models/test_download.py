"""A model's download against a real server that breaks off, lies, and goes on."""

import errno
import hashlib
from dataclasses import replace

import pytest
from aiohttp import web

from selam_cli.agent.models import download as downloading
from selam_cli.agent.models.catalog import MODELS, OMNILINGUAL, Model, ModelFile
from selam_cli.agent.models.download import download
from selam_cli.errors import ConnectionFailed, SelamError
from tests.support.in_process import run_here
from tests.support.proxies import proxy

WHOLE = bytes(range(256)) * 8_000
TOKENS = b"a 0\nb 1\n"


class Shelf:
    """A server with the two files of a model; `break_after` cuts each answer short."""

    def __init__(self):
        self.files = {"tokens.txt": TOKENS, "model.onnx": WHOLE}
        self.break_after: list[int] = []
        self.statuses: list[int] = []
        self.with_ranges = True
        self.asked: list[tuple[str, str | None]] = []

    async def answer(self, request):
        name, wanted = request.match_info["name"], request.headers.get("Range")
        self.asked.append((name, wanted))
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        body, start, status = self.files[name], 0, 200
        headers = {}
        if wanted and self.with_ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return web.Response(status=416)
            status, headers = 206, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(body) - start
        await response.prepare(request)
        end = len(body)
        if name == "model.onnx" and self.break_after:
            end = min(end, start + self.break_after.pop(0))
        await response.write(body[start:end])
        if end < len(body):
            request.transport.close()
        return response


@pytest.fixture
async def shelf():
    shelf = Shelf()
    app = web.Application()
    app.router.add_get("/{name}", shelf.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    shelf.model = Model(
        "test-model",
        "nothing",
        f"http://127.0.0.1:{runner.addresses[0][1]}",
        tuple(ModelFile(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in shelf.files.items()),
        "none",
    )
    yield shelf
    await runner.cleanup()


async def bring(model, seen=None):
    return await download(model, (seen if seen is not None else []).append, pause_s=0)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


async def test_it_comes_whole_and_the_bar_goes_to_the_end(shelf):
    seen = []
    assert not shelf.model.is_here()
    folder = await bring(shelf.model, seen)
    assert shelf.model.is_here()
    assert (folder / "model.onnx").read_bytes() == WHOLE
    assert names(folder) == ["model.onnx", "tokens.txt"]
    assert seen == sorted(seen)
    assert seen[-1] == shelf.model.size_bytes
    assert len(set(seen)) > 4


async def test_it_comes_through_a_proxy_and_one_that_refuses_is_not_asked_again(shelf, monkeypatch):
    async with proxy(int(shelf.model.url.rpartition(":")[2]), login=("me", "secret-word")) as between:
        elsewhere = replace(shelf.model, url="http://models.invalid")
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{between.port}")
        with pytest.raises(ConnectionFailed, match="wants a user name and a password"):
            await bring(elsewhere)
        assert len(between.heads) == 1
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret-word@127.0.0.1:{between.port}")
        folder = await bring(elsewhere)
    assert (folder / "model.onnx").read_bytes() == WHOLE
    assert set(between.asked) == {"models.invalid:80"}


async def test_what_is_here_is_not_fetched_again(shelf):
    await bring(shelf.model)
    asked = list(shelf.asked)
    await bring(shelf.model)
    assert shelf.asked == asked


async def test_it_goes_on_after_a_break_by_itself(shelf):
    shelf.break_after = [500_000, 700_000]
    folder = await bring(shelf.model)
    assert (folder / "model.onnx").read_bytes() == WHOLE
    ranges = [wanted for name, wanted in shelf.asked if name == "model.onnx"]
    assert ranges[0] is None
    assert all(wanted and wanted != "bytes=0-" for wanted in ranges[1:])
    assert len(ranges) == 3


async def test_it_goes_on_in_another_run_and_until_then_there_is_no_model(shelf):
    shelf.break_after = [600_000, *[0] * 10]
    with pytest.raises(ConnectionFailed, match="broke off") as error:
        await bring(shelf.model)
    assert "goes on where it stopped" in error.value.remedy
    assert not shelf.model.is_here()
    assert names(shelf.model.folder()) == ["model.onnx.part", "tokens.txt"]
    shelf.break_after, shelf.asked = [], []
    await bring(shelf.model)
    assert (shelf.model.folder() / "model.onnx").read_bytes() == WHOLE
    assert len(shelf.asked) == 1
    assert shelf.asked[0][1] not in {None, "bytes=0-"}


async def test_a_server_without_ranges_sends_it_from_the_beginning(shelf):
    shelf.with_ranges, shelf.break_after = False, [500_000]
    folder = await bring(shelf.model)
    assert (folder / "model.onnx").read_bytes() == WHOLE


async def test_a_changed_file_is_thrown_away_and_told(shelf):
    shelf.files["model.onnx"] = b"\1" + WHOLE[1:]
    with pytest.raises(SelamError, match="checksum"):
        await bring(shelf.model)
    assert names(shelf.model.folder()) == ["tokens.txt"]
    shelf.files["model.onnx"] = WHOLE
    await bring(shelf.model)
    assert shelf.model.is_here()


async def test_a_beginning_of_another_file_is_thrown_away(shelf):
    folder = shelf.model.folder()
    folder.mkdir(parents=True)
    (folder / "model.onnx.part").write_bytes(b"x" * 1_000)
    with pytest.raises(SelamError, match="checksum"):
        await bring(shelf.model)
    await bring(shelf.model)
    assert (folder / "model.onnx").read_bytes() == WHOLE


async def test_a_part_that_is_longer_than_the_file_is_never_the_model(shelf):
    folder = shelf.model.folder()
    folder.mkdir(parents=True)
    (folder / "model.onnx.part").write_bytes(WHOLE + b"more")
    with pytest.raises(SelamError, match="checksum"):
        await bring(shelf.model)
    await bring(shelf.model)
    assert (folder / "model.onnx").read_bytes() == WHOLE


async def test_a_longer_file_is_told_and_not_taken(shelf):
    shelf.files["model.onnx"] = WHOLE + b"more"
    with pytest.raises(SelamError, match="longer"):
        await bring(shelf.model)
    assert names(shelf.model.folder()) == ["tokens.txt"]


async def test_without_a_known_checksum_the_length_decides(shelf):
    model = replace(shelf.model, files=tuple(replace(file, sha256=None) for file in shelf.model.files))
    shelf.files["model.onnx"] = bytes(len(WHOLE))
    await bring(model)
    assert model.is_here()


async def test_a_server_in_trouble_is_asked_again_and_a_refusal_is_told(shelf):
    shelf.statuses = [503, 502]
    await bring(shelf.model)
    (shelf.model.folder() / "model.onnx").unlink()
    shelf.statuses = [404]
    with pytest.raises(ConnectionFailed, match="404"):
        await bring(shelf.model)


async def test_no_server_at_all_is_told(shelf):
    model = replace(shelf.model, url="http://127.0.0.1:9")
    with pytest.raises(ConnectionFailed, match="broke off"):
        await bring(model)


async def test_a_disk_without_room_is_told_before_anything_is_fetched(shelf):
    file = replace(shelf.model.files[1], size_bytes=10**18)
    with pytest.raises(SelamError, match="MB left"):
        await bring(replace(shelf.model, files=(file,)))
    assert shelf.asked == []


async def test_a_disk_that_fills_up_meanwhile_is_told(shelf, monkeypatch):
    async def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloading, "_write", full)
    with pytest.raises(SelamError, match="is full"):
        await bring(shelf.model)
    assert not shelf.model.is_here()


async def test_a_folder_that_cannot_be_written_is_told(shelf):
    folder = shelf.model.folder()
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in its way")
    with pytest.raises(SelamError, match="cannot be written"):
        await bring(shelf.model)


def test_what_is_published_is_pinned():
    for model in MODELS.values():
        assert model.url.startswith("https://")
        assert all(len(file.sha256 or "") == 64 for file in model.files)
    assert OMNILINGUAL.size_bytes == 365_438_543


def models(*arguments):
    status, output, errors = run_here("models", *arguments)
    return status, output.decode(), errors.decode()


def test_the_command_lists_them_and_knows_no_others():
    status, listed, _ = models()
    assert status == 0
    assert "selam-voice models omnilingual" in listed
    assert "365 MB" in listed
    status, _, errors = models("nonsense")
    assert status == 2
    assert "omnilingual" in errors


def test_the_command_is_content_with_what_is_here():
    folder = OMNILINGUAL.folder()
    folder.mkdir(parents=True)
    for file in OMNILINGUAL.files:
        with (folder / file.name).open("wb") as whole:
            whole.truncate(file.size_bytes)
    status, done, _ = models("omnilingual")
    assert status == 0
    assert str(folder) in done
    assert str(folder) in models()[1]
