"""The decoder of WebSocket frames against its model, in any pieces."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.frames_model import Model, joined

from natskit.wire.frames import CLOSE, DATA, DEFLATED, FAULT, PING, FrameDecoder
from support.websocket import CLOSE as OP_CLOSE
from support.websocket import PING as OP_PING
from support.websocket import frame

LIMIT = 300


def decoder(masked=True, deflate=True):
    return FrameDecoder(masked=masked, deflate=deflate, max_deflated=LIMIT)


def fed(data, cuts=(), **options):
    reader = decoder(**options)
    events = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        events += [(kind, bytes(payload)) for kind, payload in reader.feed(bytearray(data[begin:end]))]
        assert reader.held_bytes <= LIMIT + 125 + 14
    return joined(events)


FRAMES = st.builds(
    frame,
    st.one_of(st.binary(max_size=20), st.integers(0, 400).map(lambda size: b"x" * size), st.just(b"y" * 70_000)),
    st.sampled_from([0, 0, 1, 2, 2, 2, 3, 8, 9, 9, 10, 11]),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 4, 4, 2, 1]),
    masked=st.sampled_from([True] * 9 + [False]),
    size=st.sampled_from([None, None, 8]),
)


@st.composite
def streams(draw):
    data = bytearray(b"".join(draw(st.lists(FRAMES, max_size=8))))
    for _ in range(draw(st.integers(0, 1)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@given(streams(), st.booleans(), st.booleans(), st.data())
@settings(max_examples=300, deadline=None)
def test_decoder_agrees_with_its_model_in_any_pieces(data, masked, deflate, draw):
    expected = joined(Model(masked=masked, deflate=deflate, max_deflated=LIMIT).events(data))
    assert fed(data, masked=masked, deflate=deflate) == expected
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(data)), max_size=5)))
    assert fed(data, cuts, masked=masked, deflate=deflate) == expected


@given(streams())
@settings(max_examples=50, deadline=None)
def test_byte_by_byte_comes_to_the_same(data):
    data = data[:2000]
    assert fed(data, range(1, len(data))) == fed(data)


def test_payloads_of_several_frames_are_one_piece_of_what_was_fed():
    data = bytearray(frame(b"SUB a 1\r\n") + frame(b"PUB a 0\r\n") + frame(b"\r\n"))
    (event,) = decoder().feed(data)
    assert event == (DATA, b"SUB a 1\r\nPUB a 0\r\n\r\n")
    assert event[1].obj is data


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 125, 126, 65_535, 65_536, 200_001])
def test_masking_of_every_length_is_undone(size):
    payload = random.Random(size).randbytes(size)
    assert fed(frame(payload)) == ([(DATA, payload)] if size else [])


def test_data_comes_as_far_as_it_is_there():
    reader = decoder()
    data = frame(b"hello world")
    assert joined(reader.feed(bytearray(data[:10]))) == [(DATA, b"hell")]
    assert joined(reader.feed(bytearray(data[10:]))) == [(DATA, b"o world")]
    assert reader.held_bytes == 0


def test_order_of_data_and_control_frames_is_kept():
    data = frame(b"a") + frame(b"1", OP_PING) + frame(b"b") + frame(b"c", rsv=4) + frame(b"d") + frame(b"", OP_CLOSE)
    assert fed(data) == [(DATA, b"a"), (PING, b"1"), (DATA, b"b"), (DEFLATED, b"c"), (DATA, b"d"), (CLOSE, b"")]


def test_nothing_is_read_after_a_close_frame_or_a_fault():
    assert fed(frame(b"", OP_CLOSE) + frame(b"a")) == [(CLOSE, b"")]
    reader = decoder()
    assert [kind for kind, _ in reader.feed(bytearray(frame(b"", 3) + frame(b"a")))] == [FAULT]
    assert reader.feed(bytearray(frame(b"a"))) == []


def test_compressed_message_over_its_limit_is_refused_before_it_comes():
    reader = decoder()
    head = bytearray(frame(b"x" * (LIMIT + 1), rsv=4)[:8])
    assert reader.feed(head) == [(FAULT, b"maximum payload exceeded")]
    assert reader.held_bytes <= 14


def test_memory_for_a_compressed_message_is_bounded_however_it_is_cut():
    reader = decoder()
    fragment = frame(b"x" * 10, 0, fin=False)
    kinds = [kind for kind, _ in reader.feed(bytearray(frame(b"x", rsv=4, fin=False) + fragment * 100))]
    assert kinds == [FAULT]


def test_bytes_cannot_be_decoded_in_place():
    with pytest.raises(BufferError):
        decoder().feed(b"\x82\x80")
