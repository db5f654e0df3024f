"""The panes in a running app: what they show at each size, how they keep, follow and wrap what is said."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from selam_cli.core.session import Phase
from selam_cli.engine import events
from selam_cli.tui.app import ScreenOptions, SelamScreen
from selam_cli.tui.model import Moment
from selam_cli.tui.replay import ReplayEngine
from selam_cli.tui.text_pane import KEPT_ENTRIES, TextPane

CONVERSATION = Path(__file__).parent / "conversation.jsonl"
PICTURE = Path(__file__).parent.parent.parent / "assets" / "screen.svg"

SIZES = pytest.mark.parametrize("size", [(80, 24), (140, 40), (40, 15)], ids=["80x24", "140x40", "40x15"])


def screen(lines: list[str] | None = None, **options: object) -> SelamScreen:
    lines = CONVERSATION.read_text(encoding="utf-8").splitlines() if lines is None else lines
    return SelamScreen(
        ReplayEngine(lines, speed=math.inf), ScreenOptions(**options), now=lambda: Moment(0.0, "14:03:22")
    )


def shown(app: SelamScreen) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    for _ in range(500):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError(shown(pilot.app))


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


async def test_a_window_too_small_says_so_in_a_sentence():
    app = screen()
    async with app.run_test(size=(20, 5)) as pilot:
        await until(pilot, lambda: "listening" in shown(app))
        assert " ".join(shown(app).split()).startswith("The window is too small: 40×15 is needed.")


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


async def test_every_pane_is_reached_by_keyboard():
    app = screen()
    async with app.run_test(size=(80, 24)) as pilot:
        reached = set()
        for _ in range(3):
            await pilot.press("tab")
            reached.add(app.focused.id)
        assert reached == {"transcription", "response", "control"}


async def test_the_latency_view_comes_and_goes():
    app = screen()
    async with app.run_test(size=(140, 40)) as pilot:
        await until_played(pilot)
        await pilot.press("y")
        await until(pilot, lambda: re.search(r"press to wire +38 ms", shown(app)))
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
        await until(pilot, lambda: "Refused. Set a key. L switches" in shown(app))


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
        drawn = app.export_screenshot(title="Selam Voice")
    # No fonts from elsewhere, and no number that differs from run to run.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"terminal-\d+", "terminal", drawn)
    before = PICTURE.read_text(encoding="utf-8") if PICTURE.exists() else ""
    if drawn != before:
        PICTURE.write_text(drawn, encoding="utf-8")
    assert drawn == before, "the picture was drawn anew: look at assets/screen.svg and commit it"
