"""The scripted REST server, and a client with time-outs that a test can wait for."""

import pytest

from selam_cli.agent.rest.client import RestClient
from tests.support.openai_server import openai_server


@pytest.fixture
async def server():
    async with openai_server() as server:
        yield server


@pytest.fixture
async def rest():
    client = RestClient()
    yield client
    await client.close()
