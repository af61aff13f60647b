"""The configuration file of the account server."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit.account_server import AccountServer, Directory, Memory, NatsOptions, Nsc, Options
from natskit.account_server.options import LogOptions, parse_address
from natskit.errors import ConfigError, Error, UsageError

EVERYTHING = """
OperatorJwtPath: /etc/op.jwt
systemaccountjwtpath: "~/sys.jwt"
maxreplicationpack: 50
replicationtimeout: 5000
logging { time: false, debug: true, trace: "true", colors: false, pid: true }
http {
  host: 0.0.0.0, port: "8080", readtimeout: 1500, writetimeout: 2000
  tls { cert: c.pem, key: k.pem }
}
nats {
  servers: [ "nats://a:4222", "nats://b:4222" ]
  connecttimeout: 100, reconnectwait: 250, maxreconnects: 3
  usercredentials: sys.creds
  tls { root: ca.pem, cert: c2.pem, key: k2.pem }
}
store { dir: "./jwts", shard: true, readonly: "false" }
"""


def load(tmp_path: Path, text: str) -> Options:
    path = tmp_path / "account-server.conf"
    path.write_text(text)
    return Options.load(str(path))


def test_every_key_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, EVERYTHING) == Options(
        store=Directory("./jwts", sharded=True),
        host="0.0.0.0",
        port=8080,
        operator="/etc/op.jwt",
        system_account=str(Path("~/sys.jwt").expanduser()),
        nats=NatsOptions(
            servers=("nats://a:4222", "nats://b:4222"),
            credentials="sys.creds",
            connect_timeout_s=0.1,
            reconnect_wait_s=0.25,
            max_reconnects=3,
            tls_ca="ca.pem",
            tls_cert="c2.pem",
            tls_key="k2.pem",
        ),
        read_timeout_s=1.5,
        write_timeout_s=2.0,
        tls_cert="c.pem",
        tls_key="k.pem",
        max_pack=50,
        log=LogOptions(time=False, debug=True, trace=True),
    )


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Options() == Options(host="localhost", port=9090, store=Memory())
    assert load(tmp_path, "store { nsc: /s/O }").store == Nsc("/s/O")
    assert load(tmp_path, "nats { servers: nats://one }").nats.servers == ("nats://one",)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("\nhttp { prt: 1 }", ":2:", "prt"),
        ("http { port: 70000 }", ":1:", "0 to 65535"),
        ("http { readtimeout: 0 }", ":1:", "milliseconds"),
        ("http { readtimeout: 2s }", ":1:", "whole number"),
        ("store: 5", ":1:", "map"),
        ("store { shard: maybe }", ":1:", "true or false"),
        ("primary: http://x", ":1:", "replicas are not supported"),
        ("signrequestsubject: s", ":1:", "not supported"),
        ("operatorjwtpath: [ a ]", ":1:", "text"),
        ("store { dir: a, nsc: b }", "", "different stores"),
        ("http {", ":1:", ""),
    ],
)
def test_faults_have_their_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert place in str(caught.value)
    assert words in str(caught.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "foo: 1\nhttp { port: x }\nnats { servers: 1, bar: 2 }")
    assert [word in str(caught.value) for word in ("foo", "port", "bar")] == [True] * 3


@given(st.text(max_size=100))
def test_no_text_raises_anything_but_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    try:
        load(tmp_path_factory.getbasetemp(), text.encode("utf-8", "replace").decode())
    except Error as error:
        assert isinstance(error, ConfigError)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:9090", ("localhost", 9090)),
        (":0", ("", 0)),
        ("[::1]:80", ("::1", 80)),
        ("1.2.3.4:5", ("1.2.3.4", 5)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:70000", "::1:80", "host:-1", "host:１"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="error parsing hostport"):
        parse_address(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(tls_cert="c.pem"), "certificate and its key"),
        (Options(nats=NatsOptions(credentials="x")), "without a server"),
    ],
)
async def test_options_that_do_not_fit_together_are_refused_before_anything_opens(options: Options, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        await AccountServer(options).start()
