"""Keys of layouts without Latin letters: which key of a US keyboard they count as, and the table against its source."""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_cli.core.key_places import LATIN, Place, place_of, script_of
from selam_cli.core.keyboard_layouts import LAYOUTS, PLACES


@pytest.mark.parametrize(
    ("layout", "letters"),
    [("et", "ቀሰቸ"), ("ru", "йыс"), ("ara", "\u0636\u0633\u0624"), ("gr", " σψ"), ("il", " \u05d3\u05d1")],
)
def test_a_letter_alone_tells_its_place_in_the_known_layouts(layout, letters):
    for letter, key in zip(letters, "qsc", strict=True):
        if letter != " ":
            assert place_of(letter) == place_of(letter.upper()) == Place(key, key), layout


@pytest.mark.parametrize(
    ("told", "counts_as"),
    [
        ({"key": "ቸ", "base": "c"}, "c"),
        ({"key": "ა", "base": "a"}, "a"),  # Georgian, which no table knows
        ({"key": "я", "base": "q"}, "q"),  # a phonetic layout: what the terminal tells goes before the table
        ({"key": "፧", "typed": "?", "base": "/", "shift": True}, None),  # it is one already
        ({"key": "ظ", "typed": "؟", "base": "/", "shift": True}, "?"),
        ({"key": "፧", "base": "/"}, "?"),
        ({"key": ";", "base": "q"}, "q"),  # Greek
        ({"key": "/", "base": "q"}, "q"),  # Hebrew
        ({"key": ";", "script": "GREEK"}, "q"),
        ({"key": "/", "script": "HEBREW"}, "q"),
        ({"key": "ก", "base": "-", "script": "THAI"}, "-"),
    ],
)
def test_a_key_without_a_latin_letter_counts_as_its_place(told, counts_as):
    place = place_of(**told)
    assert (place and place.character) == counts_as


@pytest.mark.parametrize(
    "told",
    [
        {"key": "c", "base": "i"},  # Dvorak
        {"key": "'", "base": "q"},
        {"key": ";", "base": "q", "script": LATIN},  # Dvorak for programmers
        {"key": ";"},
        {"key": "/"},
        {"key": "z", "base": "y"},  # QWERTZ
        {"key": "ß", "base": "-"},
        {"key": "´", "base": "=", "script": LATIN},
        {"key": ",", "base": "m"},  # AZERTY
        {"key": "é", "base": "2"},
        {"key": "é", "typed": "2", "base": "2", "shift": True},
        {"key": "ε", "typed": "€", "base": "e"},  # AltGr
        {"key": "ש", "typed": "A", "base": "a", "shift": True},
        {"key": " ", "base": " "},
        {"key": "×"},
        {"key": "ა"},
        {"key": "ა", "base": "ა"},  # of no use: the terminal's first layout is no US one
    ],
    ids=repr,
)
def test_a_key_that_types_what_counts_stays_what_it_is(told):
    assert place_of(**told) is None


@given(st.characters(), st.characters(), st.characters(), st.booleans(), st.sampled_from(["", LATIN, "GREEK", "THAI"]))
def test_whatever_is_told_a_place_is_one_of_a_us_keyboard(key, typed, base, shift, script):
    place = place_of(key, typed=typed, base=base, shift=shift, script=script)
    if place is not None:
        assert place.key.isascii()
        assert place.character.isascii()
        assert script_of(typed) != LATIN


def test_no_letter_stands_in_two_places():
    letters = [letter for layout in LAYOUTS.values() for letter in layout.plain if not letter.isascii()]
    assert len(letters) == len(set(letters))
    assert all(len(layout.plain) == len(layout.shifted) == len(PLACES) for layout in LAYOUTS.values())


# --- the table and its source -----------------------------------------------------------------------------------------

XKB = Path("/usr/share/X11/xkb/symbols/et")
KEYS = [
    *(f"AD{number:02}" for number in range(1, 13)),
    *(f"AC{number:02}" for number in range(1, 12)),
    "BKSL",
    *(f"AB{number:02}" for number in range(1, 11)),
    "TLDE",
]
"""xkb's names of the keys of PLACES."""


class Names(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("rules", "model", "layout", "variant", "options")]


def xkbcommon() -> ctypes.CDLL:
    found = ctypes.util.find_library("xkbcommon")
    if found is None or not XKB.exists():
        pytest.skip("libxkbcommon and xkb-data are not installed")
    library = ctypes.CDLL(found)
    symbols = ctypes.POINTER(ctypes.POINTER(ctypes.c_uint32))
    for name, result, arguments in (
        ("xkb_context_new", ctypes.c_void_p, [ctypes.c_int]),
        ("xkb_context_unref", None, [ctypes.c_void_p]),
        ("xkb_keymap_new_from_names", ctypes.c_void_p, [ctypes.c_void_p, ctypes.POINTER(Names), ctypes.c_int]),
        ("xkb_keymap_unref", None, [ctypes.c_void_p]),
        ("xkb_keymap_key_by_name", ctypes.c_uint32, [ctypes.c_void_p, ctypes.c_char_p]),
        ("xkb_keymap_key_get_syms_by_level", ctypes.c_int, [ctypes.c_void_p, *[ctypes.c_uint32] * 3, symbols]),
        ("xkb_keysym_to_utf32", ctypes.c_uint32, [ctypes.c_uint32]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@pytest.mark.parametrize("name", ["us", *LAYOUTS])
def test_the_table_is_what_xkb_has(name):
    xkb = xkbcommon()
    context = xkb.xkb_context_new(0)
    keymap = xkb.xkb_keymap_new_from_names(context, Names(b"evdev", b"pc105", name.encode(), b"", b""), 0)
    levels = []
    for level in (0, 1):
        letters = ""
        for key in KEYS:
            symbols = ctypes.POINTER(ctypes.c_uint32)()
            code = xkb.xkb_keymap_key_by_name(keymap, key.encode())
            found = xkb.xkb_keymap_key_get_syms_by_level(keymap, code, 0, level, ctypes.byref(symbols))
            letters += chr((xkb.xkb_keysym_to_utf32(symbols[0]) if found else 0) or 0x20)
        levels.append(letters)
    xkb.xkb_keymap_unref(keymap)
    xkb.xkb_context_unref(context)
    if name == "us":
        assert levels[0] == PLACES
    else:
        assert levels == [LAYOUTS[name].plain, LAYOUTS[name].shifted]
