"""What is counted of a connection, against the real server."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from tests.differential.duel import DEADLINE_S, Peer
from tests.differential.test_client_protocol import AUTH, CH, C, login

TALKS = {
    "empty token": C + b"SUB > 1\r\nPUB a..b 3\r\nabc\r\n",
    "wildcard": C + b"SUB a.* 1\r\nPUB a.* 2\r\nhi\r\n",
    "headers": CH + b"SUB a 1\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    "no responders": CH + b"SUB in 1\r\nPUB nobody in 2\r\nhi\r\n",
    "echo off": b'CONNECT {"verbose":false,"echo":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n',
    "up to a limit": C + b"SUB a 1\r\nUNSUB 1 1\r\n" + b"PUB a 2\r\nhi\r\n" * 3,
    "reserved reply": C + b"PUB a _R_.x 2\r\nhi\r\n",
    "reserved subject": C + b"PUB _GR_.x 2\r\nhi\r\n",
    "no verb of a message": C + b"PING\r\n+OK\r\nPONG\r\n",
    "not valid": b'CONNECT {"verbose":false}\r\nSUB > 1\r\nPUB a..b 1\r\nx\r\nPUB * 1\r\nx\r\nSUB a..b 2\r\n',
    "groups": C + b"SUB a q 1\r\nSUB a q 2\r\nSUB a 3\r\nPUB a 2\r\nhi\r\n",
    "second CONNECT": C + b"SUB a 1\r\nPUB a 2\r\nhi\r\n" + C + b"SUB b 1\r\n",
    "denied": login(b"p") + b"PUB a.secret 2\r\nhi\r\nPUB a.x 2\r\nhi\r\nSUB c.no 1\r\n",
}
TRAFFIC = ("in_msgs", "in_bytes", "out_msgs", "out_bytes")


def counted(server: Any, talk: bytes) -> tuple[list[int], list[int], list[str]]:
    """Messages and bytes both ways, of the connection and of the server meanwhile; what it listens to."""

    def fetch(path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{server.monitor}/{path}", timeout=DEADLINE_S) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    before = fetch("varz")
    peer = Peer(server.port)
    try:
        peer.send(talk)
        peer.sync()
        info = json.loads(peer.seen[5:].partition(b"\n")[0])
        (told,) = fetch(f"connz?subs=1&cid={info['client_id']}")["connections"]
        after = fetch("varz")
    finally:
        peer.close()
    return (
        [told[name] for name in TRAFFIC],
        [after[name] - before[name] for name in TRAFFIC],
        sorted(told.get("subscriptions_list", [])),
    )


@pytest.mark.parametrize("name", TALKS)
def test_traffic_is_counted_alike(name, arena):
    config = 'http: "127.0.0.1:-1"\n' + AUTH * (name == "denied")
    real, ours = (counted(server, TALKS[name]) for server in arena.pair(config))
    assert ours == real
