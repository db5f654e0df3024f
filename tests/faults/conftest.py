import pytest

from tests.support.faulty_link import faulty_link
from tests.support.recording_server import recording_server


@pytest.fixture
async def server(tmp_path):
    """A server in a process of its own."""
    async with recording_server(tmp_path) as started:
        yield started


@pytest.fixture
async def link(server):
    """The way to that server."""
    async with faulty_link(server.url) as way:
        yield way
