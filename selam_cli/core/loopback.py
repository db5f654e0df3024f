"""Which hosts are this machine: a key may go there in plain text, and a proxy has no business in between."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

_SHORT_FORM: Final = re.compile(r"127(\.\d{1,3}){1,2}")
"""`127.1`, which every system's resolver takes for 127.0.0.1."""


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's loopback."""
    host = host.lower().removesuffix(".")
    if host == "localhost" or host.endswith(".localhost") or _SHORT_FORM.fullmatch(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
