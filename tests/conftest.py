import pytest

from tests.support.needs import need_programs
from tests.support.vsound import PROGRAMS, VirtualSoundCard


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test reads the user's settings, key or log."""
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    for variable in ("SELAM_API_KEY", "SELAM_TOKEN", "SELAM_SERVER", "SELAM_VOICE", "SELAM_LANGUAGE", "SELAM_CONFIG"):
        monkeypatch.delenv(variable, raising=False)


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
