"""Requests that servers answer themselves: some in every account, about whoever asks; more in the system account.

Source: spec/server-accounts.md section 8.
"""

from __future__ import annotations

from collections.abc import Iterator

from natskit.graph.flow import Flow

__all__ = ["EXPORTED", "IN_EVERY_ACCOUNT", "IN_THE_SYSTEM_ACCOUNT", "served"]

IN_EVERY_ACCOUNT = {
    "$SYS.REQ.USER.INFO": "who the user is and what it may do",
    "$SYS.REQ.SERVER.PING.CONNZ": "connections of the account",
    "$SYS.REQ.ACCOUNT.PING.CONNZ": "connections of the account",
    "$SYS.REQ.ACCOUNT.PING.STATZ": "statistics of the account",
}
"""Subjects, and what the answer is about."""

IN_THE_SYSTEM_ACCOUNT = {
    "$SYS.REQ.>": "servers, accounts and their users",
    "$SYS.DEBUG.SUBSCRIBERS": "how many subscribe to a subject",
}

EXPORTED = ("$SYS.REQ.ACCOUNT.*.CONNZ", "$SYS.REQ.ACCOUNT.*.STATZ", "$SYS.REQ.USER.*.INFO", "$SYS.DEBUG.SUBSCRIBERS")
"""Services that the system account of nats-server exports whatever its token says."""


def served(flow: Flow, *, is_system: bool) -> Iterator[tuple[Flow, str]]:
    """The parts of ``flow``, published in an account, that servers answer, and what the answers are about."""
    for subject, what in (IN_THE_SYSTEM_ACCOUNT if is_system else IN_EVERY_ACCOUNT).items():
        here = flow.within(subject)
        if here is not None:
            yield here, what
