"""The README's promises that a machine can check."""

import re
import tomllib
from pathlib import Path

from typer.main import get_command

from selam_cli.cli import app
from selam_cli.engine.commands import Verb

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_command_that_passes_the_tests_is_the_one_that_ci_runs():
    commands = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert len(commands) == 2, "one to start, one to test"
    assert commands[1] in (ROOT / ".ci/run").read_text().splitlines()


def test_every_command_is_in_the_readme():
    for command in app.registered_commands:
        assert f"selam-voice {command.callback.__name__}" in README
    for verb in Verb:
        assert f"`{verb}" in README


def test_every_option_of_serve_is_in_the_readme():
    serve = get_command(app).commands["serve"]
    options = [name for option in serve.params if not option.hidden for name in (*option.opts, *option.secondary_opts)]
    assert len(options) > 5
    assert not [name for name in options if name != "--help" and name not in README]


def test_every_setting_of_its_example_is_one():
    from selam_cli.settings import Settings  # noqa: PLC0415  # beside its use

    example = tomllib.loads(re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1])
    assert set(example) <= set(Settings.__dataclass_fields__)


def test_the_picture_is_there():
    assert (ROOT / re.search(r"!\[.*?\]\((.*?)\)", README)[1]).is_file()
