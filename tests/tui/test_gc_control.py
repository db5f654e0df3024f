"""Full collections wait for quiet moments."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, sys
from selam_cli.tui.gc_control import COLLECT_EVERY_S, QuietCollector

collected = []
collector = QuietCollector()
print(gc.isenabled())
collector.on_quiet(100.0)
print(gc.isenabled(), gc.get_freeze_count() > 0, gc.get_threshold()[2] >= 1_000_000, sys.getswitchinterval() < 0.001)
gc.callbacks.append(lambda phase, info: collected.append(info["generation"]) if phase == "start" else None)
collector.on_quiet(100.0 + COLLECT_EVERY_S - 1)
print(collected)
collector.on_quiet(100.0 + COLLECT_EVERY_S)
print(collected)
"""


def test_nothing_is_collected_until_it_is_quiet_and_then_once_a_while():
    # In a process of its own: the collector is the whole process's.
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["False", "True True True True", "[]", "[2]"]
