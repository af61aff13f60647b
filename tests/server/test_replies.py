"""Which replies a client may publish. Source: spec/server-accounts.md section 3."""

from __future__ import annotations

import pytest

from natskit.graph import Responses
from natskit.server import replies
from natskit.server.replies import ExpectedReplies


def test_reply_may_be_published_as_often_as_allowed() -> None:
    expected = ExpectedReplies(Responses(2, 5.0))
    expected.expect(b"in", 100.0)
    assert [expected.take(b"in", 100.0) for _ in range(3)] == [True, True, False]
    assert not expected.take(b"other", 100.0)
    assert len(expected) == 0


def test_reply_may_be_published_until_its_time_is_over() -> None:
    expected = ExpectedReplies(Responses(-1, 5.0))
    expected.expect(b"in", 100.0)
    assert expected.take(b"in", 105.0)
    assert not expected.take(b"in", 105.1)
    assert len(expected) == 0


def test_reply_without_a_limit_of_time_is_always_in_time() -> None:
    expected = ExpectedReplies(Responses(-1, -1.0))
    expected.expect(b"in", 100.0)
    assert expected.take(b"in", 1e9)


def test_replies_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST", 8)
    expected = ExpectedReplies(Responses(1, 5.0))
    for number in range(9):
        expected.expect(b"%d" % number, 100.0)
    assert len(expected) == 8
    assert (expected.take(b"0", 100.0), expected.take(b"8", 100.0)) == (False, True)
    expected.expect(b"9", 106.0)
    expected.expect(b"10", 106.0)
    assert len(expected) == 2


def test_bytes_of_replies_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MOST_BYTES", 8000)
    expected = ExpectedReplies(Responses(1, 5.0))
    for number in range(100):
        expected.expect(b"%03d" % number + b"x" * 997, 100.0)
    assert 7 <= len(expected) <= 8
    assert expected.take(b"099" + b"x" * 997, 100.0)
    assert not expected.take(b"000" + b"x" * 997, 100.0)
