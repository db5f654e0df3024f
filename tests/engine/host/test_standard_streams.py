"""The standard streams of a process that logs: whose they are, and when."""

import logging

from selam_cli.engine.host.standard_streams import StandardStreams
from selam_cli.logs.log_file import log_path
from tests.support.in_process import logging_as_before


def test_what_is_logged_after_they_were_given_back_stands_on_neither_and_takes_neither(capfd):
    with logging_as_before():
        streams = StandardStreams("login")
        logging.getLogger("selam_cli").error("early")
        streams.give_back()
        logging.getLogger("selam_cli").error("late")
        print("kept in the file")
    assert tuple(capfd.readouterr()) == ("kept in the file\n", "")
    told = log_path().read_text()
    assert ("early" in told, "late" in told) == (True, False)
