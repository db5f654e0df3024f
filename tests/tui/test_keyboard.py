"""Keys as terminals send them: event types understood, and everything else left as Textual has it."""

from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

if sys.platform == "win32":
    pytest.skip("the driver is for POSIX terminals", allow_module_level=True)

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser

from selam_cli.keyboard.key_parser import Attributes, EventTypeParser, KeyboardFlags, KeyUp, Repeat, as_named


def parsed(sequence: str) -> list[object]:
    return list(EventTypeParser().feed(sequence))


@pytest.mark.parametrize(
    ("sequence", "kind", "key"),
    [
        (" ", events.Key, "space"),
        ("\x1b[32;1;32u", events.Key, "space"),
        ("\x1b[32;1:1;32u", events.Key, "space"),
        ("\x1b[32;1:2;32u", Repeat, "space"),
        ("\x1b[32;1:3u", KeyUp, "release+space"),
        ("\x1b[32;1:3;32u", KeyUp, "release+space"),
        ("\x1b[97:65;2:1;65u", events.Key, "a"),
        ("\x1b[97;5:2u", Repeat, "ctrl+a"),
        ("\x1b[1;1:3A", KeyUp, "release+up"),
        ("\x1b[27;1:3u", KeyUp, "release+escape"),
        ("\x1b[A", events.Key, "up"),
    ],
)
def test_what_a_key_did(sequence, kind, key):
    [message] = parsed(sequence)
    assert type(message) is kind
    assert message.key == key


@pytest.mark.parametrize(
    ("press", "release", "key"),
    [
        ("\x1b[32;1;32u", "\x1b[32;2:3u", "space"),  # Shift was pressed meanwhile
        ("\x1b[116;5u", "\x1b[116;1:3u", "ctrl+t"),  # Ctrl was let go before
        ("\x1b[116;2;84u", "\x1b[116;2:3u", "t"),  # what it types is told with a press only
        ("\x1b[47;2;63u", "\x1b[47;2:3u", "question_mark"),
        ("\x1b[A", "\x1b[1;5:3A", "up"),
        ("\x1b[57399;1;48u", "\x1b[57399;1:3u", "0"),  # of the keypad
    ],
)
def test_a_release_is_called_as_its_press_was_whatever_the_modifiers_do(press, release, key):
    parser = EventTypeParser()
    [pressed] = parser.feed(press)
    [let_go] = parser.feed(release)
    assert (pressed.key, let_go.released) == (key, key)
    [orphan] = parser.feed("\x1b[32;2:3u")
    assert orphan.released == "shift+space"


@pytest.mark.parametrize(
    ("sequence", "key", "character"),
    [
        ("\x1b[4728::99;5u", "ctrl+c", None),
        ("\x1b[4728;5u", "ctrl+c", None),  # where no place is told
        ("\x1b[4672::113;5u", "ctrl+q", None),
        ("\x1b[4824::122;5u", "ctrl+z", None),
        ("\x1b[4728::99;197u", "ctrl+c", None),  # Caps Lock and Num Lock are on
        ("\x1b[4728:65144:99;6u", "ctrl+shift+c", None),
        ("\x1b[4672::113;3u", "alt+q", None),
        ("\x1b[4656::115;1;4656u", "s", "ሰ"),
        ("\x1b[4656:4640:115;2;4640u", "s", "ሠ"),
        ("\x1b[4967:63:47;2;63u", "question_mark", "?"),
        ("\x1b[1592:1567:47;2;1567u", "question_mark", "\u061f"),
        ("\x1b[945::97;1;225u", "á", "á"),  # what a dead key or an input method made of it
        ("\x1b[949::101;1;8364u", "euro_sign", "€"),  # with AltGr
        ("\x1b[0;;4672u", "ቀ", "ቀ"),  # an input method's, which has no place
        ("\x1b[99::105;5u", "ctrl+c", None),  # Dvorak
        ("\x1b[39::113;1;39u", "apostrophe", "'"),
        ("\x1b[122::121;5u", "ctrl+z", None),  # QWERTZ
        ("\x1b[44:63:109;2;63u", "question_mark", "?"),  # AZERTY
        ("\x1b[108;65;76u", "l", "L"),  # Caps Lock
        ("\x1b[108:76;66;108u", "l", "l"),  # and Shift
        ("L", "l", "L"),
        ("ቀ", "q", "ቀ"),
        ("Й", "q", "Й"),
        ("\u061f", "question_mark", "\u061f"),
        ("ა", "ა", "ა"),
        ("\x1b[4728::99999999;5u", "ctrl+c", None),
        ("\x1b[4728:::::;5u", "ctrl+c", None),
        ("\x1b[4728::99:1:2;5u", "ctrl+c", None),
        ("\x1b[57441::99;2u", "left_shift", None),
    ],
)
def test_what_a_key_counts_as_and_what_it_types(sequence, key, character):
    [message] = parsed(sequence)
    assert (message.key, message.character) == (key, character)


@pytest.mark.parametrize("sequence", ["\x1b[99999999::99;5u", "\x1b[4728::99;5;99999999u", "\x1b[55296::99;1u"])
def test_a_place_makes_no_key_of_what_is_no_character(sequence):
    assert parsed(sequence) == []


def test_a_sign_has_a_letters_place_only_among_letters_that_are_not_latin():
    parser = EventTypeParser()
    assert [key.key for key in parser.feed(";σ;l;")] == ["semicolon", "s", "q", "l", "semicolon"]


@pytest.mark.parametrize(
    ("press", "release", "key"),
    [
        ("\x1b[4872::103;1;4872u", "\x1b[4872::103;1:3u", "g"),
        ("\x1b[103;1;103u", "\x1b[4872::103;1:3u", "g"),  # the layout was switched in mid-hold
        ("\x1b[4872::103;1;4872u", "\x1b[103;1:3u", "g"),
        ("\x1b[4872;1;4872u", "\x1b[103;1:3u", "g"),
        ("\x1b[103;1;103u", "\x1b[1087;1:3u", "g"),
        ("\x1b[4967:63:47;2;63u", "\x1b[4967::47;1:3u", "question_mark"),
        ("\x1b[4728::99;5u", "\x1b[4728::99;65:3u", "ctrl+c"),
    ],
)
def test_a_release_finds_its_press_whatever_the_layout_does(press, release, key):
    parser = EventTypeParser()
    [pressed] = parser.feed(press)
    [let_go] = parser.feed(release)
    assert (pressed.key, let_go.released) == (key, key)


@pytest.mark.parametrize("kept", ["ሰ", "\u0633", "ы", ";"])
def test_the_letter_of_the_settings_stays_one_wherever_it_lies(kept):
    parser = EventTypeParser(kept=kept)
    [typed] = parser.feed(kept)
    [pressed] = parser.feed(f"\x1b[{ord(kept)}::115;1;{ord(kept)}u")
    [let_go] = parser.feed(f"\x1b[{ord(kept)}::115;1:3u")
    assert typed.key == pressed.key == let_go.released == as_named(kept)
    assert [key.key for key in parser.feed("ወ")] == ["w"]


def test_the_words_of_an_input_method_are_typed_however_long():
    words = "ሰላም ጤና ይስጥልኝ " * 4
    [*keys] = parsed(f"\x1b[0;;{':'.join(str(ord(character)) for character in words)}u")
    assert "".join(key.character for key in keys) == words


def test_the_answer_about_the_terminal_is_no_key():
    told, key = parsed("\x1b[?62;22ca")
    assert isinstance(told, Attributes)
    assert key.key == "a"


@pytest.mark.parametrize("sequence", ["\x1b[>83;40900;0c", "\x1b[5n", "\x1b[99;99!z"])
def test_a_sequence_that_is_unknown_holds_no_key_up(sequence):
    [key] = parsed(f"{sequence}a")
    assert key.key == "a"


@pytest.mark.parametrize(
    ("pressed", "pair", "key"),
    [
        ("\x1b[32;1;32u", "\x1b[32;1:3;32u\x1b[32;1:2;32u", "space"),
        ("\x1b[32;1;32u", "\x1b[32;2:3;32u\x1b[32;2:2;32u", "space"),  # Shift was pressed meanwhile
        ("\x1b[20~", "\x1b[20;1:3~\x1b[20;1:2~", "f9"),
        ("\x1b[116;5u", "\x1b[116;5:3u\x1b[116;5:2u", "ctrl+t"),
    ],
)
def test_a_repeat_that_is_told_as_a_release_and_a_repeat_is_of_its_press(pressed, pair, key):
    """As Konsole tells each, wherever a link cuts them."""
    for cut in range(1, len(pair)):
        parser = EventTypeParser()
        list(parser.feed(pressed))
        for _ in range(2):
            released, repeated = [message for piece in (pair[:cut], pair[cut:]) for message in parser.feed(piece)]
            assert (released.released, repeated.pressed) == (key, key)


def test_a_repeat_that_is_told_as_a_press_with_other_modifiers_is_of_the_same_key():
    parser = EventTypeParser()
    list(parser.feed("\x1b[32;1;32u\x1b[32;2;32u"))
    assert [event.released for event in parser.feed("\x1b[32;2:3u")] == ["space", "shift+space"]


def test_a_release_types_nothing():
    [message] = parsed("\x1b[97;1:3;97u")
    assert message.character is None
    assert message.released == "a"


def test_the_answer_about_flags_is_no_key():
    [message] = parsed("\x1b[?27u")
    assert isinstance(message, KeyboardFlags)
    assert message.flags == 27


def test_a_sequence_cut_in_two_is_one_key():
    parser = EventTypeParser()
    assert list(parser.feed("\x1b[32;1")) == []
    parser.patient = True
    assert list(parser.tick()) == []
    [message] = parser.feed(":3u")
    assert isinstance(message, KeyUp)


INPUT = st.one_of(
    st.text(st.sampled_from("\x1b[]?;:0123456789uABR~ aé\x07<M$yt"), min_size=1, max_size=40),
    st.from_regex(r"\x1b\[[?<>=]?[0-9]{1,9}([;:][0-9]{0,9}){0,4}[u~A-HPQRSMmty$]", fullmatch=True),
)


@given(st.lists(INPUT, min_size=1, max_size=5))
@example(["\x1b[9999999;1u"])
@example(["\x1b[97;1;9999999u"])
@example(["\x1b[99999999999999999999;1u"])
@example(["\x1b[200~"])
def test_no_input_breaks_the_parser(pieces):
    parser = EventTypeParser()
    for piece in pieces:
        list(parser.feed(piece))
    parser._timeout_time = 0.0 if parser._timeout_time is not None else None
    list(parser.tick())
    list(parser.feed("\x1b[201~"))  # what was given may have begun a paste
    assert list(parser.feed("x"))


@pytest.mark.parametrize(
    "sequence", ["\x1b[55296;1u", "\x1b[97;1;55357:56832u", "\x1b[1114112;1:3u", "\x1b[1114112;1u"]
)
def test_a_code_that_is_no_character_is_no_key(sequence):
    assert parsed(sequence) == []


def test_a_link_that_cut_a_sequence_is_given_time_from_then_on():
    parser = EventTypeParser()
    list(parser.feed("\x1b"))
    parser._timeout_time = 0.0
    [escape] = parser.tick()
    assert escape.key == "escape"
    list(parser.feed("[A"))
    assert parser.patient
    typed = EventTypeParser()
    list(typed.feed("a["))
    assert not typed.patient


@pytest.mark.parametrize(
    "sequence", ["a", "\x1b[200~pasted\x1b[201~", "\x1b[I", "\x1b[<0;5;5M", "\x1b[?2026;2$y", *ANSI_SEQUENCES_KEYS]
)
def test_what_has_no_event_type_is_as_in_textual(sequence):
    ours, stock = parsed(sequence), list(XTermParser().feed(sequence))
    assert [repr(message) for message in ours] == [repr(message) for message in stock]


PASTED = "a b \x1b[A \x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[32;1:3u\x1b[I\x1b[48;5;99999;1;1t \x1b[20 x"


@given(st.lists(st.integers(0, len(PASTED) + 12), max_size=8))
def test_a_paste_with_escape_sequences_is_one_paste_wherever_the_link_cuts_it(cuts):
    sent = f"\x1b[200~{PASTED}\x1b[201~"
    places = sorted({0, *cuts, len(sent)})
    parser = EventTypeParser()
    parser.patient = True
    told = []
    for start, end in itertools.pairwise(places):
        told += parser.feed(sent[start:end])
    assert [type(message) for message in told] == [events.Paste]
    assert told[0].text == PASTED.replace("\x1b", "")
    [key] = parser.feed("a")
    assert key.key == "a"


@pytest.mark.parametrize("ctrl_c", ["\x03", "\x1b[99;5u"])
def test_a_paste_whose_end_was_lost_does_not_hold_the_keyboard(ctrl_c):
    parser = EventTypeParser()
    list(parser.feed("\x1b[200~half a pas\x1b[20"))
    paste, key = parser.feed(ctrl_c)
    assert paste.text == "half a pas"
    assert key.key == "ctrl+c"
    assert [key.key for key in parser.feed("a")] == ["a"]


def test_what_was_given_up_as_a_sequence_begins_no_paste():
    parser = EventTypeParser()
    list(parser.feed("\x1b[20"))
    parser._timeout_time = 0.0
    list(parser.tick())
    typed = list(parser.feed("0~\x1b[A"))
    assert typed[-1].key == "up"


def test_a_window_that_nobody_has_is_not_drawn():
    parser = EventTypeParser()
    [told] = parser.feed("\x1b[48;30;100;600;1000t")
    assert told.size == (100, 30)
    assert list(parser.feed("\x1b[48;99999;99999;1;1t")) == []
    [click] = parser.feed("\x1b[<0;11;21M")
    assert (click.screen_x, click.screen_y) == (1, 1), "the mouse still counts in the pixels of the window before"
