"""The panes in a running app: what they show at each size, how they keep, follow and wrap what is said."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from selam_cli.core import events
from selam_cli.core.session import Phase
from selam_cli.tui.app import ScreenOptions, SelamScreen
from selam_cli.tui.replay import ReplayEngine
from selam_cli.tui.state import Moment
from selam_cli.tui.text_pane import KEPT_ENTRIES, TextPane
from tests.tui.play import READY

CONVERSATION = Path(__file__).parent / "conversation.jsonl"
PATIENCE_S = 40.0
PICTURE = Path(__file__).parent.parent.parent / "assets" / "screen.svg"

SIZES = pytest.mark.parametrize("size", [(80, 24), (140, 40), (40, 15)], ids=["80x24", "140x40", "40x15"])


def screen(lines: list[str] | None = None, **options: object) -> SelamScreen:
    if lines is None:  # as an editor may have saved it
        lines = f"\ufeff{CONVERSATION.read_text(encoding='utf-8')}".splitlines()
    return SelamScreen(
        ReplayEngine(lines, speed=math.inf), ScreenOptions(**options), now=lambda: Moment(0.0, "14:03:22")
    )


def shown(app: SelamScreen) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, shown(pilot.app)
        await pilot.pause(0.01)


async def until_played(pilot: Pilot[int]) -> None:
    await until(pilot, lambda: "that in …" in shown(pilot.app) and pilot.app.state.level.input_dbfs == -19.0)
    await pilot.pause()


def text_line(turn: int, text: str) -> str:
    return events.to_line(events.Response(turn, text), 0.0)


@SIZES
async def test_the_essentials_are_there_at_every_size(size):
    app = screen()
    async with app.run_test(size=size) as pilot:
        await until_played(pilot)
        text = shown(app)
        for essential in ("Selam Voice", "mekdes", "auto", "hosted", "● LISTENING", "Agent listens", "executed"):
            assert essential in text
        assert re.search(r"hold space.*\? help  q quit", text)
        assert "And how do I say that in …" in text
        assert "ፍሬውን" in text


async def test_a_window_too_small_says_what_goes_on_and_why_there_is_no_more():
    app = screen()
    async with app.run_test(size=(20, 5)) as pilot:
        said = "● listening The window is too small: 40×15 is needed."
        await until(pilot, lambda: " ".join(shown(app).split()) == said)


async def test_an_open_microphone_is_told_in_a_window_of_one_line_too():
    app = screen([events.to_line(replace(READY, phase=Phase.LISTENING, turn=1), 0.0)], ptt="toggle")
    async with app.run_test(size=(20, 1)) as pilot:
        await pilot.press("space")
        await until(pilot, lambda: shown(app).rstrip() == "● microphone open")


async def test_all_five_controls_show_key_name_and_acknowledgement():
    app = screen()
    async with app.run_test(size=(80, 24)) as pilot:
        await until_played(pilot)
        for row in ("i  Interrupt", "l  Start listening", "k  Stop listening", "p  Pause", "o  Resume"):
            assert row in shown(app)
        await pilot.press("p")
        await until(pilot, lambda: "waiting…" in shown(app))


async def test_a_partial_transcription_is_replaced_in_place():
    lines = [
        events.to_line(events.Transcription(1, "hello", False), 0.0),
        events.to_line(events.Transcription(1, "hello wor", False), 0.1),
        events.to_line(events.Transcription(1, "hello world", True), 0.2),
        events.to_line(events.Transcription(1, "and you", True), 0.3),
    ]
    app = screen(lines)
    async with app.run_test() as pilot:
        pane = app.query_one("#transcription", TextPane)
        await until(pilot, lambda: pane.texts == ["hello world and you"])


async def test_notices_and_errors_stand_among_the_lines_with_their_remedy():
    lines = [
        events.to_line(events.Notice("muted", "warning", "The microphone is muted.", "Switch it on."), 0.0),
        events.to_line(events.ErrorRaised("session_error", "It broke.", "Start again.", False), 0.1),
    ]
    app = screen(lines)
    async with app.run_test() as pilot:
        await until(pilot, lambda: "! The microphone is muted. Switch it on." in shown(app))
        await until(pilot, lambda: "✗ It broke. Start again." in shown(app))


async def test_text_wraps_again_when_the_window_changes_and_the_end_stays_in_view():
    app = screen([text_line(1, "ሰላም፡ለዓለም። " * 60 + "THE-END")])
    async with app.run_test(size=(140, 40)) as pilot:
        await until(pilot, lambda: "THE-END" in shown(app))
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: app.query_one("#response").max_scroll_y > 0)
        await until(pilot, lambda: "THE-END" in shown(app))


async def test_the_end_stays_in_view_when_only_the_height_changes():
    app = screen([text_line(turn, f"answer number {turn}") for turn in range(1, 60)])
    async with app.run_test(size=(80, 40)) as pilot:
        await until(pilot, lambda: "answer number 59" in shown(app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "Control" in shown(app) and "answer number 59" in shown(app))


async def test_who_scrolled_up_is_left_there_while_the_answer_grows():
    app = screen([text_line(turn, f"answer number {turn}") for turn in range(1, 60)])
    async with app.run_test(size=(80, 24)) as pilot:
        pane = app.query_one("#response", TextPane)
        await until(pilot, lambda: "answer number 59" in shown(app))
        await pilot.press("home")
        await until(pilot, lambda: "answer number 1 " in shown(app))
        pane.append("60", "one more", "reply")
        await pilot.pause()
        assert "answer number 1 " in shown(app)
        await pilot.press("end")
        await until(pilot, lambda: "one more" in shown(app))


async def test_the_history_is_bounded_and_old_numbers_harm_nothing():
    app = screen([])
    async with app.run_test() as pilot:
        pane = app.query_one("#response", TextPane)
        first = pane.append("1", "the first", "reply")
        numbers = [pane.append("2", f"entry {index}", "reply") for index in range(KEPT_ENTRIES)]
        pane.change(first, "changed", "reply")
        pane.change(numbers[-1], "the last, changed", "reply")
        await pilot.pause()
        assert len(pane.texts) == KEPT_ENTRIES
        assert pane.texts[0] == "entry 0"
        assert pane.texts[-1] == "the last, changed"


async def test_a_growing_answer_keeps_its_lines():
    app = screen([])
    async with app.run_test(size=(80, 24)) as pilot:
        pane = app.query_one("#response", TextPane)
        text = ""
        number = pane.append("1", text, "reply")
        for word in ["ሰላም፣ ", "this ", "answer ", "grows ", "word by word, "] * 12:
            text += word
            pane.change(number, text, "reply")
        await until(pilot, lambda: pane.scroll_offset.y == pane.max_scroll_y > 0)
        grown = [strip.text for strip in app.screen._compositor.render_strips()]
        pane.change(number, "", "aside")
        pane.change(number, text, "reply")
        await until(pilot, lambda: [strip.text for strip in app.screen._compositor.render_strips()] == grown)


def dimmed(app: SelamScreen) -> str:
    """What stands dimmed in the pane of answers, its lines joined."""
    pane = app.query_one("#response", TextPane)
    colour = pane.get_component_rich_style("pane--dimmed").color
    rows = [pane.render_line(y) for y in range(pane.size.height)]
    parts = [segment.text for row in rows for segment in row if segment.style and segment.style.color == colour]
    return " ".join(" ".join(parts).split())


HEARD = "Of course. Start early at Entoto, where"
UNHEARD = "the whole city lies below you and the air is cool."


def cut_off(heard: str | None, text: str = f"{HEARD} {UNHEARD}") -> list[str]:
    return [text_line(1, text), events.to_line(events.Interrupted(1, 2.1, heard), 0.1)]


async def test_what_was_not_heard_is_dimmed_and_told_without_colours_too_at_every_width():
    app = screen([*cut_off(HEARD), text_line(2, "The next answer.")])
    async with app.run_test(size=(140, 40)) as pilot:
        await until(pilot, lambda: "The next answer." in shown(app))
        for width in (140, 60, 44, 100):
            await pilot.resize_terminal(width, 40)
            await until(pilot, lambda: dimmed(app) == f"[not heard: {UNHEARD}]")
            assert app.query_one("#response", TextPane).texts == [
                f"{HEARD} [not heard: {UNHEARD}]", "(interrupted after 2.1 s)", "The next answer.",
            ]  # fmt: skip


@pytest.mark.parametrize(
    ("heard", "text", "stands"),
    [
        ("ሰላም፡", "ሰላም፡ለዓለም፡ሁሉ።", "ሰላም፡ [not heard: ለዓለም፡ሁሉ።]"),
        ("", "One two.", "[not heard: One two.]"),
        ("One.", "One.\n\nTwo.\n", "One.\n\n[not heard: Two.]"),
        ("One two.", "One two. ", "One two. "),
        (None, "One two.", "One two."),
        ("One\x1b[2J", "One\x1b[2J two\x07.", "One\\x1b[2J [not heard: two\\x07.]"),
    ],
)
async def test_the_cut_stands_between_two_words(heard, text, stands):
    app = screen(cut_off(heard, text))
    async with app.run_test() as pilot:
        pane = app.query_one("#response", TextPane)
        await until(pilot, lambda: pane.texts[1:] == ["(interrupted after 2.1 s)"])
        assert pane.texts[0] == stands
        assert dimmed(app) == "".join(re.findall(r"\[not.*", stands))


async def test_text_that_comes_late_stays_out_and_a_new_answer_of_the_turn_is_an_entry_of_its_own():
    whole = f"{HEARD} {UNHEARD}"
    app = screen([
        *cut_off(HEARD), text_line(1, whole), text_line(1, f"{whole} Yes?"), text_line(1, f"{whole} Yes? I listen."),
        events.to_line(events.Interrupted(1, 0.4, f"{whole} Yes? I"), 0.2), text_line(1, f"{whole} Yes? I listen. Go."),
    ])  # fmt: skip
    async with app.run_test(size=(100, 40)) as pilot:
        pane = app.query_one("#response", TextPane)
        await until(pilot, lambda: pane.texts[-1] == "Go.")
        assert pane.texts[0] == f"{HEARD} [not heard: {UNHEARD}]"
        assert pane.texts[2:] == ["Yes? I [not heard: listen.]", "(interrupted after 0.4 s)", "Go."]


async def test_what_was_not_heard_can_be_selected_and_copied():
    app = screen(cut_off("one", "one two three"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "not heard" in shown(app))
        await pilot.mouse_down("#response", offset=(5, 1))
        await pilot.hover("#response", offset=(26, 1))
        assert "one [not heard: two three]" in shown(app)
        await pilot.mouse_up("#response", offset=(26, 1))
        await pilot.press("c")
        await until(pilot, lambda: "one [not heard: two" in app.clipboard)


async def test_every_pane_is_reached_by_keyboard():
    app = screen()
    async with app.run_test(size=(80, 24)) as pilot:
        reached = set()
        for _ in range(3):
            await pilot.press("tab")
            reached.add(app.focused.id)
        assert reached == {"transcription", "response", "control"}


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80x24", "140x40"])
async def test_the_latency_view_comes_and_goes(size):
    app = screen()
    async with app.run_test(size=size) as pilot:
        await until_played(pilot)
        await pilot.press("y")
        await until(pilot, lambda: re.search(r"press to wire +38 ms", shown(app)))
        for figure in (r"sound buffered +\d+ ms", r"buffer's aim +160 ms", r"breaks +\d"):
            await until(pilot, lambda figure=figure: re.search(figure, shown(app)))
        await pilot.press("y")
        await until(pilot, lambda: "press to wire" not in shown(app))


async def test_the_settings_explain_what_does_not_fit_while_it_is_typed():
    app = screen()
    async with app.run_test(size=(100, 50)) as pilot:
        await until_played(pilot)
        await pilot.press("s")
        await until(pilot, lambda: "Interrupt threshold" in shown(app))
        await pilot.press("tab", *["delete"] * 4, "e", "n")
        await until(pilot, lambda: "fit English: aria, andrew." in shown(app))
        await pilot.press("tab", "tab", "9", "9", "9", "9", "9")
        await until(pilot, lambda: "A whole number from 0 to 32,767 is needed." in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Interrupt threshold" not in shown(app))


async def test_the_room_can_be_measured_from_the_settings():
    app = screen([])
    async with app.run_test(size=(100, 50)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: "VAD threshold" in shown(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: ("calibrate", "") in app._engine.commands)
        app._inbox.put(events.Notice("calibrated", "info", "This room is quiet.", "vad-threshold 240"))
        await until(pilot, lambda: "This room is quiet." in shown(app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: ("vad-threshold", "240") in app._engine.commands)


async def test_who_is_refused_is_told_the_key_to_the_embedded_agent():
    app = screen([events.to_line(events.ErrorRaised("authentication_error", "Refused.", "Set a key.", False), 0.0)])
    async with app.run_test() as pilot:
        await until(pilot, lambda: "Refused. Set a key. e switches" in shown(app))


async def test_what_the_mouse_selects_can_be_copied():
    app = screen([text_line(1, "one two three")])
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "one two three" in shown(app))
        await pilot.mouse_down("#response", offset=(6, 1))
        await pilot.hover("#response", offset=(13, 1))
        await pilot.mouse_up("#response", offset=(13, 1))
        await pilot.press("c")
        await until(pilot, lambda: "one two" in app.clipboard)


async def test_help_explains_the_keys_and_push_to_talk():
    app = screen()
    async with app.run_test(size=(100, 60)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "Push to talk" in shown(app))
        for words in ("inferred", "Esc", "interrupt the agent", "settings:", "VAD threshold"):
            assert words in shown(app)


async def test_without_a_keyboard_of_our_own_the_screen_feeds_the_talk_key():
    app = screen([], ptt="toggle")
    async with app.run_test() as pilot:
        await pilot.press("space")
        engine = app._engine
        await until(pilot, lambda: any(verb == "press" for verb, _ in engine.commands))
        await pilot.press("escape")
        await until(pilot, lambda: ("discard", "") in engine.commands)


async def test_escape_interrupts_an_agent_that_speaks():
    speaking = json.loads(CONVERSATION.read_text(encoding="utf-8").splitlines()[1]) | {"phase": str(Phase.SPEAKING)}
    app = screen([json.dumps(speaking)])
    async with app.run_test() as pilot:
        await until(pilot, lambda: "SPEAKING" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: ("interrupt", "") in app._engine.commands)


async def test_the_picture_in_the_readme_is_the_screen_as_it_is():
    app = screen()
    async with app.run_test(size=(110, 32)) as pilot:
        app.talk_key.on_release_told(told=True)
        await until_played(pilot)
        await until(pilot, lambda: "(release inferred)" not in shown(app))
        drawn = app.export_screenshot(title="Selam Voice")
    # No fonts from elsewhere, and no number that differs from run to run.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"terminal-\d+", "terminal", drawn)
    before = PICTURE.read_text(encoding="utf-8") if PICTURE.exists() else ""
    if drawn != before:
        PICTURE.write_text(drawn, encoding="utf-8")
    assert drawn == before, "the picture was drawn anew: look at assets/screen.svg and commit it"


async def test_the_place_where_a_conversation_was_resumed_is_marked_once_when_there_is_a_session():
    again = events.Connected("x", "mekdes", "Welcome", again=True)
    told = [
        events.Connected("x", "mekdes", "", again=False), events.SessionStarted("1"),
        events.Transcription(1, "the words", is_final=True),
        events.Reconnecting(1, 0.5), again, events.Reconnecting(2, 1.0), again, events.SessionStarted("2"),
        events.Transcription(1, "the words", is_final=True),
        again, events.SessionStarted("3"),
    ]  # fmt: skip
    app = screen([events.to_line(event, 0.0) for event in told] + [text_line(1, "The end.")])
    async with app.run_test(size=(140, 40)) as pilot:
        await until(pilot, lambda: "The end." in shown(app))
        text = " ".join(shown(app).split())
    assert text.count("The connection is back") == 1
    assert text.count("A new session has begun") == 1, "another voice is no loss"
    assert text.count("the words") == 1, "what was sent again is not shown twice"


async def test_the_talk_bar_tells_of_a_stalled_server_though_nothing_else_changes():
    app = screen([events.to_line(READY, 0.0)])
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "hold space and talk" in shown(app))
        app._inbox.put(replace(READY, connection=replace(READY.connection, stalled=True)))
        await until(pilot, lambda: "the server takes nothing in" in shown(app))


async def test_what_was_said_stays_above_an_engine_that_was_started_again():
    lines = [events.to_line(READY, 0.0), text_line(1, "I am here.")]
    app = SelamScreen(ReplayEngine(lines, speed=math.inf, stays=False, status=9), ScreenOptions())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "The engine has ended (status 9)" in shown(app))
        await pilot.press("m", "minus", "t")
        await until(pilot, lambda: app._engine.commands[-2:] == (("mute", "on"), ("volume", "95")))
        assert "I am here." in shown(app)
