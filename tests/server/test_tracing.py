"""Traces as far as chance decides; what they tell is in tests/scenarios."""

from __future__ import annotations

import random

import nats
import pytest

from natskit.server import Server

RECORDED = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}


@pytest.mark.parametrize(("chance", "traced"), [(0.0, True), (0.2499, True), (0.25, False), (0.999, False)])
async def test_account_traces_a_part_of_its_messages(monkeypatch, chance, traced):
    config = 'accounts { A { users: [{user: a, password: a}], msg_trace: {dest: traces, sampling: "25%"} } }'
    async with Server(f"listen: 127.0.0.1:-1\n{config}") as server:
        client = await nats.connect(server.client_url, user="a", password="a")
        traces = await client.subscribe("traces")
        monkeypatch.setattr(random, "random", lambda: chance)
        await client.publish("x", b"", headers=RECORDED)
        await client.flush()
        assert traces.pending_msgs == traced
        await client.close()
