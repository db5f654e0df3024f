"""The process that talks with the system's key store: one request on standard input, one answer on standard output.

It says `ready` once the library is loaded and before the key store is asked: from there on the store's time counts.
Standard input stays open until the answer is no longer wanted, and its end ends the process, whatever the store does.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading

SERVICE = "selam-voice"


def main() -> None:
    """Answer one request: `["get", server]`, `["set", server, key]` or `["delete", server]`."""
    output = _own_output()
    verb, server, *key = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_whoever_asks, name="asker-watch", daemon=True).start()
    try:
        import keyring.core  # its absence is an answer

        with contextlib.suppress(ImportError):
            import secretstorage  # noqa: F401  # what its backend would load, in time that is not the store's
    except ImportError:
        _say(output, {"fault": "missing"})
        return
    _say(output, "ready")
    try:
        # Without a limit it would also take backends that write the key down in plain text.
        keyring.core.init_backend(limit=keyring.core.recommended)
        _say(output, {"answer": _obeyed(verb, server, *key)})
    except Exception as error:  # a backend may be of any origin and raise anything; its text may hold the key
        _say(output, {"fault": type(error).__name__})


def _obeyed(verb: str, server: str, key: str = "") -> str | bool | None:
    import keyring  # loaded by `main`

    if verb == "set":
        keyring.set_password(SERVICE, server, key)
        return keyring.get_password(SERVICE, server) == key  # the null backend takes everything and keeps nothing
    held = keyring.get_password(SERVICE, server)
    if verb == "get":
        return held
    if held is not None:
        keyring.delete_password(SERVICE, server)
    return held is not None


def _end_with_whoever_asks() -> None:
    while os.read(0, 4_096):
        pass
    os._exit(1)


def _own_output() -> int:
    """Keep standard output for the answer: a backend may print."""
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return output


def _say(output: int, answer: object) -> None:
    os.write(output, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
