"""As a module, `talk …` is `selam-voice talk …` with an engine that waits for a goodbye as long as a test may last.

So a test that sees it leave before has seen it leave for another reason, however slow the machine is.
"""

from __future__ import annotations

from selam_cli.__main__ import main
from selam_cli.engine import link

if __name__ == "__main__":
    link.GOODBYE_TIMEOUT_S = 600.0  # type: ignore[misc]  # a constant, but for this test
    main()
