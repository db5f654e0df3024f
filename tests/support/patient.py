"""As a module, `talk …` is `selam-voice talk …` with an engine that is in no hurry to leave.

It waits for the server's goodbye, and for its lines to be taken, as long as a test may last. So a test that sees it
leave before has seen it leave for another reason, and one that wants its last words has them, on a slow machine too.
"""

from __future__ import annotations

from selam_cli.__main__ import main
from selam_cli.engine.lines import jsonl
from selam_cli.engine.link import connection

if __name__ == "__main__":
    connection.GOODBYE_TIMEOUT_S = jsonl.CLOSE_WITHIN_S = 600.0  # type: ignore[misc]  # constants, but for this test
    main()
