"""Which API key a server gets, and where it comes from: the environment, the system's key store, or the key's file.

The environment's key goes to whichever server a run talks with: the user who sets it there names the server, too. A
kept key belongs to the one server that it was given for – scheme, host and port – and is sent to no other. The file
notes what is kept where, so the key store is asked only for users with a key in it: no other user waits for one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from selam_cli.core.outside_text import variable
from selam_cli.credentials.key_file import KeptKey, key_file_path, read_key_file, write_key_file
from selam_cli.credentials.keyring_client import KeyStore, KeyStoreFault
from selam_cli.errors import SelamError

VARIABLE: Final = "SELAM_API_KEY"
_SCHEMES: Final = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}
_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A server's key, None where there is none; `source` is `environment`, `key store`, `file` or empty.

    `problem` and `remedy` are sentences about a key that should be there and cannot be had, or was badly kept.
    """

    key: str | None = field(default=None, repr=False)
    source: str = ""
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one kept key: `server`, the `place` it was in, and why it could not be removed, if so."""

    server: str
    place: str
    problem: str = ""


def server_of(url: str) -> str:
    """Return the server that a key belongs to: `wss://host`, with the port where it is no default.

    Raises ValueError where the address is none. The path is left out: one host cannot hide a key from itself.
    """
    parts = urlsplit(url)
    scheme, host, port = _SCHEMES.get(parts.scheme.lower()), parts.hostname, parts.port
    if scheme is None or not host:
        raise ValueError("no address of a server")
    named = f"[{host}]" if ":" in host else host
    return f"{scheme}://{named}" + (f":{port}" if port not in {None, _DEFAULT_PORTS[scheme]} else "")


def environment_key(environment: Mapping[str, str]) -> str | None:
    """Return the environment's key."""
    return variable(environment, VARIABLE) or None


def find_key(
    server: str,
    environment: Mapping[str, str] | None = None,
    *,
    path: Path | None = None,
    store: KeyStore | None = None,
) -> FoundKey:
    """Return a server's key: environment, then key store, then file. Never raises, and waits for no store past 2 s."""
    key = environment_key(os.environ if environment is None else environment)
    if key is not None:
        return FoundKey(key, "environment")
    try:
        contents = read_key_file(path or key_file_path())
        kept = contents.keys.get(server_of(server), KeptKey())
    except SelamError as error:
        return FoundKey(problem=error.reason, remedy=error.remedy)
    except ValueError:
        return FoundKey()  # no server, no key; what is wrong with the address is said where it is used
    if kept.key is not None:
        remedy = "If others use this machine, make a new key and run selam-voice login." if contents.mended else ""
        return FoundKey(kept.key, "file", contents.mended, remedy)
    return _from_store(server_of(server), store or KeyStore()) if kept.in_key_store else FoundKey()


def _from_store(server: str, store: KeyStore) -> FoundKey:
    remedy = "Unlock or mend the key store, run selam-voice login, or set SELAM_API_KEY."
    try:
        key = store.get(server)
    except KeyStoreFault as fault:
        return FoundKey(problem=f"{fault.reason} So the key that is kept in it is not known.", remedy=remedy)
    if key is None:
        return FoundKey(problem=f"The key store no longer holds the key for {server}.", remedy="Run selam-voice login.")
    return FoundKey(key, "key store")


def keep_key(server: str, key: str, *, path: Path | None = None, store: KeyStore | None = None) -> tuple[str, str]:
    """Keep a server's key in the key store, else in the file.

    Returns the place, and why it is not the key store. Raises SelamError where it can be kept in neither.
    """
    path, store, server = path or key_file_path(), store or KeyStore(), server_of(server)
    others = {name: kept for name, kept in read_key_file(path).keys.items() if name != server}
    before = read_key_file(path).keys.get(server, KeptKey())
    # Noted before it is done: wherever this is cut off, `forget_keys` knows each place that may hold the key.
    write_key_file(path, {**others, server: KeptKey(before.key, in_key_store=True)})
    try:
        store.set(server, key)
    except KeyStoreFault as fault:
        may_hold_one = before.in_key_store or fault.uncertain
        write_key_file(path, {**others, server: KeptKey(key, in_key_store=may_hold_one)})
        return f"the file {path}", fault.reason
    write_key_file(path, {**others, server: KeptKey(in_key_store=True)})
    return "the key store", ""


def forget_keys(server: str | None, *, path: Path | None = None, store: KeyStore | None = None) -> list[Removal]:
    """Remove the key of one server, or of all, from every place that may hold it. Raises SelamError."""
    path, store = path or key_file_path(), store or KeyStore()
    keys = dict(read_key_file(path).keys)
    removals: list[Removal] = []
    problem = ""
    for name in [server_of(server)] if server is not None else list(keys):
        kept = keys.pop(name, KeptKey())
        if kept.key is not None:
            removals.append(Removal(name, f"the file {path}"))
        if kept.in_key_store:
            held, problem = _removed(name, store, problem)
            if held or problem:
                removals.append(Removal(name, "the key store", problem))
            if problem:
                keys[name] = KeptKey(in_key_store=True)
    write_key_file(path, keys)
    return removals


def _removed(server: str, store: KeyStore, problem: str) -> tuple[bool, str]:
    """Remove a key from the key store; one that has failed is not asked again, because it may have cost 2 s."""
    if problem:
        return False, problem
    try:
        return store.delete(server), ""
    except KeyStoreFault as fault:
        return False, fault.reason
