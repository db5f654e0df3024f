"""The system's key store – Keychain, Credential Manager, Secret Service, KWallet – asked with patience for 2 s.

A key store may hang: a D-Bus that does not answer, a dialogue on a screen that nobody sees. So it is asked in a process
of its own, which can be ended at any time; a thread could not, and a key that it stores late would contradict what was
reported. The key goes through pipes, never into an argument.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from typing import IO, Any, Final

WITHIN_S: Final = 2.0
START_WITHIN_S: Final = 10.0
"""For Python to start and load the library, which a busy machine holds up and no key store does."""


class KeyStoreFault(Exception):
    """The key store did not do it; `reason` is a sentence, `uncertain` says that it may have done it after all."""

    def __init__(self, reason: str, *, uncertain: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.uncertain = uncertain


class KeyStore:
    """Keeps one key a server. Every method raises KeyStoreFault, after `within_s` at the latest."""

    def __init__(self, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s

    def get(self, server: str) -> str | None:
        """Return a server's key, None where there is none."""
        answer = self._ask("get", server)
        return answer if isinstance(answer, str) and answer else None

    def set(self, server: str, key: str) -> None:
        """Keep a server's key, in place of an earlier one."""
        if self._ask("set", server, key) is not True:
            raise KeyStoreFault("The key store of this system keeps nothing.")

    def delete(self, server: str) -> bool:
        """Remove a server's key; False where there was none."""
        return self._ask("delete", server) is True

    def _ask(self, *request: str) -> object:
        process = _started()
        try:
            return self._answer(process, request)
        finally:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that the system holds cannot be waited for
                process.wait(1.0)
            with contextlib.suppress(OSError):
                if process.stdin is not None:
                    process.stdin.close()

    def _answer(self, process: subprocess.Popen[bytes], request: tuple[str, ...]) -> object:
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        assert process.stdin is not None  # noqa: S101  # Popen was given PIPE
        threading.Thread(target=_read, args=(process.stdout, lines), name="key-store", daemon=True).start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()  # and left open: its end is the sign that this process has ended
            said = _parsed(lines.get(timeout=START_WITHIN_S))
            if said == "ready":
                said = _parsed(lines.get(timeout=self._within_s))
        except queue.Empty:
            raise KeyStoreFault(f"The key store did not answer within {self._within_s:g} s.", uncertain=True) from None
        except OSError:
            said = None
        if isinstance(said, dict) and "answer" in said:
            return said["answer"]
        raise KeyStoreFault(_sentence(said))


def _sentence(said: object) -> str:
    fault = said.get("fault") if isinstance(said, dict) else None
    if fault in {"missing", "NoKeyringError"}:
        return "This system has no key store that can be used."
    if fault == "KeyringLocked":
        return "The key store is locked."
    return f"The key store failed ({fault or 'it ended without an answer'})."


def _started() -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SELAM_")}
    return subprocess.Popen(  # our own module, our own interpreter
        [sys.executable, "-P", "-m", "selam_cli.credentials.keyring_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        **_own_group(),
    )


def _own_group() -> dict[str, Any]:
    # Ctrl+C is for this process, which then ends the other one.
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _read(lines: IO[bytes], said: queue.SimpleQueue[bytes]) -> None:
    with lines:
        for line in lines:
            said.put(line)
    said.put(b"")


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None
