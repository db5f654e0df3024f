"""What a packet may hold, by a table."""

import pytest

from selam_cli.core.packet_bounds import MAX_BRACKETS, nests_too_much, too_large


@pytest.mark.parametrize(
    ("encoded", "too_much"),
    [
        ("", False),
        ('2["response",{"text":"hello"}]', False),
        ("[" * MAX_BRACKETS, False),
        ("[" * MAX_BRACKETS + "{", True),
        ("{}," * (MAX_BRACKETS + 1), True),
        ("]" * 1_000_000, False),  # which no JSON is, so that nothing unfolds
    ],
    ids=["empty", "a response", "just enough", "one more", "side by side", "closing"],
)
def test_how_much_may_unfold(encoded, too_much):
    assert nests_too_much(encoded) is too_much


@pytest.mark.parametrize(
    ("attachments", "attachment", "most", "large"),
    [([], b"", 0, False), ([], b"123", 3, False), ([b"12"], b"3", 3, False), ([b"12", "3"], b"4", 3, True)],
)
def test_all_attachments_together_are_bounded(attachments, attachment, most, large):
    assert too_large(attachments, attachment, most) is large
