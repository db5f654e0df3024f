"""Node with the official socket.io, as a peer in the tests."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
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


async def heard_by_node(
    script: str, *arguments: str, within_s: float = 90, **environment: str
) -> tuple[int | None, list[dict[str, object]]]:
    """Run one of our scripts to its end; return its exit status and the JSON lines that it printed."""
    command, inherited = node_command(script, *arguments)
    node = await asyncio.create_subprocess_exec(*command, env={**inherited, **environment}, stdout=subprocess.PIPE)
    try:
        output, _ = await asyncio.wait_for(node.communicate(), within_s)
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
    return node.returncode, [json.loads(line) for line in output.splitlines()]
