"""As a module, `talk …` is `selam-voice talk …` with an engine that gives a lost speaker hardly any time to return."""

from __future__ import annotations

from selam_cli.__main__ import main
from selam_cli.engine.devices import devices

if __name__ == "__main__":
    devices.STAND_IN_AFTER_S = 0.2  # type: ignore[misc]  # a constant, but for this test
    main()
