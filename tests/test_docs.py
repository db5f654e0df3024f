"""README, CONTRIBUTING and docs/ beside the program: links, commands, options, settings, events, and the examples.

Each name is looked for both ways: what the program has is documented, and what is documented exists.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.main import get_command

from selam_cli.cli import app
from selam_cli.config import agent_settings
from selam_cli.config.agent_settings import AgentSettings, load_agent_settings
from selam_cli.config.settings import Settings, load_settings
from selam_cli.core import events
from selam_cli.core.catalog import VOICES
from selam_cli.core.events import Event, from_line
from selam_cli.engine.lines.commands import Verb, parse_command

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
OF_OTHERS = frozenset({"--force-exclude", "--quiet", "--recursive", "--configfile", "--check"})
"""Options of other programs that a document names by themselves."""

OF_A_TERMINAL = frozenset({"enable_kitty_keyboard"})

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def prose_of(name: str) -> str:
    """Return a document without its blocks of code."""
    return FENCE.sub("", text_of(name))


def blocks(name: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text_of(name)) if kind == language]


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@cache
def anchors(name: str) -> frozenset[str]:
    counts: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} (.*)$", prose_of(name), re.MULTILINE):
        anchor = slug(heading)
        found.add(f"{anchor}-{counts[anchor]}" if counts[anchor] else anchor)
        counts[anchor] += 1
    return frozenset(found)


def section(name: str, heading: str) -> str:
    """Return what stands below a heading, as far as the next one of its level or a higher one."""
    start = re.search(rf"^(#+) {re.escape(heading)}$", text_of(name), re.MULTILINE)
    assert start is not None, f"{name} has no section {heading!r}"
    end = re.search(rf"^#{{1,{len(start[1])}}} ", text_of(name)[start.end() :], re.MULTILINE)
    return text_of(name)[start.end() :][: end.start() if end else None]


def rows(markdown: str) -> Iterator[list[str]]:
    """Yield the cells of each row of its tables, heads and rules left out."""
    for table in re.findall(r"^\|.*(?:\n\|.*)*", markdown, re.MULTILINE):
        for line in table.splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("| ").split(" | ")]


def named_first(markdown: str) -> list[str]:
    """Return the code in the first column of its tables."""
    return [code for row in rows(markdown) for code in CODE.findall(row[0])]


def first_words(codes: list[str]) -> set[str]:
    return {code.split()[0] for code in codes}


# --- the README -------------------------------------------------------------------------------------------------------


def test_the_command_that_passes_the_tests_is_the_one_that_ci_runs():
    commands = re.findall(r"^python3 -m venv .*$", text_of("README.md"), re.MULTILINE)
    assert len(commands) == 2, "one to start, one to test"
    assert commands[1] in text_of(".ci/run").splitlines()


def test_the_picture_is_there():
    assert (ROOT / re.search(r"!\[.*?\]\((.*?)\)", text_of("README.md"))[1]).is_file()


def test_every_command_is_in_the_readme_and_every_document_is_linked_from_it():
    assert {f"selam-voice {name}" for name in get_command(app).commands} <= {
        " ".join(code.split()[:2]) for code in CODE.findall(text_of("README.md"))
    }
    linked = {link.partition("#")[0] for link in LINK.findall(text_of("README.md"))}
    assert {name for name in NAMES if name != "README.md"} <= linked


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_link_is_dead(name):
    dead = []
    for link in LINK.findall(prose_of(name)):
        if "://" in link:
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        if not (target.exists() and (not anchor or anchor in anchors(str(target.resolve().relative_to(ROOT))))):
            dead.append(link)
    assert not dead


@pytest.mark.parametrize("name", NAMES)
def test_files_of_the_tree_that_are_named_exist(name):
    """`core/protocol.py` is short for a file of the package."""
    named = {code for code in CODE.findall(prose_of(name)) if re.fullmatch(r"([a-z_]+/)+([a-z_]+\.py)?", code)}
    assert not [code for code in named if not (ROOT / code).exists() and not (ROOT / "selam_cli" / code).exists()]


# --- commands and options ---------------------------------------------------------------------------------------------


def options_of(command) -> set[str]:
    shown = [param for param in command.params if param.param_type_name == "option" and not param.hidden]
    names = {name for param in shown for name in (*param.opts, *param.secondary_opts)}
    return {name for name in names if name.startswith("--")} - {"--help"}


def commands() -> dict[str, object]:
    return dict(get_command(app).commands)


@pytest.mark.parametrize("command", commands())
def test_each_command_has_a_section_with_exactly_its_options(command):
    documented = first_words(named_first(section("docs/cli.md", f"selam-voice {command}")))
    assert {name for name in documented if name.startswith("--")} == options_of(commands()[command])


def test_no_section_is_of_a_command_that_does_not_exist():
    assert set(re.findall(r"^## selam-voice (\S+)$", text_of("docs/cli.md"), re.MULTILINE)) == set(commands())


def test_the_options_of_a_conversation_are_those_of_talk():
    documented = first_words(named_first(section("docs/cli.md", "Options of a conversation")))
    assert documented == options_of(commands()["talk"]) - {"--ptt", "--json"}


def test_the_options_of_serve_stand_where_serve_is_explained():
    assert first_words(named_first(section("docs/serve.md", "Options"))) == options_of(commands()["serve"])


@pytest.mark.parametrize("name", NAMES)
def test_no_document_names_an_option_that_does_not_exist(name):
    """Those that stand by themselves, and those in command lines of ours, each with its own command."""
    known = {option for command in commands().values() for option in options_of(command)} | options_of(get_command(app))
    wrong = []
    lines = [*CODE.findall(prose_of(name)), *(line for block in blocks(name, "sh") for line in block.splitlines())]
    for line in lines:
        ours = re.search(r"selam-voice(?: ([a-z]+))?(.*)", line)
        if ours is not None:
            assert ours[1] is None or ours[1] in commands(), line
            allowed = known if ours[1] is None else options_of(commands()[ours[1]]) | {"--help"}
            wrong += [word for word in re.findall(r"(?<!\S)--[a-z-]+", ours[2]) if word not in allowed | {"--help"}]
        elif line.startswith("--"):
            wrong += [line] * (line.split()[0].split("=")[0] not in known | OF_OTHERS | {"--help", "--show-completion"})
    assert not wrong


# --- settings ---------------------------------------------------------------------------------------------------------

TABLE = "The table [agent]"


def agent_fields() -> dict[str, object]:
    """Return the settings of the table; the keys of the endpoints are no settings of a file."""
    given = {field.name: field.default for field in dataclasses.fields(AgentSettings)}
    return {name: default for name, default in given.items() if not name.endswith("_key")}


def documented_defaults(markdown: str) -> dict[str, str]:
    return {CODE.findall(row[0])[0]: row[2] for row in rows(markdown)}


def as_shown(default: object) -> str:
    return "–" if default is None else f"`{json.dumps(default)}`"


def test_every_setting_is_documented_with_its_default():
    before, _, _ = text_of("docs/settings.md").partition(f"## {TABLE}")
    fields = {field.name: as_shown(field.default) for field in dataclasses.fields(Settings)}
    assert documented_defaults(before) == fields


def test_every_setting_of_the_agents_table_is_documented_with_its_default():
    shown = {name: as_shown(default) for name, default in agent_fields().items()}
    assert documented_defaults(section("docs/settings.md", TABLE)) == shown


@pytest.mark.parametrize(
    "part", [name for name in dir(agent_settings) if isinstance(getattr(agent_settings, name), tuple)]
)
def test_every_engine_that_can_be_named_is_documented(part):
    row = next(row for row in rows(section("docs/settings.md", TABLE)) if row[0] == f"`{part.lower()}`")
    assert CODE.findall(row[1]) == [json.dumps(name) for name in getattr(agent_settings, part)]


def test_every_variable_of_the_program_is_documented_and_no_other():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "selam_cli").rglob("*.py"))
    read = set(re.findall(r'"(SELAM_[A-Z_]+)"', sources))
    documented = set(named_first(section("docs/settings.md", "Environment variables")))
    assert {name for name in documented if name.startswith("SELAM_")} == read


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_files_that_are_shown_can_be_read(name, tmp_path):
    for number, example in enumerate(blocks(name, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(example, encoding="utf-8")
        environment = {"SELAM_CONFIG": str(path)}
        load_settings({}, environment)
        load_agent_settings(environment)


@pytest.mark.parametrize("name", NAMES)
def test_no_document_gives_a_value_to_a_setting_that_does_not_exist(name):
    known = {field.name for field in dataclasses.fields(Settings)} | set(agent_fields()) | OF_A_TERMINAL
    spans = [re.match(r"([a-z_]+) = ", code) for code in CODE.findall(prose_of(name))]
    assert not [span[1] for span in spans if span is not None and span[1] not in known]


def test_every_voice_is_documented():
    assert all(voice in section("docs/protocol.md", "Languages and voices") for voice in VOICES)


# --- the JSON lines ---------------------------------------------------------------------------------------------------

LINES = "docs/json-lines.md"


def kinds() -> dict[str, type[Event]]:
    found = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    return {kind.name: kind for kind in found if kind is not Event}


def test_every_event_is_documented_with_exactly_its_fields():
    headings = re.findall(r"^### `(\w+)`$", section(LINES, "Events"), re.MULTILINE)
    documented = {event: set(named_first(section(LINES, f"`{event}`"))) for event in headings}
    assert documented == {name: {field.name for field in dataclasses.fields(kind)} for name, kind in kinds().items()}


def test_every_command_of_the_lines_is_documented_and_can_be_read():
    documented = named_first(section(LINES, "Commands"))
    assert first_words(documented) == {str(verb) for verb in Verb}
    meant = {"AT": "1.5", "SECONDS": "0.5", "CODE": "am", "N": "50"}
    for written in documented:
        words = re.sub(r"[][]", "", written).split()
        parse_command(" ".join(meant.get(word, word) for word in words))


def test_the_lines_that_are_shown_can_be_read():
    for block in blocks(LINES, "json"):
        for line in block.splitlines():
            if "event" in json.loads(line):
                assert from_line(line) is not None
            else:
                assert parse_command(line).id is not None


def test_the_program_that_is_shown_is_python():
    assert [compile(block, LINES, "exec") for block in blocks(LINES, "python")]


def test_every_notice_is_documented_and_no_other():
    """Those of a device are put together of its kind and what became of it."""
    rooms = (ROOT / "selam_cli" / "engine", ROOT / "selam_cli" / "core" / "conversation")
    sources = "".join(path.read_text(encoding="utf-8") for room in rooms for path in room.rglob("*.py"))
    documented = set(named_first(section(LINES, "Notices")))
    assert set(re.findall(r'\bNotice\(\s*"(\w+)"', sources)) <= documented
    for code in documented:
        ending = code.removeprefix("microphone").removeprefix("speaker")
        assert f'"{code}"' in sources or f'{ending}"' in sources, code


# --- the doctor -------------------------------------------------------------------------------------------------------


def test_the_checks_of_the_doctor_that_are_named_exist():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "selam_cli" / "doctor").rglob("*.py"))
    topics = "settings|folders|log|terminal|tmux|screen|keys?|server|agent|sound"
    literal = set(re.findall(rf'"((?:{topics})\.[a-z0-9_.]+)"', sources))
    table = [row[2] for row in rows(section("docs/troubleshooting.md", "selam-voice doctor"))]
    named = {code for cell in table for code in CODE.findall(cell)}
    assert named - {"agent.hearing.sherpa"} == literal  # it stands for those that are put together of part and engine
