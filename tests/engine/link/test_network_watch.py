"""A route that was not there before: by a table of what the kernel says, and in a network that comes back."""

import asyncio
import shutil
import subprocess
import sys

import pytest

from selam_cli.core import events
from selam_cli.engine.link import network_watch, policy
from selam_cli.engine.link.network_watch import NetworkWatch
from tests.support.needs import need_right
from tests.support.processes import in_a_process_of_its_own
from tests.support.talker import talker
from tests.support.voice_server import voice_server

OUT = "192.0.2.1"
SERVER = "10.1.2.3"


@pytest.mark.parametrize(
    ("routes", "seen"),
    [
        ([{}, {}], [False, False]),
        ([{}, {OUT: "10.0.0.1"}, {OUT: "10.0.0.1"}], [False, True, False]),  # the network comes back
        ([{OUT: "10.0.0.1"}, {}, {OUT: "10.0.0.1"}], [False, False, True]),
        ([{OUT: "10.0.0.1"}, {OUT: "172.16.0.1"}], [False, True]),  # from a cable to a radio
        ([{OUT: "10.0.0.1"}, {OUT: "10.0.0.1", SERVER: "10.8.0.1"}], [False, True]),  # a tunnel to the server
        ([{SERVER: "10.0.0.1"}, {}], [False, False]),  # a loss is no reason to try
    ],
)
def test_what_is_a_new_route(routes, seen, monkeypatch):
    watch = NetworkWatch()
    watch.remember(SERVER)
    found = []
    for now in routes:
        monkeypatch.setattr(network_watch, "_own_address", now.get)
        found.append(watch.look())
    assert found == seen


def test_a_server_that_is_watched_from_now_on_is_no_new_route(monkeypatch):
    watch = NetworkWatch()
    monkeypatch.setattr(network_watch, "_own_address", lambda _: "10.0.0.1")
    watch.look()
    watch.remember(SERVER)
    assert not watch.look()


@pytest.mark.parametrize("host", [None, "", "voice.example.org", "no such host", "\ud800", "a" * 300])
def test_a_name_is_not_looked_up(host, monkeypatch):
    asked = []
    monkeypatch.setattr(network_watch, "_own_address", asked.append)
    watch = NetworkWatch()
    watch.remember(host)
    watch.look()
    assert asked == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_kernel_says_by_which_address_this_machine_reaches_itself(host):
    assert network_watch._own_address(host) in {host, None}


async def test_a_change_is_awaited(monkeypatch):
    addresses = iter([None] * 9 + ["10.0.0.1"] * 3)
    monkeypatch.setattr(network_watch, "_own_address", lambda _: next(addresses))
    monkeypatch.setattr(network_watch, "LOOK_EVERY_S", 0)
    watch = NetworkWatch()
    watch.remember(SERVER)
    await asyncio.wait_for(watch.changes(), 20)
    assert next(addresses, None) is None


async def a_network_that_comes_back() -> None:
    """Run in a network namespace of its own, from which no way leads out at first."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    policy.BACKOFF_FIRST_S = policy.BACKOFF_MOST_S = 3_600.0
    async with voice_server() as server, talker(server.url) as user:
        await user.until(events.SessionStarted)
        await server.drop()
        await user.until(events.Reconnecting)
        subprocess.run(["ip", "route", "add", "default", "dev", "lo"], check=True)
        await user.until(events.SessionStarted, count=2)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_a_network_that_comes_back_is_noticed_at_once():
    allowed = shutil.which("unshare") and shutil.which("ip")
    look = ["unshare", "-rn", "ip", "link", "set", "lo", "up"]
    allowed = allowed and subprocess.run(look, capture_output=True, check=False).returncode == 0
    need_right("to make a network namespace", allowed)
    in_a_process_of_its_own(f"{__name__}:a_network_that_comes_back", None, before=["unshare", "-rn"])
