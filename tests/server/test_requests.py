"""Requests to the server that make no sense."""

from __future__ import annotations

import asyncio
import json

import pytest

from natskit.nkeys import KeyPair, Role
from natskit.server import Server


async def test_orders_are_for_the_server_that_they_name():
    answers = []
    other = KeyPair.create(Role.SERVER).public
    async with Server("listen: 127.0.0.1:-1") as server:
        space = server.accounts.system.space
        space.subscribe_internal(b"in", lambda subject, reply, headers, payload, publisher: answers.append(payload))
        for whom in ("PING", other):
            for order in ("KICK", "LDM", "RELOAD"):
                subject = f"$SYS.REQ.SERVER.{whom}.{order}"
                space.publish_internal(subject.encode(), reply=b"in", payload=b'{"cid":5}')
        await asyncio.sleep(0)
    assert answers == []


@pytest.mark.parametrize(
    ("subject", "body", "code"),
    [
        ("$SYS.REQ.SERVER.{id}.KICK", {"cid": [1]}, 500),
        ("$SYS.REQ.SERVER.{id}.KICK", {"cid": "5"}, 500),
        ("$SYS.REQ.SERVER.{id}.LDM", {"cid": [1]}, 500),
        ("$SYS.REQ.SERVER.{id}.LDM", [], 400),
        ("$SYS.REQ.SERVER.PING.STATSZ", {"tags": 5}, 400),
        ("$SYS.REQ.ACCOUNT.PING.STATZ", {"accounts": 5}, 400),
        ("$SYS.REQ.ACCOUNT.A.INFO", {"tags": {"a": 1}}, 400),
        ("$SYS.REQ.ACCOUNT.A.INFO", [], 400),
        ("$SYS.REQ.SERVER.PING.STATSZ", b'{"tags":"\xff"}', 400),
    ],
)
async def test_request_of_the_wrong_shape_is_answered_with_an_error(subject, body, code):
    answers = []
    async with Server("listen: 127.0.0.1:-1") as server:
        space = server.accounts.system.space
        space.subscribe_internal(b"in", lambda subject, reply, headers, payload, publisher: answers.append(payload))
        subject = subject.format(id=server.id)
        space.publish_internal(
            subject.encode(), reply=b"in", payload=body if isinstance(body, bytes) else json.dumps(body).encode()
        )
    assert [json.loads(each)["error"]["code"] for each in answers] == [code]
