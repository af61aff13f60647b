"""WebSocket, case by case, against the real server."""

from __future__ import annotations

import re
import socket
import zlib

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import wait_for
from tests.differential.duel import normal

from support.certificates import save
from support.websocket import BROWSER, CLOSE, DEFLATE, PING, PONG, SAFARI, TEXT, RawWebSocket, deflated, frame, request

C = frame(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\n')


def listening(more="", top="max_payload: 1000"):
    return f'{top}\nwebsocket {{ listen: "127.0.0.1:-1", no_tls: true, handshake_timeout: "5s"\n{more}\n}}'


PLAIN = listening()
COMPRESSED = listening("compression: true")

# ---- the handshake ---------------------------------------------------------------------------------

REQUESTS = {
    "granted": request(),
    "any_path": request("/some/where?and=more"),
    "http_1_0": request(version="1.0"),
    "post": request(method="POST"),
    "no_host_http_1_0": request(version="1.0", without=("Host",)),
    "mqtt": request("/mqtt"),
    "mqtt_below": request("/a/mqtt"),
    "no_upgrade": request(without=("Upgrade",)),
    "upgrade_to_something_else": request(Upgrade="h2c"),
    "upgrade_with_more_letters": request(Upgrade="xwebsocket"),
    "upgrade_in_a_list": request(Upgrade="h2c, WebSocket"),
    "no_connection": request(without=("Connection",)),
    "connection_something_else": request(Connection="keep-alive"),
    "connection_in_a_list": request(Connection="keep-alive, UPGRADE"),
    "no_key": request(without=("Sec-WebSocket-Key",)),
    "short_key": request(Sec_WebSocket_Key="abc"),
    "key_of_15_bytes": request(Sec_WebSocket_Key="MDEyMzQ1Njc4OWFiY2Rl"),
    "no_version": request(without=("Sec-WebSocket-Version",)),
    "version_12": request(Sec_WebSocket_Version="12"),
    "origin_without_rules": request(Origin="https://else.where"),
    "no_masking": request(Nats_No_Masking="true"),
    "no_masking_in_capitals": request(Nats_No_Masking="TRUE"),
    "masking": request(Nats_No_Masking="false"),
    "deflate_not_configured": request(**DEFLATE),
    "subprotocol_is_not_agreed": request(Sec_WebSocket_Protocol="nats"),
    "garbage": b"\x16\x03\x01\x02\x00\r\n\r\n",
    "no_request_line": b"hello\r\n\r\n",
    "http_2_0": request(version="2.0"),
    "data_before_the_answer": request() + frame(b"PING\r\n"),
    "body_before_the_answer": request(Content_Length="3") + b"abc",
}
DEFLATE_OFFERS = {
    "plain": "permessage-deflate",
    "with_client_bits": "permessage-deflate; client_max_window_bits",
    "with_server_bits": "permessage-deflate;server_max_window_bits=10",
    "among_others": "foo, permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "in_capitals": "Permessage-Deflate",
    "something_else": "permessage-bzip2",
    "none": "",
}
ANSWERS = ("date", "connection")
"""Headers of refusals that are not compared: ours ends the connection after one."""


def answered(port: int, data: bytes) -> tuple[str, dict[str, str], bytes]:
    """Status line, headers and body of the answer; a refusal of ours ends the connection."""
    client = RawWebSocket(port)
    client.sock.settimeout(2)
    try:
        client.send(data)
        seen = b""
        while not re.search(rb"\r\n\r\n.*\S", seen, re.DOTALL) and (piece := _receive(client)):
            seen += piece
    finally:
        client.close()
    head, _, body = seen.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    upgraded = " 101 " in status
    told = {name: value for name, value in headers.items() if upgraded or name not in ANSWERS}
    return (
        status.replace("HTTP/1.0", "HTTP/1.1").partition(": ")[0],
        told,
        b"" if upgraded else body.partition(b": ")[0],
    )


def _receive(client: RawWebSocket) -> bytes:
    try:
        return client.sock.recv(1 << 16)
    except ConnectionError:
        return b""


def compare_answers(arena, config, data):
    real, ours = arena.pair(config)
    assert answered(ours.websocket_port, data) == answered(real.websocket_port, data)


@pytest.mark.parametrize("name", REQUESTS)
def test_handshake(name, arena):
    compare_answers(arena, PLAIN, REQUESTS[name])


UNREADABLE = {"garbage", "no_request_line", "http_2_0"}
"""No HTTP: ours says why in the log, the real server says nothing."""


def test_log_says_why_a_request_is_refused(arena, caplog):
    real, ours = arena.pair(PLAIN)
    for name in REQUESTS.keys() - UNREADABLE:
        for server in (real, ours):
            answered(server.websocket_port, REQUESTS[name])
    reason = re.compile(r"websocket handshake error: .*")
    got = reason.findall(caplog.text)
    assert len(got) > 10
    wait_for(lambda: reason.findall(real.log.read_text())[-len(got) :] == got, lambda: f"the same as {got}")


def test_there_are_no_leaf_nodes(arena):
    real, ours = arena.pair(PLAIN)
    assert answered(real.websocket_port, request("/leafnode"))[0] == "HTTP/1.1 101 Switching Protocols"
    assert answered(ours.websocket_port, request("/leafnode"))[0] == "HTTP/1.1 404 Not Found"


@pytest.mark.parametrize("name", DEFLATE_OFFERS)
def test_offers_of_compression(name, arena):
    compare_answers(arena, COMPRESSED, request(Sec_WebSocket_Extensions=DEFLATE_OFFERS[name]))


def test_configured_headers_are_sent(arena):
    compare_answers(arena, listening("headers { X-One: two, Strict-Transport-Security: 'max-age=1' }"), request())


ORIGINS = {
    "same": "same_origin: true",
    "listed": 'allowed_origins: ["http://a.example", "https://b.example:8443"]',
    "both": 'same_origin: true, allowed_origins: "http://127.0.0.1"',
    "both_never": 'same_origin: true, allowed_origins: "http://a.example"',
}
PAGES = ("http://127.0.0.1", "http://127.0.0.1:80", "https://127.0.0.1", "http://127.0.0.1:81", "http://a.example", "http://A.EXAMPLE:80", "https://b.example:8443",
         "https://b.example", "http://a.example/path", "null", "", "http://%zz", "http://127.0.0%2e1", "ftp://a.example", "a.example", "http://a.example.evil")  # fmt: skip


@pytest.mark.parametrize("name", ORIGINS)
@pytest.mark.parametrize("page", PAGES)
def test_origins(name, page, arena):
    compare_answers(arena, listening(ORIGINS[name]), request(Origin=page))


def test_origin_of_old_browsers(arena):
    compare_answers(arena, listening(ORIGINS["same"]), request(Sec_WebSocket_Origin="http://a.example"))


def test_same_origin_with_a_port(arena):
    compare_answers(
        arena, listening(ORIGINS["same"]), request(Host="example.com:8080", Origin="http://example.com:8080")
    )


# ---- frames ----------------------------------------------------------------------------------------


def conversation(port: int, data: bytes, ends: bool, headers: dict[str, str]) -> dict[str, object]:
    """What comes back for frames sent after INFO."""
    client = RawWebSocket.open(port, **headers)
    try:
        client.send(data)
        if ends:
            client.expect_end()
        else:
            client.sync()
        assert not ends or client.ended
        return {
            "said": normal(client.said, client.ended),
            "pongs": client.pongs,
            "goodbye": client.goodbye,
            "compressed": any(rsv1 for _, _, _, rsv1 in client.frames[1:]),
        }
    finally:
        client.close()


def compare(arena, data, *, config=PLAIN, ends=False, **headers):
    real, ours = arena.pair(config)
    expected = conversation(real.websocket_port, data, ends, headers)
    assert conversation(ours.websocket_port, data, ends, headers) == expected


def close(status: int, text: bytes = b"") -> bytes:
    return frame(status.to_bytes(2, "big") + text, CLOSE)


TALKS = {
    "verbs": C + frame(b"SUB foo 1\r\nPUB foo 2\r\nhi\r\n"),
    "text_frames": frame(b"PING\r\n", TEXT),
    "a_verb_in_two_frames": frame(b"PI") + frame(b"NG\r\n"),
    "a_verb_in_fragments": frame(b"PI", fin=False) + frame(b"N", 0, fin=False) + frame(b"G\r\n", 0),
    "control_frame_between_fragments": frame(b"PI", fin=False) + frame(b"x", PING) + frame(b"NG\r\n", 0),
    "empty_frames": frame(b"") + frame(b"", fin=False) + frame(b"", 0) + frame(b"PING\r\n"),
    "lengths_in_more_bytes_than_needed": frame(b"PING\r\n", size=2) + frame(b"PING\r\n", size=8),
    "long_frame": C + frame(b"SUB a 1\r\n" + b"PUB a 900\r\n" + b"x" * 900 + b"\r\n"),
    "longer_than_any_message": C + frame(b"SUB a 1\r\n" + b"PUB a 5\r\nhello\r\n" * 9000),
    "ping": frame(b"hi", PING) + frame(b"", PING) + frame(b"h" * 125, PING),
    "pong_is_passed_over": frame(b"hi", PONG) + frame(b"x", PING),
    "headers": C + frame(b"SUB a 1\r\nHPUB a 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n"),
    "no_responders": C + frame(b"SUB in.* 1\r\nPUB nobody in.1 0\r\n\r\n"),
    "invalid_subject": C + frame(b"SUB a..b 1\r\n"),
}  # fmt: skip
ENDS = {
    "close": close(1000),
    "close_with_text": close(1000, b"bye"),
    "close_without_status": frame(b"", CLOSE),
    "close_with_another_status": close(3000),
    "close_with_a_text_that_is_none": close(1000, b"\xff"),
    "nothing_is_read_after_close": close(1001) + frame(b"PING\r\n"),
    "what_came_before_close_is_done": C + frame(b"SUB a 1\r\nPUB a 1\r\nx\r\n") + close(1000, b"bye"),
    "max_payload": C + frame(b"PUB a 1001\r\n"),
    "control_line": C + frame(b"SUB " + b"a" * 5000 + b" 1\r\n"),
    "protocol": frame(b'CONNECT {"protocol":5}\r\n'),
    "no_responders_without_headers": frame(b'CONNECT {"no_responders":true}\r\n'),
    "error_from_client": C + frame(b"-ERR x\r\n"),
}


@pytest.mark.parametrize("name", TALKS)
def test_frames(name, arena):
    compare(arena, TALKS[name])


@pytest.mark.parametrize("name", ENDS)
def test_ends(name, arena):
    compare(arena, ENDS[name], ends=True)


@pytest.mark.parametrize("status", [1012, 1013, 1014, 4999])
def test_close_status_is_returned(status, arena):
    compare(arena, close(status), ends=True)


def test_unmasked_frames_after_no_masking(arena):
    data = frame(b"SUB a 1\r\nPUB a 1\r\nx\r\n", masked=False) + frame(b"x", PING, masked=False)
    compare(arena, data, **{"Nats-No-Masking": "true"})


FAULTS = {
    "not_masked": frame(b"PING\r\n", masked=False),
    "unknown_opcode": frame(b"", 3),
    "unknown_control_opcode": frame(b"", 11),
    "reserved_bit": frame(b"PING\r\n", rsv=2),
    "compressed_without_agreement": frame(deflated(b"PING\r\n"), rsv=4),
    "continuation_of_nothing": frame(b"PING\r\n", 0),
    "message_within_a_message": frame(b"PI", fin=False) + frame(b"NG\r\n"),
    "long_control_frame": frame(b"h" * 126, PING),
    "fragment_of_a_control_frame": frame(b"", PING, fin=False),
    "compressed_control_frame": frame(b"x", PING, rsv=4),
    "length_of_64_bits": bytes([0x82, 0xFF]) + b"\xff" * 8 + b"\0\0\0\0",
    "close_with_one_byte": frame(b"\x03", CLOSE),
    **{f"close_with_{status}": close(status) for status in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)},
}
DEFLATED_FAULTS = {
    "corrupt": frame(b"\xff\xff\xff", rsv=4),
    "empty": frame(b"", rsv=4) + frame(b"x", PING),
    "breaks_off": frame(deflated(b"PING\r\n" * 50)[:5], rsv=4),
    "continuation_says_so_too": frame(deflated(b"PING\r\n")[:2], rsv=4, fin=False)
    + frame(deflated(b"PING\r\n")[2:], 0, rsv=4),
    "inflates_to_too_much": frame(deflated(b"PING\r\n" + b"+OK" + b" " * 990 + b"\r\n"), rsv=4),
    "bomb": frame(deflated(b"+OK\r\n" * 1_000_000), rsv=4),
    "is_too_long_already": frame(b"\x55" * 8001, rsv=4),
    "is_too_long_already_in_fragments": (frame(b"\x55" * 4000, rsv=4, fin=False) + frame(b"\x55" * 4001, 0)),
}


def lost(arena, data, config, headers=None):
    """Both servers end the connection, ours without a word; nats-server now and then gets one out before."""
    real, ours = arena.pair(config)
    for server in (real, ours):
        client = RawWebSocket.open(server.websocket_port, **headers or {})
        info = client.said
        client.send(data)
        client.expect_end()
        client.close()
        if server is ours:
            assert (client.said, client.goodbye) == (info, None)


@pytest.mark.parametrize("name", FAULTS)
def test_faults_end_the_connection(name, arena):
    lost(arena, FAULTS[name], PLAIN)


@pytest.mark.parametrize("name", DEFLATED_FAULTS)
def test_faults_of_compression_end_the_connection(name, arena):
    lost(arena, DEFLATED_FAULTS[name], COMPRESSED, DEFLATE)


def test_masked_frame_after_no_masking_ends_the_connection(arena):
    lost(arena, frame(b"PING\r\n"), PLAIN, {"Nats-No-Masking": "true"})


# ---- compression and browsers ------------------------------------------------------------------------

_final = zlib.compressobj(9, zlib.DEFLATED, -15)
FINAL_BLOCK = _final.compress(b"PING\r\n") + _final.flush()
COMPRESSED_TALKS = {
    "message": frame(deflated(b"PING\r\n"), rsv=4),
    "plain_message_all_the_same": frame(b"PING\r\n"),
    "message_in_fragments": frame(deflated(b"PING\r\n")[:3], rsv=4, fin=False) + frame(b"x", PING) + frame(deflated(b"PING\r\n")[3:], 0),
    "as_much_as_a_payload": frame(deflated(b"PING\r\n" + b"+OK" + b" " * 989 + b"\r\n"), rsv=4),
    "with_a_last_block": frame(FINAL_BLOCK, rsv=4),
    "with_bytes_behind_the_last_block": frame(FINAL_BLOCK + b"junk", rsv=4),
    "answer_is_compressed": frame(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 500\r\n' + b"ab" * 250 + b"\r\n"),
    "short_answer_is_not": frame(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 5\r\nhello\r\n'),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPRESSED_TALKS)
def test_compression(name, arena):
    compare(arena, COMPRESSED_TALKS[name], config=COMPRESSED, **DEFLATE)


@pytest.mark.parametrize(("size", "compressed"), [(50, False), (51, True)])
def test_more_than_64_bytes_at_once_are_compressed(size, compressed, arena):
    for server in arena.pair(COMPRESSED):
        client = RawWebSocket.open(server.websocket_port, **DEFLATE)
        client.send(frame(b'CONNECT {"verbose":false}\r\nSUB a 1\r\n'))
        client.sync()
        client.send(frame(b"PUB a %d\r\n%b\r\n" % (size, b"x" * size)))
        client.until(lambda client=client: b"MSG a 1 " in client.said)
        assert client.frames[-1][2:] == (True, compressed)
        client.close()


NOISE = bytes(zlib.crc32(b"%d" % at) % 251 for at in range(10_000))
LARGE = frame(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 10000\r\n' + NOISE + b"\r\n")


@pytest.mark.parametrize(
    ("headers", "small", "fragments"),
    [({}, False, False), (BROWSER, True, False), (SAFARI, True, False), (DEFLATE, False, False), (BROWSER | DEFLATE, True, True), (SAFARI | DEFLATE, False, False)],
)  # fmt: skip
def test_browsers_get_small_frames(headers, small, fragments, arena):
    for server in arena.pair(listening("compression: true", top="")):
        client = RawWebSocket.open(server.websocket_port, **headers)
        client.send(LARGE)
        client.until(lambda client=client: NOISE + b"\r\n" in client.said)
        assert (max(size for _, size, _, _ in client.frames) <= 4096) is small
        assert any(not fin for _, _, fin, _ in client.frames) is fragments
        client.close()


# ---- logging in ------------------------------------------------------------------------------------

USERS = """authorization { users: [{user: u, password: p}, {user: w, password: p}, {user: t, password: p, allowed_connection_types: [STANDARD]},
  {user: x, password: p, allowed_connection_types: [websocket]}] }"""
LOGINS = {
    "user": (b'{"user":"u","pass":"p"}', {}, False),
    "wrong_password": (b'{"user":"u","pass":"x"}', {}, True),
    "user_of_tcp_only": (b'{"user":"t","pass":"p"}', {}, True),
    "user_of_websocket_only": (b'{"user":"x","pass":"p"}', {}, False),
    "nobody": (b"{}", {}, False),
    "cookies": (b"{}", {"Cookie": 'a=b; cu=u; cp="p"'}, False),
    "wrong_cookie": (b"{}", {"Cookie": "cu=u; cp=x"}, True),
    "connect_wins_over_cookies": (b'{"user":"w","pass":"p"}', {"Cookie": "cu=u; cp=x"}, False),
    "cookie_for_what_connect_leaves_out": (b'{"user":"w"}', {"Cookie": "cp=p"}, False),
}


@pytest.mark.parametrize("name", LOGINS)
def test_login(name, arena):
    document, headers, refused = LOGINS[name]
    config = listening("no_auth_user: w, user_cookie: cu, pass_cookie: cp", top=USERS)
    compare(arena, frame(b"CONNECT " + document + b"\r\n"), config=config, ends=refused, **headers)


def test_no_auth_user_of_websocket_without_connect(arena):
    config = listening("no_auth_user: w, user_cookie: cu, pass_cookie: cp", top=USERS)
    compare(arena, frame(b"SUB a 1\r\n"), config=config)


def test_no_auth_user_of_websocket_is_none_elsewhere(arena, duel):
    config = listening("no_auth_user: w, user_cookie: cu, pass_cookie: cp", top=USERS)
    duel([("x", b"SUB a 1\r\n")], config=config, ends=("x",))


@pytest.mark.parametrize(
    ("document", "headers", "refused"),
    [
        (b'{"auth_token":"tt"}', {}, False),
        (b'{"user":"g","pass":"g"}', {}, True),
        (b"{}", {"Cookie": "ct=tt"}, False),
        (b"{}", {}, True),
    ],
)
def test_login_of_websocket_replaces_the_other(document, headers, refused, arena):
    config = listening("authorization { token: tt }, token_cookie: ct", top="authorization { user: g, password: g }")
    compare(arena, frame(b"CONNECT " + document + b"\r\n"), config=config, ends=refused, **headers)


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b'CONNECT {"user":"a","pass":"b"}\r\n', False),
        (b"CONNECT {}\r\n", True),
        (b"PING\r\n", True),
    ],
)
def test_only_websocket_has_a_login(data, refused, arena):
    compare(arena, frame(data), config=listening("authorization { username: a, password: b }", top=""), ends=refused)


def test_too_many_connections(arena):
    config = listening(top="max_connections: 0")
    for server in arena.pair(config):
        client = RawWebSocket.open(server.websocket_port)
        client.expect_end()
        assert client.said.endswith(b"-ERR 'maximum connections exceeded'\r\n")
        assert client.goodbye == b"\x03\xf0Maximum Connections Exceeded"
        client.close()


def test_clients_of_both_listeners_are_counted_together(arena):
    for server in arena.pair(listening(top="max_connections: 1")):
        with socket.create_connection(("127.0.0.1", server.port), 5) as first:
            assert first.recv(5) == b"INFO "
            client = RawWebSocket.open(server.websocket_port)
            client.expect_end()
            assert client.said.endswith(b"-ERR 'maximum connections exceeded'\r\n")
            client.close()


@pytest.mark.parametrize("more", ["authorization { username: a, password: b, timeout: 0.1 }", 'ping_interval: "60ms"'])
def test_silent_clients_are_closed_as_the_block_says(more, arena):
    compare(arena, b"", config=listening(more, top=""), ends=True)


def test_end_of_the_server_is_told(arena):
    config = listening(top="max_payload: 1001")
    pair = arena.pair(config)
    clients = [RawWebSocket.open(server.websocket_port) for server in pair]
    arena.stop_pair(config)
    for client in clients:
        client.expect_end()
        assert client.goodbye == b"\x03\xe9Server Shutdown"
        client.close()


def test_http_instead_of_tls_is_told_so(arena, tmp_path):
    save(tmp_path, "server", trustme.CA().issue_cert("127.0.0.1"))
    tls = f'tls {{ cert_file: "{tmp_path}/server.pem", key_file: "{tmp_path}/server.key" }}'
    compare_answers(arena, f'websocket {{ listen: "127.0.0.1:-1", {tls} }}', request())


# ---- any way of cutting ------------------------------------------------------------------------------

SCRIPT = (
    b'CONNECT {"verbose":true,"pedantic":false,"headers":true,"no_responders":true}\r\nSUB a.* 1\r\nPUB a.b 5\r\nhello\r\n'
    b"HPUB a.c 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\nPUB nobody in 0\r\n\r\nUNSUB 1 3\r\nPUB a.b 300\r\n" + b"x" * 300 + b"\r\nSUB a..b 2\r\n"
)  # fmt: skip


@st.composite
def framings(draw):
    """The script in frames of any kind: plain, compressed, fragmented, with control frames between."""
    cuts = sorted(draw(st.sets(st.integers(1, len(SCRIPT) - 1), max_size=6)))
    out = []
    for begin, end in zip([0, *cuts], [*cuts, len(SCRIPT)], strict=True):
        piece = SCRIPT[begin:end]
        compressed = draw(st.booleans())
        data = deflated(piece) if compressed else piece
        split = draw(st.integers(0, len(data)))
        rsv = 4 if compressed else 0
        opcode = draw(st.sampled_from([1, 2]))
        if draw(st.booleans()):
            out += [frame(data[:split], opcode, rsv=rsv, fin=False), frame(data[split:], 0)]
            if draw(st.booleans()):
                out.insert(-1, frame(b"between", PING))
        else:
            out.append(frame(data, opcode, rsv=rsv))
    return b"".join(out)


def test_any_framing_says_the_same(arena):
    real, ours = arena.pair(COMPRESSED)

    def said(port, data):
        client = RawWebSocket.open(port, **DEFLATE)
        client.send(data)
        client.sync()
        client.close()
        return normal(client.said, client.ended), client.pongs

    expected = said(real.websocket_port, frame(SCRIPT))[0]

    @given(framings())
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def check(data):
        got, pongs = said(ours.websocket_port, data)
        assert got == expected
        assert len(pongs) == data.count(frame(b"between", PING))

    check()
