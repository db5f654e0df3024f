"""The hand-over from the speaker's callback to the loop."""

import threading
import time

import numpy as np

from selam_cli.sound.reference import KEPT_BLOCKS, RenderReference

BLOCK = np.full(160, 7, np.int16)


def test_what_was_played_up_to_a_moment_is_returned_once_with_its_rate():
    now = [1.0]
    reference = RenderReference(lambda: now[0])
    reference.rendered(BLOCK, 16_000)
    now[0] = 1.01
    reference.rendered(BLOCK, 48_000)
    assert [rate for _, rate in reference.until(1.005)] == [16_000]
    assert [rate for _, rate in reference.until(1.02)] == [48_000]
    assert reference.until(2.0) == []


def test_what_has_no_echo_any_more_is_left_out_and_nothing_grows():
    now = [0.0]
    reference = RenderReference(lambda: now[0])
    for number in range(3 * KEPT_BLOCKS):
        now[0] = number * 0.01
        reference.rendered(BLOCK, 16_000)
    assert len(reference.until(now[0])) == 50


def test_it_knows_until_when_something_sounded():
    now = [5.0]
    reference = RenderReference(lambda: now[0])
    reference.rendered(BLOCK, 16_000)
    now[0] = 6.0
    reference.rendered(np.zeros(160, np.int16), 16_000)
    assert reference.sounded_until == 5.01


def test_writer_and_reader_need_no_lock():
    reference = RenderReference()
    blocks = [np.array([number], np.int16) for number in range(20_000)]
    writer = threading.Thread(target=lambda: [reference.rendered(block, 16_000) for block in blocks])
    writer.start()
    seen = []
    while writer.is_alive():
        seen += reference.until(time.monotonic())
    seen += reference.until(time.monotonic())
    numbers = [int(block[0]) for block, _ in seen]
    assert numbers == sorted(set(numbers)), "each at most once, in their order"
    assert numbers[-1] == len(blocks) - 1
