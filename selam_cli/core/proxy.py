"""Which proxy a connection goes through, by the variables that curl, Go and Python's requests follow.

HTTPS_PROXY holds for `https` and `wss`, HTTP_PROXY for `http` and `ws`, ALL_PROXY for what neither names, NO_PROXY for
what is to go straight. A name in lower case goes before the same in upper case, also where it is empty. Those programs
differ in details of NO_PROXY; here an entry means what most of them take it for, and loopback never has a proxy.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from selam_cli.core.loopback import is_loopback
from selam_cli.errors import UsageFault

_PORTS: Final = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
"""The kinds of proxy that there are, by the scheme of their address, and where each listens by default."""

_VARIABLES: Final = {"http": "http_proxy", "ws": "http_proxy", "https": "https_proxy", "wss": "https_proxy"}
_FOR_ALL: Final = "all_proxy"
_SECURE: Final = frozenset({"https", "wss"})


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: `kind` is the scheme of its address, `variable` what names it. Neither user nor password shows."""

    kind: str
    host: str
    port: int
    variable: str
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The proxy as a message names it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS; the others speak HTTP."""
        return self.kind.startswith("socks")


def choose_proxy(url: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for an address, None where it is reached without one.

    Raises UsageFault where the variable that counts names no proxy; its text holds nothing of the variable's value.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if scheme not in _VARIABLES or not host or is_loopback(host):
        return None
    named = proxy_variables(environment)
    name = next((name for name in (_VARIABLES[scheme], _FOR_ALL) if name in named), None)
    port = parts.port or (443 if scheme in _SECURE else 80)
    if name is None or is_excepted(host, port, no_proxy(environment)):
        return None
    return _read(*named[name])


def proxy_variables(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the variables that name a proxy: by their name in lower case, the name as it is set and the value."""
    names = {*_VARIABLES.values(), _FOR_ALL}
    return {name: value for name, value in _set(environment).items() if name in names and value[1]}


def no_proxy(environment: Mapping[str, str]) -> str:
    """Return what NO_PROXY lists."""
    return _set(environment).get("no_proxy", ("", ""))[1]


def _set(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the variables of proxies by their name in lower case; the one that is written so goes before."""
    ours = sorted(name for name in environment if name.lower().endswith("_proxy"))  # capitals sort first
    return {name.lower(): (name, environment[name].strip().strip("\"'").strip()) for name in ours}


def _read(variable: str, value: str) -> Proxy:
    remedy = f"Set {variable} to one such as http://proxy.example.org:3128 or socks5h://127.0.0.1:1080, or unset it."
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        kind, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise UsageFault(f"The proxy's address in {variable} cannot be read.", remedy) from None
    kind = "socks5h" if kind == "socks" else kind  # as GNOME writes it
    if kind not in _PORTS:
        listed = ", ".join(f"{known}://" for known in _PORTS)
        raise UsageFault(f"{variable} names a kind of proxy that is not known; known are {listed}.", remedy)
    # An "@" behind the host: what was read as the host is the beginning of a password with a slash or the like in it.
    if not host or any(character.isspace() for character in host) or "@" in parts.path + parts.query + parts.fragment:
        raise UsageFault(f"The proxy's address in {variable} cannot be read.", remedy)
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return Proxy(kind, host, port or _PORTS[kind], variable, user, password)


# --- what goes straight -----------------------------------------------------------------------------------------------


def is_excepted(host: str, port: int, listed: str) -> bool:
    """Say whether a list such as NO_PROXY holds a host.

    Its entries, apart by commas or blanks: `*` for all; a domain, with or without a dot before it, for itself and what
    is below it; an address; a network such as 10.0.0.0/8. A port behind one holds for that port alone.
    """
    host = _name(host)
    address = _address(host)
    for entry in re.split(r"[\s,]+", listed):
        place, its_port = _split(entry.rpartition("://")[2])
        if place and its_port in {None, port} and _holds(place, host, address):
            return True
    return False


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _holds(place: str, host: str, address: _Address | None) -> bool:
    if place == "*":
        return True
    if address is not None:
        try:
            network = ipaddress.ip_network(place, strict=False)
        except ValueError:
            return False
        return address in network
    domain = _name(place.removeprefix("*").lstrip("."))
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _split(entry: str) -> tuple[str, int | None]:
    """Return an entry without its port and brackets, and the port; -1 for one that cannot be read."""
    match = re.fullmatch(r"\[([^\]]*)\](/\d+)?(?::(\d+))?|([^:]*):(\d+)", entry.rstrip("/"))
    if match is None:
        return entry.rstrip("/"), None
    place = match[4] if match[1] is None else match[1] + (match[2] or "")
    port = match[3] or match[5]
    return place, int(port) if port else None


def _name(host: str) -> str:
    """Return a host's name as it is compared: in lower case, without a dot at its end, in ASCII."""
    host = host.lower().removesuffix(".")
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def _address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
