import pytest

from selam_cli.config.agent_settings import load_agent_settings
from selam_cli.config.settings import Settings, load_settings
from selam_cli.errors import UsageFault


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return {"SELAM_CONFIG": str(path)}

    return write


def test_without_anything_the_defaults_hold(tmp_path):
    assert load_settings({}, {"XDG_CONFIG_HOME": str(tmp_path)}) == Settings()


def test_flag_beats_environment_beats_file_beats_default(config):
    environment = config('voice = "betty"\nlanguage = "am"\nvad_threshold = 700\n')
    assert load_settings({}, environment).voice == "betty"
    environment["SELAM_VOICE"] = "ubax"
    assert load_settings({}, environment).voice == "ubax"
    settings = load_settings({"voice": "sami", "language": None}, environment)
    assert (settings.voice, settings.language, settings.vad_threshold) == ("sami", "am", 700)


def test_an_unknown_key_is_named_with_its_line(config):
    with pytest.raises(UsageFault, match=r"line 3: volum is no setting"):
        load_settings({}, config('voice = "betty"\n\nvolum = 3\n'))


def test_a_value_out_of_range_is_named_with_its_line(config):
    with pytest.raises(UsageFault, match=r"line 2: vad_threshold must be a whole number from 0 to 32767"):
        load_settings({}, config('voice = "betty"\nvad_threshold = 99999\n'))


@pytest.mark.parametrize("text", ["voice = ", "voice = 7\n", 'ptt = "sometimes"\n', "local = 3\n", "[voice]\nx = 1\n"])
def test_a_file_that_makes_no_sense_is_wrong_usage(config, text):
    with pytest.raises(UsageFault) as caught:
        load_settings({}, config(text))
    assert caught.value.exit_code == 2
    assert caught.value.remedy


EDITORS = {
    "Notepad": lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    "PowerShell": lambda text: b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"),
    "big-endian": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "without a last newline": lambda text: text.rstrip().encode(),
    "old Mac": lambda text: text.replace("\n", "\r").encode(),
}


@pytest.mark.parametrize("editor", EDITORS)
def test_files_are_read_as_any_editor_writes_them(tmp_path, editor):
    as_written = EDITORS[editor]
    settings, instructions = tmp_path / "config.toml", tmp_path / "instructions.txt"
    settings.write_bytes(as_written('voice = "betty"\nlanguage = "am" # አማርኛ\n[agent]\nllm = "none"\n'))
    instructions.write_bytes(as_written("Be brief.\nአመሰግናለሁ በል።\n"))
    environment = {"SELAM_CONFIG": f'"{settings}"'}
    loaded = load_settings({"instructions": f"@{instructions}"}, environment)
    assert (loaded.voice, loaded.language, loaded.instructions) == ("betty", "am", "Be brief.\nአመሰግናለሁ በል።")
    assert load_agent_settings(environment).llm == "none"
    settings.write_bytes(as_written("local = true\nvolum = 3\n"))
    with pytest.raises(UsageFault, match="line 2: volum is no setting"):
        load_settings({}, environment)


def test_instructions_of_a_shells_cat_are_tidied_as_those_of_a_file(config):
    assert load_settings({"instructions": "\ufeffBe brief.\r\nBe kind.\r\n"}, config("")).instructions == (
        "Be brief.\nBe kind."
    )


def test_values_may_be_quoted_by_a_shell_or_by_docker(config):
    environment = config("") | {
        "SELAM_VOICE": '"betty"', "SELAM_LANGUAGE": "'am'", "SELAM_SERVER": '"ws://127.0.0.1:9"\r',
        "SELAM_LLM_KEY": '"sk-selam-test-thinking"',
    }  # fmt: skip
    loaded = load_settings({}, environment)
    assert (loaded.voice, loaded.language, loaded.server) == ("betty", "am", "ws://127.0.0.1:9")
    assert load_settings({}, {**environment, "SELAM_VOICE": '""'}).voice == Settings().voice
    loaded = load_settings({"voice": "'sami'", "ptt": '"hold"', "vad_threshold": "'700'"}, environment)
    assert (loaded.voice, loaded.ptt, loaded.vad_threshold) == ("sami", "hold", 700)
    assert load_agent_settings(environment).llm_key == "sk-selam-test-thinking"


@pytest.mark.parametrize("text", ["voice = “betty”", "“voice” = 3", 'voice = "betty”', "language = ‘am’"])
def test_curly_quotes_are_told_with_their_line_and_their_remedy(config, text):
    with pytest.raises(UsageFault, match="line 2: TOML knows no curly quotes") as caught:
        load_settings({}, config(f"local = true\n{text}\n"))
    assert 'voice = "mekdes"' in caught.value.remedy


def test_a_text_without_quotes_is_told_how_texts_stand(config):
    with pytest.raises(UsageFault, match="line 1") as caught:
        load_settings({}, config("voice = betty\n"))
    assert "straight quotes" in caught.value.remedy


def test_a_settings_file_in_another_encoding_is_told_with_its_line_and_its_remedy(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes('local = true\n\n# für "später"\n'.encode("latin-1"))
    with pytest.raises(UsageFault, match=r"config\.toml, line 3: .* not UTF-8") as caught:
        load_settings({}, {"SELAM_CONFIG": str(path)})
    assert "UTF-8" in caught.value.remedy
    with pytest.raises(UsageFault, match=r"--instructions names the file .* line 3 is not UTF-8"):
        load_settings({"instructions": f"@{path}"}, {})


def test_a_settings_file_that_is_named_must_exist(tmp_path):
    with pytest.raises(UsageFault, match="does not exist"):
        load_settings({}, {"SELAM_CONFIG": str(tmp_path / "none.toml")})


def test_instructions_may_stand_in_a_file(tmp_path, config):
    path = tmp_path / "instructions.txt"
    path.write_text("Be brief.\nBe kind.\n", encoding="utf-8")
    assert load_settings({"instructions": f"@{path}"}, config("")).instructions == "Be brief.\nBe kind."


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"instructions": "x" * 8_001}, "--instructions"),
        ({"instructions": "@/nowhere/at/all"}, "--instructions"),
        ({"vad_threshold": "loud"}, "--vad-threshold"),
        ({"vad_threshold": "-1"}, "--vad-threshold"),
        ({"interrupt_threshold": "51"}, "--interrupt-threshold"),
        ({"language": "fr"}, "--language"),
        ({"server": "example.org"}, "--server"),
        ({"server": "ftp://example.org"}, "--server"),
        ({"ptt": "never"}, "--ptt"),
        ({"voice": " "}, "--voice"),
        ({"local": True, "server": "ws://127.0.0.1:1"}, "--local and --server"),
    ],
)
def test_a_flag_out_of_range_is_named(flags, named, config):
    with pytest.raises(UsageFault, match=named):
        load_settings(flags, config(""))


@pytest.mark.parametrize("written", ["am-ET", "AM", "am_ET.UTF-8", "amh", "Amharic", "አማርኛ"])
def test_a_language_may_carry_a_region_or_be_a_name_wherever_it_is_given(config, written):
    assert load_settings({"language": written}, config("")).language == "am"
    assert load_settings({}, config(f'language = "{written}"\n')).language == "am"
    assert load_settings({}, {**config(""), "SELAM_LANGUAGE": written}).language == "am"
    assert load_agent_settings(config(f'[agent]\ntts_language = "{written}"\n')).tts_language == "am"


def test_an_unknown_language_is_told_which_there_are(config):
    with pytest.raises(UsageFault, match=r"SELAM_LANGUAGE is 'fr-FR', .*: am \(Amharic\), so \(Somali\), ti"):
        load_settings({}, {**config(""), "SELAM_LANGUAGE": "fr-FR"})


def test_a_voice_is_known_in_any_case(config):
    assert load_settings({"voice": " Mekdes "}, config("")).voice == "mekdes"
    assert load_settings({"voice": "Zuri"}, config("")).voice == "Zuri", "a voice that is new is passed on as it is"


@pytest.mark.parametrize("written", ["auto", "AUTO", " Auto "])
def test_language_auto_means_none(config, written):
    assert load_settings({"language": written}, config('language = "am"')).language is None


def test_a_flag_for_one_server_overrides_the_other_kind_from_the_file(config):
    assert load_settings({"local": True}, config('server = "ws://127.0.0.1:9"')).server is None
    assert load_settings({"server": "ws://127.0.0.1:9"}, config("local = true")).local is False


@pytest.mark.parametrize("key", ["space", "f9", "ctrl+t", "v", "ሰ", ";", "ctrl+shift+f5", "right_control", "pagedown"])
def test_the_talk_key_may_be_any_key(config, key):
    assert load_settings({}, config(f'talk_key = "{key}"\n')).talk_key == key


@pytest.mark.parametrize("key", ["escape", "ctrl+c", "ctrl+q", "ctrl+z", "banana", "f99", "", "ctrl+", "\\u0007"])
def test_a_talk_key_that_could_never_be_pressed_is_named_with_its_line(config, key):
    with pytest.raises(UsageFault, match="line 1: talk_key"):
        load_settings({}, config(f'talk_key = "{key}"\n'))


def test_a_space_is_the_space_key(config):
    assert load_settings({}, config('talk_key = " "\n')).talk_key == "space"


def test_echo_cancellation_and_its_companions_have_a_switch_each(config):
    assert load_settings({}, config("")).echo_cancellation is None, "where it is installed"
    text = "echo_cancellation = false\nnoise_suppression = true\ngain_control = true\n"
    settings = load_settings({}, config(text))
    assert (settings.echo_cancellation, settings.noise_suppression, settings.gain_control) == (False, True, True)
    with pytest.raises(UsageFault, match="line 1: gain_control must be true or false"):
        load_settings({}, config('gain_control = "much"\n'))


def test_the_microphone_may_be_open_only_while_one_talks(config):
    assert load_settings({}, config("")).microphone == "open"
    assert load_settings({}, config('microphone = "per_turn"\n')).microphone == "per_turn"
    with pytest.raises(UsageFault, match="must be open or per_turn, not 'Headset'; which microphone"):
        load_settings({}, config('microphone = "Headset"\n'))


def test_the_agents_settings_stand_in_a_table_of_their_own(config):
    environment = config('voice = "aria"\n[agent]\nllm = "ollama"\nllm_model = "llama3"\nend_of_speech_ms = 500\n')
    environment["SELAM_LLM_KEY"] = "sk-selam-test-thinking"
    agent = load_agent_settings(environment)
    assert (agent.llm, agent.llm_model, agent.end_of_speech_ms) == ("ollama", "llama3", 500)
    assert agent.llm_key == "sk-selam-test-thinking"
    assert "sk-selam" not in repr(agent)
    assert load_settings({}, environment).voice == "aria"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[agent]\nllm = "loudly"\n', "line 2: llm must be one of auto, openai, selam, ollama, none"),
        ('voice = "aria"\n[agent]\n\nvoice = 3\n', "line 4: voice is no setting"),
        ('[agent]\nllm_key = "sk-selam-test-key"\n', "line 2: llm_key is no setting"),
        ('[agent]\nstt_url = "ftp://x"\n', "line 2: stt_url must be an address that begins with http://"),
        ("agent = 3\n", "line 1: agent must be a table"),
    ],
)
def test_a_mistake_in_that_table_is_told_before_an_agent_is_started(config, text, complaint):
    with pytest.raises(UsageFault, match=complaint):
        load_settings({}, config(text))


@pytest.mark.parametrize("key", ["input", "output"])
def test_a_file_in_a_devices_place_may_lie_in_the_home_folder(monkeypatch, config, tmp_path, key):
    """A shell expands `~` in `--output ~/x.wav` and not in `--output=~/x.wav`, and a settings file has no shell."""
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    assert getattr(load_settings({key: "~/x.wav"}, config("")), key) == str(tmp_path / "x.wav")
    assert getattr(load_settings({}, config(f'{key} = "~/x.wav"\n')), key) == str(tmp_path / "x.wav")
    assert getattr(load_settings({key: "Headset ~ 2"}, config("")), key) == "Headset ~ 2"


def test_a_home_that_nobody_knows_stays_as_it_was_given(config):
    assert load_settings({"output": "~no-such-user/x.wav"}, config("")).output == "~no-such-user/x.wav"
    with pytest.raises(UsageFault, match="cannot be read"):
        load_settings({"instructions": "@~no-such-user/x.txt"}, config(""))
    with pytest.raises(UsageFault, match="does not exist"):
        load_settings({}, {"SELAM_CONFIG": "~no-such-user/config.toml"})
