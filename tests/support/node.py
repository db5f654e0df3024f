"""Node with the official socket.io, as a peer in the tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.support.needs import need, need_programs

SCRIPTS = Path(__file__).parents[1] / "node"


def node_command(script: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs one of our scripts, and its environment; skips the test where Node is missing."""
    need_programs("node")
    modules = Path(os.environ.get("SELAM_TEST_NODE_MODULES", SCRIPTS / "node_modules")).resolve()
    need("Node's socket.io (npm install --prefix tests/node)", (modules / "socket.io-client").is_dir())
    node = shutil.which("node") or "node"
    return [node, str(SCRIPTS / script), *arguments], {**os.environ, "SELAM_TEST_NODE_MODULES": str(modules)}
