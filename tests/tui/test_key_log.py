"""What `selam-voice keys` writes down of the keys of each kind of terminal, in pretended time."""

from __future__ import annotations

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("terminals are POSIX things", allow_module_level=True)

from hypothesis import given, settings
from hypothesis import strategies as st

from selam_cli.core.push_to_talk import Mode
from selam_cli.tui.key_log import KeyLog
from tests.support.heard_keys import HeardKeys
from tests.support.terminal import KITTY, KONSOLE, KONSOLE_ON_X11, XTERM_JS, Profile


@pytest.mark.parametrize("profile", [KITTY, XTERM_JS, KONSOLE, KONSOLE_ON_X11], ids=str)
@settings(max_examples=25)
@given(stalls=st.lists(st.tuples(st.floats(0.0, 0.3), st.floats(0.0, 0.4)), min_size=1, max_size=4))
def test_of_a_hold_one_release_is_written_down_however_late_its_repeats_are_read(profile: Profile, stalls):
    log: list[KeyLog] = []

    def hears() -> KeyLog:
        log.append(KeyLog(Mode.AUTO, "space"))
        return log[0]

    with pytest.MonkeyPatch.context() as patch:
        keys = HeardKeys(patch, profile, hears=hears)
        keys.wait(1.0)
        keys.press(" ")
        keys.wait(0.4)
        for quiet_s, stalled_s in stalls:
            for _ in range(1 + round(quiet_s / 0.033)):
                keys.repeat(" ")
                keys.wait(0.033)
            for _ in range(round(stalled_s / 0.033)):
                keys.stall(0.033)
                keys.repeat(" ")
            keys.go_on()
        keys.release(" ")
        keys.wait(1.0)
    told = [(line.what, line.follows) for line in log[0].lines if line.key == "space"]
    assert [what.split(" after")[0] for what, _ in told].count("let go") == 1
    assert "the microphone closes" in " ".join(line.follows for line in log[0].lines)
    if profile.repeats_behind_releases:
        assert any(what.startswith("repeated in pairs") for what, _ in told)
