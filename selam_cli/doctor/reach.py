"""The way to a server in stages: the name, the connection, TLS; each with its time, or why it leads no further."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Final
from urllib.parse import urlsplit

from selam_cli.core.loopback import is_loopback
from selam_cli.doctor.finding import Finding, failed, ok, warning
from selam_cli.doctor.in_time import in_thread
from selam_cli.engine.refusals import connection_failure
from selam_cli.errors import ConnectionFailed

STAGE_WITHIN_S: Final = 5.0

_PROXIES: Final = ("https_proxy", "http_proxy", "all_proxy")


async def way_to(url: str, environment: Mapping[str, str]) -> AsyncGenerator[Finding, None]:
    """Yield what each stage says; one that failed is the last."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    encrypted = parts.scheme.lower() in {"wss", "https"}
    port = parts.port or (443 if encrypted else 80)
    name = await _name(host, port, url)
    if name is not None:
        yield name
        if name.status == "failed":
            return
    connection = await _connection(host, port, url, environment)
    yield connection
    if connection.status == "failed":
        return
    if encrypted:
        yield await _encryption(host, port, url)
    elif not is_loopback(host):
        told = f"The connection to {host} is not encrypted: whoever is in between can listen."
        yield warning("server.tls", told, "Use wss:// where the server has it.")


async def _name(host: str, port: int, url: str) -> Finding | None:
    if _is_address(host):
        return None
    began_at = time.monotonic()
    try:
        found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), STAGE_WITHIN_S)
    except TimeoutError:
        reason = f"Looking up the name {host} took longer than {STAGE_WITHIN_S:.0f} s."
        return failed("server.name", ConnectionFailed(reason, "Check the network and its name server (DNS)."))
    except (OSError, UnicodeError) as error:
        return failed("server.name", connection_failure(error, url))
    addresses = len({entry[4][0] for entry in found})
    listed = "1 address" if addresses == 1 else f"{addresses} addresses"
    return ok("server.name", f"The name {host} is known: {listed}, after {_ms(began_at)} ms.")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _connection(host: str, port: int, url: str, environment: Mapping[str, str]) -> Finding:
    began_at = time.monotonic()
    try:
        async with asyncio.timeout(STAGE_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        fault = connection_failure(error, url)
        if any(environment.get(proxy) or environment.get(proxy.upper()) for proxy in _PROXIES):
            fault.remedy += " A proxy is set in the environment; the connection to the agent does not go through it."
        return failed("server.connection", fault)
    writer.close()
    return ok("server.connection", f"Port {port} answers after {_ms(began_at)} ms.")


async def _encryption(host: str, port: int, url: str) -> Finding:
    began_at = time.monotonic()
    try:
        async with asyncio.timeout(STAGE_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except (OSError, TimeoutError) as error:
        return failed("server.tls", connection_failure(error, url))
    tls = writer.get_extra_info("ssl_object")
    until = ""
    with contextlib.suppress(KeyError, ValueError):
        seconds = ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"])
        until = f", the certificate is good until {time.strftime('%Y-%m-%d', time.gmtime(seconds))}"
    writer.transport.abort()
    return ok("server.tls", f"Encrypted with {tls.version()} after {_ms(began_at)} ms{until}.")


def _ms(began_at: float) -> int:
    return round((time.monotonic() - began_at) * 1_000)
