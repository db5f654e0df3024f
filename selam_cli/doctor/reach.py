"""The way to a server in stages: the name, the connection, TLS; each with its time, or why it leads no further."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from selam_cli.core.loopback import is_loopback
from selam_cli.core.proxy import Proxy, is_excepted, no_proxy, proxy_variables
from selam_cli.doctor.finding import Finding, failed, ok, warning
from selam_cli.doctor.in_time import in_thread
from selam_cli.engine.link.refusals import connection_failure
from selam_cli.errors import ConnectionFailed, SelamError
from selam_cli.net.tunnel import Streams, encrypt, not_there, open_tunnel, proxy_for

STAGE_WITHIN_S: Final = 5.0


async def way_to(url: str, environment: Mapping[str, str]) -> AsyncGenerator[Finding, None]:
    """Yield what each stage says; one that failed is the last. Where there is a proxy, the way leads through it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    encrypted = parts.scheme.lower() in {"wss", "https"}
    place = _Place(url, host, parts.port or (443 if encrypted else 80))
    try:
        place = replace(place, proxy=proxy_for(url, environment))
    except SelamError as error:
        yield failed("server.proxy", error)
        return
    if place.proxy is not None or proxy_variables(environment):
        yield ok("server.proxy", _told_of_the_proxy(place, environment))
    name = await _name(place)
    if name is not None:
        yield name
        if name.status == "failed":
            return
    connection = await _connection(place)
    yield connection
    if connection.status == "failed":
        return
    if encrypted:
        yield await _encryption(place)
    elif not is_loopback(host):
        told = f"The connection to {host} is not encrypted: whoever is in between can listen."
        yield warning("server.tls", told, "Use wss:// where the server has it.")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the way is to lead, and the proxy that it leads through."""

    url: str = field(repr=False)
    host: str
    port: int
    proxy: Proxy | None = None


def _told_of_the_proxy(place: _Place, environment: Mapping[str, str]) -> str:
    if place.proxy is not None:
        return f"The way to {place.host} leads through the proxy {place.proxy.shown} ({place.proxy.variable})."
    names = " and ".join(name for name, _ in proxy_variables(environment).values())
    if is_loopback(place.host):
        why = "it is this machine"
    elif is_excepted(place.host, place.port, no_proxy(environment)):
        why = "NO_PROXY excepts it"
    else:
        why = "they name none for its scheme"
    return f"{names}: no proxy for {place.host}, because {why}."


async def _name(place: _Place) -> Finding | None:
    host, port = (place.host, place.port) if place.proxy is None else (place.proxy.host, place.proxy.port)
    if _is_address(host):
        return None
    began_at = time.monotonic()
    try:
        found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), STAGE_WITHIN_S)
    except TimeoutError:
        reason = f"Looking up the name {host} took longer than {STAGE_WITHIN_S:.0f} s."
        return failed("server.name", ConnectionFailed(reason, "Check the network and its name server (DNS)."))
    except (OSError, UnicodeError) as error:
        if place.proxy is not None:
            return failed("server.name", not_there(place.proxy, place.host, error))
        return failed("server.name", connection_failure(error, place.url))
    addresses = len({entry[4][0] for entry in found})
    listed = "1 address" if addresses == 1 else f"{addresses} addresses"
    return ok("server.name", f"The name {host} is known: {listed}, after {_ms(began_at)} ms.")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _connection(place: _Place) -> Finding:
    began_at = time.monotonic()
    try:
        _, writer = await _connected(place)
    except (OSError, TimeoutError, ConnectionFailed) as error:
        return failed("server.connection", connection_failure(error, place.url))
    writer.transport.abort()
    if place.proxy is not None:
        told = f"The proxy opens the way to {place.host}:{place.port} after {_ms(began_at)} ms."
        return ok("server.connection", told)
    return ok("server.connection", f"Port {place.port} answers after {_ms(began_at)} ms.")


async def _connected(place: _Place) -> Streams:
    if place.proxy is not None:
        return await open_tunnel(place.proxy, place.host, place.port, STAGE_WITHIN_S)
    async with asyncio.timeout(STAGE_WITHIN_S):
        return await asyncio.open_connection(place.host, place.port)


async def _encryption(place: _Place) -> Finding:
    began_at = time.monotonic()
    try:
        streams = await _connected(place)
    except (OSError, TimeoutError, ConnectionFailed) as error:
        return failed("server.tls", connection_failure(error, place.url))
    writer = streams[1]
    try:
        async with asyncio.timeout(STAGE_WITHIN_S):
            await encrypt(streams, place.host, ssl.create_default_context())
        tls = writer.get_extra_info("ssl_object")
        until = ""
        with contextlib.suppress(KeyError, ValueError):
            seconds = ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"])
            until = f", the certificate is good until {time.strftime('%Y-%m-%d', time.gmtime(seconds))}"
        return ok("server.tls", f"Encrypted with {tls.version()} after {_ms(began_at)} ms{until}.")
    except (OSError, TimeoutError) as error:
        return failed("server.tls", connection_failure(error, place.url))
    finally:
        writer.transport.abort()


def _ms(began_at: float) -> int:
    return round((time.monotonic() - began_at) * 1_000)
