"""A connection through a proxy: the way to a host that the proxy opens, or why it does not, in a user's words.

Every proxy is asked for a tunnel, an HTTP one by CONNECT: that is how WebSockets go through it, encrypted or not (RFC
6455, 4.1). SOCKS is python-socks' part. CONNECT is written here, because that library reads one piece of the proxy's
answer and takes it for the whole.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from selam_cli import __version__
from selam_cli.core.proxy import Proxy, choose_proxy, proxy_variables
from selam_cli.errors import ConnectionFailed

TUNNEL_WITHIN_S: Final = 8.0
"""Less than the handshake has in all, so that a proxy that does not answer is named as the reason."""

_SYSTEM_KNOWS: Final = bool({sys.platform} & {"darwin", "win32"})
"""Whether the system's settings may name a proxy where the environment names none."""

MAX_ANSWER_BYTES: Final = 65_536
_HTTP_ANSWER: Final = re.compile(rb"HTTP/\d\.\d (\d{3})(?: |\r|$)")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ProxyFault(ConnectionFailed):
    """A proxy does not let a connection through: it is not there, says no, or is none."""


class ProxyRefused(ProxyFault):
    """The proxy says no, and would say it again."""


def proxy_for(url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy for an address: the environment's, else on macOS and Windows the system's.

    Raises UsageFault where the variable that counts names none.
    """
    environment = os.environ if environment is None else environment
    if not _SYSTEM_KNOWS or proxy_variables(environment):
        return choose_proxy(url, environment)
    known = {f"{scheme}_proxy": address for scheme, address in getproxies().items()}
    chosen = choose_proxy(url, known)
    if chosen is None or proxy_bypass(urlsplit(url).hostname or ""):
        return None
    return replace(chosen, variable="the system's settings")


async def open_tunnel(proxy: Proxy, host: str, port: int, within_s: float | None = None) -> Streams:
    """Return the streams of a connection to a host. Raises ProxyFault where the proxy opens none in time."""
    try:
        async with asyncio.timeout(TUNNEL_WITHIN_S if within_s is None else within_s):
            return await (_through_socks if proxy.is_socks else _through_http)(proxy, host, port)
    except TimeoutError:
        raise ProxyFault(
            f"The proxy {proxy.shown} did not open the way to {host}:{port} in time.", _check(proxy, host)
        ) from None


async def encrypt(streams: Streams, host: str, context: ssl.SSLContext) -> None:
    """Begin TLS with the host at a tunnel's other end. Raises OSError, of which ssl's errors are."""
    await streams[1].start_tls(context, server_hostname=host.rstrip("."))


def basic(proxy: Proxy) -> str | None:
    """Return the Basic credentials for an HTTP proxy; None where the proxy has no user."""
    if proxy.user is None:
        return None
    pair = f"{proxy.user}:{proxy.password or ''}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


# --- HTTP -------------------------------------------------------------------------------------------------------------


async def _through_http(proxy: Proxy, host: str, port: int) -> Streams:
    try:
        context = ssl.create_default_context() if proxy.kind == "https" else None
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port, ssl=context, limit=MAX_ANSWER_BYTES)
    except (OSError, UnicodeError) as error:
        raise not_there(proxy, host, error) from None
    opened = False
    try:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        request = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", f"User-Agent: selam-voice/{__version__}"]
        who = basic(proxy)
        request += [] if who is None else [f"Proxy-Authorization: {who}"]
        writer.write("\r\n".join([*request, "", ""]).encode())
        await writer.drain()
        await _accepted(proxy, host, port, reader)
        opened = True
    except (asyncio.IncompleteReadError, ConnectionError):
        raise closed(proxy, host) from None
    except (asyncio.LimitOverrunError, ssl.SSLError):
        raise no_proxy_there(proxy) from None
    finally:
        if not opened:
            writer.transport.abort()
    return reader, writer


async def _accepted(proxy: Proxy, host: str, port: int, reader: asyncio.StreamReader) -> None:
    """Read the answer to CONNECT. Raises ProxyFault where it is no yes."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as ended:
            if ended.partial:
                raise no_proxy_there(proxy) from None
            raise
        answer = _HTTP_ANSWER.match(head)
        if answer is None:
            raise no_proxy_there(proxy)
        status = int(answer[1])
        if status >= 200:
            break
    if status >= 300:
        raise refusal(proxy, f"{host}:{port}", status, head.decode("latin-1"))


# --- SOCKS ------------------------------------------------------------------------------------------------------------

_SOCKS_NOT_ALLOWED: Final = 2
_SOCKS_WANTS_A_LOGIN: Final = re.compile(
    "No acceptable auth|password authentication|Unexpected SOCKS auth", re.IGNORECASE
)


async def _through_socks(proxy: Proxy, host: str, port: int) -> Streams:
    import python_socks  # where there is such a proxy
    from python_socks.async_.asyncio.v2 import Proxy as Socks

    kind = python_socks.ProxyType.SOCKS4 if proxy.kind.startswith("socks4") else python_socks.ProxyType.SOCKS5
    looked_up_there = proxy.kind in {"socks4a", "socks5h"}
    through = Socks(kind, proxy.host, proxy.port, proxy.user, proxy.password or "", looked_up_there)
    try:
        stream = await through.connect(host, port, timeout=10 * TUNNEL_WITHIN_S)  # it is bounded around it
    except python_socks.ProxyConnectionError as error:
        raise not_there(proxy, host, error.__cause__ or error) from None
    except python_socks.ProxyError as error:
        raise _socks_refusal(proxy, host, port, error.error_code, str(error)) from None
    except UnicodeEncodeError:
        raise ProxyRefused(
            f"The proxy {proxy.shown} takes a user name and a password in plain ASCII alone.", _correct(proxy)
        ) from None
    except (EOFError, ConnectionError):
        raise closed(proxy, host) from None
    return stream.reader, stream.writer


def _socks_refusal(proxy: Proxy, host: str, port: int, code: int | None, said: str) -> ProxyFault:
    if _SOCKS_WANTS_A_LOGIN.search(said):
        return _wants_a_login(proxy)
    if code is None:
        return no_proxy_there(proxy)
    if code == _SOCKS_NOT_ALLOWED:
        return ProxyRefused(f"The proxy {proxy.shown} does not allow connections to {host}:{port}.", _ask(proxy, host))
    return ProxyFault(f"The proxy {proxy.shown} cannot reach {host}:{port}.", _check(proxy, host))


# --- why there is no way ----------------------------------------------------------------------------------------------


def not_there(proxy: Proxy, host: str, error: BaseException) -> ProxyFault:
    """Say why the proxy itself is not reached."""
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return ProxyFault(f"The host of the proxy {proxy.shown} is not known.", _check(proxy, host))
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProxyFault(f"The certificate of the proxy {proxy.shown} cannot be trusted.", _correct(proxy))
    if isinstance(error, ssl.SSLError):
        return ProxyFault(f"The proxy {proxy.shown} does not speak TLS.", f"Try http:// in {proxy.variable}.")
    return ProxyFault(f"Nothing answers at the proxy {proxy.shown}.", _check(proxy, host))


def closed(proxy: Proxy, host: str) -> ProxyFault:
    """It hangs up."""
    return ProxyFault(f"The proxy {proxy.shown} closed the connection without an answer.", _check(proxy, host))


def no_proxy_there(proxy: Proxy) -> ProxyFault:
    """It speaks something else."""
    return ProxyFault(f"What answers at {proxy.shown} is no {'SOCKS' if proxy.is_socks else 'HTTP'} proxy.",
                      _correct(proxy))  # fmt: skip


def refusal(proxy: Proxy, place: str, status: int, head: str) -> ProxyFault:
    """Say what an HTTP proxy's refusal means; `place` is where the way was to lead, `head` the answer's."""
    host = place.rpartition(":")[0]
    if status == 407:
        offered = re.findall(r"(?im)^proxy-authenticate:\s*([\w-]+)", head)
        if offered and not any(scheme.lower() == "basic" for scheme in offered):
            return ProxyRefused(
                f"The proxy {proxy.shown} wants a login of a kind that is not known here ({', '.join(offered)[:80]}).",
                "Put a relay that knows it, such as px or cntlm, in between, and name that as the proxy.",
            )
        return _wants_a_login(proxy)
    if status in {502, 503, 504}:
        return ProxyFault(f"The proxy {proxy.shown} cannot reach {place} ({status}).", _check(proxy, host))
    if status == 429 or status >= 500:
        return ProxyFault(f"The proxy {proxy.shown} failed ({status}).", _ask(proxy, host))
    if status < 400:
        return ProxyRefused(
            f"The proxy {proxy.shown} sends one elsewhere ({status}).",
            "Mostly it wants a login in a web browser first: open any page there.",
        )
    return ProxyRefused(f"The proxy {proxy.shown} does not allow connections to {place} ({status}).", _ask(proxy, host))


def _wants_a_login(proxy: Proxy) -> ProxyRefused:
    if proxy.user is None:
        return ProxyRefused(
            f"The proxy {proxy.shown} wants a user name and a password.",
            f"Put them into {proxy.variable}: {proxy.kind}://USER:PASSWORD@{proxy.shown}, special characters as %XX.",
        )
    return ProxyRefused(f"The proxy {proxy.shown} does not accept the user name and password.", _correct(proxy))


def _correct(proxy: Proxy) -> str:
    return f"Correct {proxy.variable}; special characters of a password stand there as %XX."


def _check(proxy: Proxy, host: str) -> str:
    return f"Check {proxy.variable} and the network, or except {host} by NO_PROXY."


def _ask(proxy: Proxy, host: str) -> str:
    return f"Ask whoever runs the proxy, correct {proxy.variable}, or except {host} by NO_PROXY."
