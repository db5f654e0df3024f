import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.canary import SuiteCanary, leaks, leaks_in_files
from tests.support.needs import need_programs
from tests.support.vsound import PROGRAMS, VirtualSoundCard

suite_canary = SuiteCanary()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl+C, and so would every program that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

for variable in (
    "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "GITHUB_ACTIONS", "COLUMNS", "LINES",
    "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE", "STY", "SSH_CONNECTION", "ESCDELAY",
    "TEXTUAL_DRIVER", "TEXTUAL_DISABLE_KITTY_KEY", "SELAM_DEBUG",
    # The tests start a thousand Pythons, each of which would compile the whole program where none may keep the outcome.
    "PYTHONDONTWRITEBYTECODE",
):  # fmt: skip
    # Where somebody runs the tests, and in which colours, is nothing to them. Before Textual is loaded: it reads some.
    os.environ.pop(variable, None)

# Nor does this Python forget what it compiles: each process of the tests would rewrite all their files anew, for 7 s.
sys.dont_write_bytecode = False

# A name server that answers nobody is not waited for: what tests look up is on this machine, or nowhere.
os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")

# No server that a test speaks with is vouched for by a public authority, and each program that loads aiohttp reads all
# of theirs: 45 ms of the processor a start. A test with a certificate of its own names it in SSL_CERT_FILE itself.
os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull)

IN_A_SOAK = os.environ.get("SELAM_SOAK") == "1"

# No test fails for being slow: its machine may have much else to do. And each run tries the same inputs, so that a
# change is judged by what it changes; SELAM_SOAK=1 draws other ones, as `python -m tests.fuzz` does.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=not IN_A_SOAK
)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def runtime_folder(tmp_path_factory):
    """Where there is none, every client of a sound server makes one of its own in /tmp, and leaves it there."""
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch, runtime_folder):
    """No test reads the user's settings, key or log."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_folder))
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    for variable in ("SELAM_API_KEY", "SELAM_TOKEN", "SELAM_SERVER", "SELAM_VOICE", "SELAM_LANGUAGE", "SELAM_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")  # nor the user's key store
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)  # nor their proxy
    for variable in suite_canary.VARIABLES:
        monkeypatch.setenv(variable, suite_canary.KEY)


@pytest.fixture(scope="session")
def shared_sound_card(tmp_path_factory):
    need_programs(*PROGRAMS)
    card = VirtualSoundCard(tmp_path_factory.mktemp("sound"))
    card.start()
    yield card
    card.stop()


@pytest.fixture
def sound_card(shared_sound_card, monkeypatch):
    """The virtual sound card, as the one that every library of this process and its children sees."""
    for name, value in shared_sound_card.environment.items():
        monkeypatch.setenv(name, value)
    return shared_sound_card


# --- several processes ------------------------------------------------------------------------------------------------


def pytest_xdist_auto_num_workers(config):
    """Return how many processes run the tests, which wait most of their time; one file alone is run in this process."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    files = [Path(argument.partition("::")[0]) for argument in config.args]
    return 0 if len(files) == 1 and files[0].is_file() else max(4, 2 * (os.cpu_count() or 1))


def pytest_make_parametrize_id(val, argname):
    """Name what is long by its length: what an encoder made may hold the time, and would differ in each process."""
    return f"{argname}_of_{len(val)}" if isinstance(val, str | bytes) and len(val) > 200 else None


def pytest_collection_modifyitems(items):
    """Begin with whole conversations and end with tables: no process has a long test left when the others are done."""
    items.sort(key=lambda item: (item.path.parent.name != "tests", item.path.parent.name in {"core", "support"}))


def pytest_configure(config):
    """Leave the long runs out, unless they are asked for."""
    if not config.option.markexpr and not IN_A_SOAK:
        config.option.markexpr = "not soak"


# --- no secret in what the suite leaves -------------------------------------------------------------------------------


def pytest_runtest_logreport(report):
    """A key in what a test's own process printed or logged fails the run, whatever the test itself looks at."""
    said = "\n".join(text for _, text in report.sections)
    if report.when == "call" and report.passed and leaks(said, suite_canary.KEY):
        suite_canary.printed.append(report.nodeid)


def pytest_sessionfinish(session):
    """Look through the folders that the tests have written to: those of all processes are below the first one's."""
    suite_canary.session = session
    if hasattr(session.config, "workerinput"):
        return  # the reports of this process go to the first one as well
    factory = getattr(session.config, "_tmp_path_factory", None)  # pytest's own; a plug-in may have replaced it
    folders = [factory.getbasetemp()] if factory is not None else []
    suite_canary.found = [*suite_canary.printed, *leaks_in_files(folders, suite_canary.KEY, within_s=20)]
    if suite_canary.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    """End with what was found, before a thread of the echo canceller's library meets a Python that is taken down."""
    session = suite_canary.session
    if session is not None and "livekit" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(session.exitstatus))


def pytest_terminal_summary(terminalreporter):
    for place in suite_canary.found:
        terminalreporter.write_line(f"A KEY LEAKED: {place}", red=True)
