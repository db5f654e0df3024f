"""What the edges let out: records, tracebacks and lines, without the run's keys, in whatever form they come."""

import json
import logging
import subprocess
import sys

import pytest

from selam_cli.core import events
from selam_cli.core.events import to_line
from selam_cli.core.redaction import Redactor, secrets_of_environment, secrets_of_url
from selam_cli.logs.redacting import RedactingFormatter, redacted_traceback
from tests.support.canary import CANARY, forms, leaks

REDACTOR = Redactor.of([CANARY])
WHOLE = [form for name, form in forms().items() if not name.startswith("base64") or name.endswith("0")]


@pytest.mark.parametrize("form", WHOLE)
def test_a_key_is_hidden_in_every_encoding(form):
    for text in (f"before {form.decode()} after", json.dumps(form.decode())):
        for shown in (REDACTOR.line(text), REDACTOR.speech(text)):
            assert leaks(shown) == []
            assert "[hidden]" in shown


def test_speech_may_be_about_tokens_and_lines_may_not():
    assert REDACTOR.speech("Your token: apple") == "Your token: apple"
    assert REDACTOR.line("Your token: apple") == "Your token: [hidden]"
    assert REDACTOR.speech("It is sk-selam-test-9.") == "It is [hidden]"
    assert "hunter2" not in REDACTOR.line("ws://user:hunter2@host")


def test_a_secret_too_short_to_be_one_does_not_blot_out_words():
    assert Redactor.of(["the"]).line("the weather") == "the weather"


def test_a_longer_secret_is_hidden_whole_where_another_is_its_beginning():
    assert Redactor.of(["abcdefgh", "abcdefghij"]).line("abcdefghij") == "[hidden]"


def test_where_secrets_stand():
    environment = {"SELAM_X_KEY": " a ", "SELAM_TOKEN": "b", "SELAM_VOICE": "c", "KEYS": "d"}
    assert secrets_of_environment(environment) == ("a", "b")
    assert set(secrets_of_url("wss://me:p%40ss@host/?api_key=k&voice=v&token=t")) == {"me", "p%40ss", "p@ss", "k", "t"}
    assert CANARY not in repr(REDACTOR)


def test_a_record_and_its_traceback():
    with pytest.raises(ValueError, match="Canary") as caught:
        raise ValueError(CANARY) from RuntimeError(f"because of {CANARY}")
    assert leaks(redacted_traceback(caught.value, REDACTOR)) == []
    failure = (caught.type, caught.value, caught.tb)
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed with %s", (CANARY,), failure)
    shown = RedactingFormatter(REDACTOR).format(record)
    assert "Traceback" in shown
    assert shown.count("[hidden]") == 3
    assert leaks(shown) == []


def test_a_line_stays_json_whatever_is_hidden_in_it():
    awkward = f'api_key=abc\\"{CANARY}\\n"'
    line = to_line(events.ErrorRaised(awkward, awkward, awkward, fatal=True), 0.0, REDACTOR)
    assert leaks(line) == []
    assert json.loads(line)["fatal"] is True
    devices = events.Devices([{"name": CANARY, "rate": 1}], [])
    assert leaks(to_line(devices, 0.0, REDACTOR)) == []


def test_a_thread_of_a_program_dies_without_a_key():
    code = (
        "import sys, threading\nfrom selam_cli.__main__ import main\nsys.argv = ['x', 'voices', '--json']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "def die():\n    raise ValueError('sk-selam-test-9')\nthreading.Thread(target=die).start()\n"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "ValueError: [hidden]" in outcome.stderr
