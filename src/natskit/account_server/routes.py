"""What is answered to which request. Source: spec/account-server.md section 1.

A path is looked up in its canonical form (no doubled or trailing slashes, fixed segments in lower case); other forms
are redirected there, which clients follow. The last segment becomes part of a file name only if it is an account key.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from natskit import __version__
from natskit.account_server.accounts import Accounts
from natskit.account_server.decoded import decoded
from natskit.account_server.options import Options
from natskit.errors import Error, StoreError
from natskit.jwt.chunks import MAX_TOKEN_BYTES

__all__ = ["Routes"]

_log = logging.getLogger("natskit.account_server")
_talk = logging.getLogger("natskit.account_server.talk")
_TRACE = 5

_BASE = "/jwt/v1"
_UNCACHED = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache", "Expires": "0"}
_STALE = "stale-while-revalidate=3600, stale-if-error=3600"
_PACK_BATCH = 64

_HELP = f"""\
nats-account-server (natskit {__version__})

GET  {_BASE}/accounts/       200 if the server is there: what a nats-server asks at its start
GET  {_BASE}/accounts/KEY    the account's JWT; 404 if there is none
       ?text=true             as text/plain
       ?decode=true           header, claims and signature, to read
       ?check=true            404 if it has expired
       ?notify=true           announce it to the nats-servers again
POST {_BASE}/accounts/KEY    replace it: the body is the bare token, signed by the operator
GET  {_BASE}/operator        the operator's JWT; text and decode as above
GET  {_BASE}/pack            KEY|JWT lines of all accounts; ?max=N for N at most
GET  {_BASE}/help            this text
GET  /healthz                 200 if the server is there

Configure a nats-server with

  operator: /path/to/operator.jwt
  resolver: URL({{url}}{_BASE}/accounts/)
"""

Handler = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]


class Routes:
    """The HTTP side: called with each request, gives its response."""

    def __init__(self, accounts: Accounts, options: Options) -> None:
        self._accounts = accounts
        self._options = options
        posting: Mapping[str, Handler] = {"POST": self._post_account} if accounts.store.writable else {}
        self._fixed: dict[str, Mapping[str, Handler]] = {
            f"{_BASE}/help": {"GET": self._help},
            "/healthz": {"GET": self._empty},
            f"{_BASE}/accounts": {"GET": self._check},
            f"{_BASE}/pack": {"GET": self._pack},
        }
        if accounts.operator:
            self._fixed[f"{_BASE}/operator"] = {"GET": self._operator}
        self._account: Mapping[str, Handler] = {"GET": self._get_account, **posting}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        if _talk.isEnabledFor(_TRACE):
            _talk.log(_TRACE, "%s: %s %s", request.remote, request.method, request.path_qs)
        response = await self._answer(request)
        if not response.prepared:
            _add_common_headers(request, response)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        canonical = _canonical(request.path)
        key = ""
        methods = self._fixed.get(canonical)
        if methods is None and canonical.startswith(f"{_BASE}/accounts/"):
            key = canonical.rpartition("/")[2]
            methods = self._account if canonical.count("/") == 4 else None
        if methods is None:
            return _not_found(canonical)
        if request.path not in (canonical, f"{_BASE}/accounts/"):
            return _redirect(request, canonical)
        method = "GET" if request.method == "HEAD" else request.method
        if method == "OPTIONS":
            return _options(request, methods)
        handler = methods.get(method)
        if handler is None:
            return self._not_allowed(methods, is_account=bool(key))
        return await handler(request, key)

    # ---- fixed places

    async def _help(self, request: web.BaseRequest, _: str) -> web.StreamResponse:
        return _text(_HELP.format(url=f"{request.scheme}://{request.host}"))

    async def _empty(self, _request: web.BaseRequest, _: str) -> web.StreamResponse:
        return web.Response()

    async def _check(self, _request: web.BaseRequest, _: str) -> web.StreamResponse:
        return web.Response(headers=_UNCACHED)

    async def _operator(self, request: web.BaseRequest, _: str) -> web.StreamResponse:
        assert self._accounts.operator
        token = self._accounts.operator.token
        return _for_people(request, token) or web.Response(body=token, content_type="application/jwt")

    async def _pack(self, request: web.BaseRequest, _: str) -> web.StreamResponse:
        limit = self._options.max_pack
        wanted = request.query.get("max", "")
        if wanted:
            try:
                number = int(wanted)
            except ValueError:
                return _error(400, f'bad max parameter "{wanted[:32]}"')
            if number > limit:
                return _error(400, f'bad max parameter "{number}", no more than {limit} are allowed')
            limit = number if number >= 0 else limit
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        _add_common_headers(request, response)
        await response.prepare(request)
        records = self._accounts.pack(limit)
        separator = b""
        while batch := list(itertools.islice(records, _PACK_BATCH)):
            await response.write(separator + b"\n".join(b"%b|%b" % (r.key.encode(), r.token) for r in batch))
            separator = b"\n"
        await response.write_eof()
        return response

    # ---- accounts

    async def _get_account(self, request: web.BaseRequest, key: str) -> web.StreamResponse:
        if request.query.get("jti"):
            return _error(501, "lookup by jti is no longer supported")
        try:
            record = self._accounts.find(key)
        except Error as error:
            _log.error("cannot serve account %s: %s", key[:12], error)
            return _error(500, "error loading JWT")
        if record is None:
            return _error(404, "no matching account JWT")
        if people := _for_people(request, record.token):
            return people
        now = self._accounts.now
        if _flag(request, "check") and 0 < record.expires < now:
            return _error(404, "the account JWT has expired")
        etag = f'"{record.id}"'
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304)
        if _flag(request, "notify"):
            self._accounts.announce(record)
        headers = {"Etag": etag, "Cache-Control": f"max-age={max(record.expires - now, 0)}, {_STALE}"}
        return web.Response(body=record.token, content_type="application/jwt", headers=headers)

    async def _post_account(self, request: web.BaseRequest, key: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._options.read_timeout_s):
                body = await _body(request)
        except TimeoutError:
            return _closing(_error(408, "the request did not arrive in time"))
        if body is None:
            return _closing(_error(413, f"too large: a JWT has {MAX_TOKEN_BYTES} bytes at most"))
        try:
            await self._accounts.replace(key, body)
        except StoreError as error:
            _log.error("error saving JWT of %s: %s", key[:12], error)
            return _error(500, "error saving JWT")
        except Error as error:
            _log.info("refused a JWT for %s: %s", key[:12], str(error).replace("\n", " "))
            return _error(400, str(error))
        return web.Response()

    def _not_allowed(self, methods: Mapping[str, Handler], *, is_account: bool) -> web.Response:
        reason = (
            ": this account server only reads its store" if is_account and not self._accounts.store.writable else ""
        )
        response = _error(405, f"Method Not Allowed{reason}")
        response.headers["Allow"] = _allowed(methods)
        return response


# ---- requests --------------------------------------------------------------------------------------


def _canonical(path: str) -> str:
    """The path without empty segments, fixed segments in lower case."""
    segments = [segment for segment in path.split("/") if segment]
    fixed = 1 if len(segments) == 1 else 3
    return "/" + "/".join([*(segment.lower() for segment in segments[:fixed]), *segments[fixed:]])


def _flag(request: web.BaseRequest, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


async def _body(request: web.BaseRequest) -> bytes | None:
    """The whole body; None if it is larger than any token."""
    limit = MAX_TOKEN_BYTES + 2  # a line end is fine
    if (request.content_length or 0) > limit:
        return None
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > limit:
            return None
    return bytes(data)


# ---- responses -------------------------------------------------------------------------------------


def _text(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": "text/plain", "X-Content-Type-Options": "nosniff"})


def _error(status: int, text: str) -> web.Response:
    return web.Response(
        status=status,
        body=f"{text}\n".encode(errors="replace"),
        headers={"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"},
    )


def _closing(response: web.Response) -> web.Response:
    """A response after which the connection is over: the rest of the request was not read."""
    response.force_close()
    return response


def _not_found(path: str) -> web.Response:
    if path.startswith(f"{_BASE}/activations"):
        return _error(404, "activations are not hosted: give the token itself to `nsc add import --token`")
    return _error(404, "404 page not found")


def _for_people(request: web.BaseRequest, token: bytes) -> web.Response | None:
    """The token as ``text`` or ``decode`` ask for it."""
    if _flag(request, "text"):
        return _text(token.decode("ascii", "replace"))
    if not _flag(request, "decode"):
        return None
    try:
        return _text(decoded(token))
    except Error as error:
        _log.error("cannot decode a stored JWT: %s", error)
        return _error(500, "error loading JWT")


def _redirect(request: web.BaseRequest, path: str) -> web.Response:
    location = request.rel_url.with_path(path).with_query(request.rel_url.query)
    return web.Response(status=301 if request.method in ("GET", "HEAD") else 308, headers={"Location": str(location)})


def _allowed(methods: Mapping[str, Handler]) -> str:
    return ", ".join([*methods, "OPTIONS"])


def _options(request: web.BaseRequest, methods: Mapping[str, Handler]) -> web.Response:
    """The answer to a browser that asks beforehand, or to whoever wants to know."""
    headers = {"Allow": _allowed(methods)}
    wanted = request.headers.get("Access-Control-Request-Method")
    if wanted:
        headers["Vary"] = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        if wanted in ("GET", "POST"):
            headers["Access-Control-Allow-Methods"] = wanted
            headers["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "")
    return web.Response(headers=headers)


def _add_common_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    headers = response.headers
    headers["Server"] = f"natskit/{__version__}"
    headers.setdefault("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = "Authorization"
