"""One connection to a NATS server, over nats-py, with failures as ``natskit.errors``.

The library tells of failures in callbacks, in lower case and at its own time. Here a refusal is raised by the call that
waits for the server's word (``confirm``, ``subscribe``), a connection that is over by whoever waits on ``closed``, and
everything else is one line for ``notice``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from natskit import subjects
from natskit.client.login import Login
from natskit.errors import AuthenticationError, DeniedError, Error, InvalidSubject, Unreachable, UsageError

__all__ = ["Connection", "Message", "connect", "shown"]

_log = logging.getLogger("natskit.client")

# What nats-py raises while it connects, besides what it forgets to catch in a peer's INFO line.
_FAILURES = (OSError, nats_errors.Error, ValueError, LookupError, TypeError, AttributeError, AssertionError)


class Message(NamedTuple):
    """A message as it arrived."""

    subject: str
    payload: bytes
    reply: str
    headers: Mapping[str, str] | None


_ABANDON_S = 0.25


class _GaveUp(Exception):
    """Leaves the library's endless loop of first attempts; never leaves this module."""

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason


async def connect(
    servers: str | Sequence[str] = "nats://localhost:4222",
    login: Login | None = None,
    *,
    name: str = "natskit",
    timeout_s: float = 2.0,
    reconnect_wait_s: float = 2.0,
    max_reconnects: int = -1,
    notice: Callable[[str], None] = _log.warning,
) -> Connection:
    """Connect to the first of ``servers`` (URLs, or one string with commas) that accepts the login.

    Each is tried once, for ``timeout_s``. Afterwards a lost connection is made again, ``max_reconnects`` times a server
    (-1: for ever). Raises Unreachable, AuthenticationError; and what is wrong with the login's files.
    """
    urls = servers.split(",") if isinstance(servers, str) else list(servers)
    urls = [_checked(url.strip()) for url in urls]
    failures: list[Error] = []
    for position in range(len(urls)):
        connection = Connection(notice)
        try:
            await connection._open(
                urls[position:] + urls[:position],
                login or Login(),
                name=name,
                connect_timeout=timeout_s,
                reconnect_time_wait=reconnect_wait_s,
                max_reconnect_attempts=max_reconnects,
                allow_reconnect=max_reconnects != 0,
            )
        except (Unreachable, AuthenticationError) as error:
            failures.append(error)
        else:
            return connection
    # A server that answered tells more than those that did not.
    refused = [error for error in failures if isinstance(error, AuthenticationError)]
    raise refused[0] if refused else Unreachable("; ".join(map(str, failures)) or "no server given")


def _checked(url: str) -> str:
    """The URL if it names a server. Raises UsageError."""
    try:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        usable = parts.scheme in ("nats", "tls", "ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f'"{shown(url)}" is not a NATS server', hint="a server is given as nats://host:4222")
    return url


def shown(url: str) -> str:
    """A server URL without user and password."""
    before, at, place = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return (scheme + slashes if slashes else "") + place if at else url


class Connection:
    """A live connection; made by `connect`, left by ``close`` or as an async context manager."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed.add_done_callback(asyncio.Future.exception)  # whoever does not wait for it does not want to know
        self._client = Client()
        self._notice = notice
        self._refusals: list[str] = []
        self._unconfirmed: dict[str, str] = {}  # lower case, as the library spells it -> the subject
        self._opened = False
        self._told = ""
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """The server connected to, without user and password."""
        url = self._client.connected_url
        return shown(url.geturl()) if url else ""

    @property
    def is_connected(self) -> bool:
        """Whether the server can be spoken to now."""
        return bool(self._client.is_connected)

    # ---- opening and closing

    async def _open(self, servers: list[str], login: Login, **options: Any) -> None:
        """Try the first of ``servers``; the others are for later."""
        # The library takes a public nkey only together with a seed and its own signer.
        self._client._public_nkey = login.public_nkey()
        options |= login.options()
        try:
            await self._client.connect(
                servers=servers,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnected,
                reconnected_cb=self._on_reconnected,
                closed_cb=self._on_closed,
                dont_randomize=True,
                **options,
            )
        except _GaveUp as end:
            await self._abandon()
            raise _connect_error(end.reason, servers[0], options["connect_timeout"]) from None
        except _FAILURES as error:
            await self._abandon()
            raise _connect_error(error, servers[0], options["connect_timeout"]) from None
        except BaseException:
            await self._abandon()
            raise
        self._opened = True
        if not self._client.is_connected:
            await self._await_verdict(servers[0], options["connect_timeout"])

    async def _await_verdict(self, server: str, timeout_s: float) -> None:
        """The library has read something else than the answer to its PING, or the end, and looks no further."""
        if self._client._transport is None or self._client._transport.at_eof():
            await self._abandon()
            raise _connect_error(nats_errors.UnexpectedEOF(), server, timeout_s)
        self._client._status = Client.CONNECTED
        try:
            await self.confirm(max(1, round(timeout_s)))
        except Error:
            await self._abandon()
            raise

    async def _abandon(self) -> None:
        self._closing = True
        # After a failed TLS handshake the library waits for a stream that nobody closes.
        with contextlib.suppress(OSError, nats_errors.Error):
            async with asyncio.timeout(_ABANDON_S):
                await self._client.close()

    async def close(self) -> None:
        """Send what is pending and close. Does nothing the second time."""
        self._closing = True
        with contextlib.suppress(OSError, nats_errors.Error):  # it is over either way
            await self._client.close()
        if not self.closed.done():
            self.closed.set_result(None)

    # ---- messages

    async def publish(
        self, subject: str, payload: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Hand a message to the connection; `confirm` says whether the server took it.

        Raises InvalidSubject, UsageError (too large, bad header), Unreachable.
        """
        _check_literal(subject)
        if reply:
            _check_literal(reply)
        self._unconfirmed[subject.lower()] = subject
        try:
            await self._client.publish(subject, payload, reply, dict(headers) if headers else None)
        except nats_errors.MaxPayloadError:
            limit = self._client.max_payload
            raise UsageError(f"the message has {len(payload)} bytes, the server takes {limit} at most") from None
        except nats_errors.BadHeaderError as error:
            raise UsageError(f"{error.key!r} cannot be the name of a header") from None
        except nats_errors.Error as error:
            raise self._lost(error) from None

    async def subscribe(
        self, subject: str, on_message: Callable[[Message], None], *, queue: str = "", limit: int = 0
    ) -> Subscription:
        """Call ``on_message`` for each message, up to ``limit`` (0: no limit). Returns once the server has agreed.

        What ``on_message`` raises ends the connection and is raised by ``closed``.
        Raises InvalidSubject, DeniedError, Unreachable.
        """
        subjects.validate(subject)
        if queue:
            subjects.validate(queue)
        self._unconfirmed[subject.lower()] = subject

        async def deliver(message: Msg) -> None:
            try:
                on_message(Message(message.subject, message.data, message.reply, message.headers))
            except Exception as error:  # noqa: BLE001 - handed on: the library would swallow it
                self._end(error)

        try:
            subscription = await self._client.subscribe(subject, queue=queue, cb=deliver)
            if limit:
                await subscription.unsubscribe(limit)
        except nats_errors.Error as error:
            raise self._lost(error) from None
        await self.confirm()
        return subscription

    async def request(
        self, subject: str, payload: bytes, *, headers: Mapping[str, str] | None = None, timeout_s: float = 5.0
    ) -> Message:
        """Publish and wait for one answer. Raises Unreachable if none comes, DeniedError, InvalidSubject."""
        _check_literal(subject)
        try:
            answer = await self._client.request(subject, payload, timeout_s, headers=dict(headers) if headers else None)
        except nats_errors.NoRespondersError:
            raise Unreachable(f'nobody answers requests on "{subject}"') from None
        except TimeoutError:
            await self.confirm()
            raise Unreachable(f'no answer on "{subject}" within {timeout_s:g} s') from None
        except nats_errors.Error as error:
            raise self._lost(error) from None
        return Message(answer.subject, answer.data, answer.reply, answer.headers)

    async def confirm(self, timeout_s: int = 10) -> None:
        """Wait until the server has handled all that was sent. Raises DeniedError for what it refused, Unreachable."""
        flush = asyncio.ensure_future(self._client.flush(timeout_s))
        try:
            await asyncio.wait({flush, self.closed}, return_when=asyncio.FIRST_COMPLETED)
            if not flush.done():
                raise self._lost(None)
            flush.result()
        except nats_errors.Error as error:
            raise self._lost(error) from None
        finally:
            flush.cancel()
        refusals, self._refusals = self._refusals, []
        self._unconfirmed.clear()
        if refusals:
            raise DeniedError("; ".join(dict.fromkeys(refusals)))

    def _lost(self, error: BaseException | None) -> Error:
        if self.closed.done() and not self.closed.cancelled():
            known = self.closed.exception()
            if isinstance(known, Error):
                return known
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self.url or 'the server'} does not answer")
        return Unreachable(f"the connection is lost: {_text(error or self._client.last_error)}")

    # ---- what the library reports

    async def _on_error(self, error: BaseException) -> None:
        if self._closing:
            return
        if not self._opened:
            raise _GaveUp(error)
        if isinstance(error, nats_errors.StaleConnectionError):
            return  # the loss is told by what comes next
        text = _text(error)
        if "permissions violation" in text and self._unconfirmed:
            self._refusals.append(self._refusal(text))
        elif text != self._told:  # once a second while the server is away
            self._told = text
            self._notice(text)

    def _refusal(self, text: str) -> str:
        """The server's word with the subject as we spelled it."""
        before, quote, rest = text.partition('"')
        subject, closing, after = rest.partition('"')
        subject = self._unconfirmed.get(subject, subject)
        return f"{before.replace('permissions violation', 'Permissions Violation')}{quote}{subject}{closing}{after}"

    async def _on_disconnected(self) -> None:
        if self._opened and not (self._closing or self._client.is_closed):
            self._told = ""
            self._notice("the connection is lost, trying to make it again")

    async def _on_reconnected(self) -> None:
        self._told = ""
        self._notice(f"connected again to {self.url}")

    async def _on_closed(self) -> None:
        if self._opened and not self._closing:
            self._end(_closed_error(self._client.last_error))

    def _end(self, error: Exception) -> None:
        if not self.closed.done():
            self.closed.set_exception(error)


def _check_literal(subject: str) -> None:
    subjects.validate(subject)
    if subjects.has_wildcard(subject):
        raise InvalidSubject(
            f'"{subject}" has wildcards: a message goes to one subject', subject=subject, hint="wildcards subscribe"
        )


# ---- failures in words ---------------------------------------------------------------------------


def _connect_error(failure: BaseException, server: str, timeout_s: float) -> Error:
    where = shown(server)
    text = _text(failure)
    if "uthoriz" in text or "uthentic" in text:
        return AuthenticationError(f"{where} refused the login: {text}")
    if isinstance(failure, TimeoutError):
        text = f"no answer within {timeout_s:g} s"
    return Unreachable(f"no connection to {where}: {text}")


def _closed_error(failure: BaseException | None) -> Error:
    text = _text(failure)
    if "uthoriz" in text or "uthentic" in text:
        return AuthenticationError(f"the server closed the connection: {text}")
    return Unreachable(f"the server closed the connection: {text}" if failure else "the connection is closed")


def _text(error: BaseException | None) -> str:
    """What went wrong, in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return error.strerror or "unknown host"
    if isinstance(error, nats_errors.Error):
        return str(error).removeprefix("nats: ").strip("'")
    if isinstance(error, OSError):
        refused = error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error)
        return "connection refused" if refused else error.strerror or str(error) or type(error).__name__
    return " ".join(str(error).split()) or type(error).__name__ if error else "no reason given"
