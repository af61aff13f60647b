"""Stories of docs/push.md: accounts go to an account server; and from the embedded server to a cluster, unchanged."""

import pytest

from conftest import Engine, wait_for
from natskit import jwt

DATA = ".local/share/nats/nsc"


@pytest.fixture
def shop(home):
    """A home with an operator, a system account, and accounts A and B."""
    home.run("nsc", "add", "operator", "O", "--sys")
    home.run("nsc", "add", "account", "A")
    home.run("nsc", "add", "user", "u", "--deny-pub", "secret")
    home.run("nsc", "add", "account", "B")
    return home


def tokens(home):
    """The token of every account, by name."""
    return {path.stem: path.read_text() for path in (home.path / DATA / "stores/O/accounts").glob("*/*.jwt")}


def test_an_account_server_takes_what_is_pushed_and_gives_it_back(shop, town, engine):
    folder, operator = shop.work / "accounts", shop.path / DATA / "stores/O/O.jwt"
    port = town.free_port()
    url = f"http://127.0.0.1:{port}/jwt/v1"
    shop.run("nsc", "edit", "operator", "--account-jwt-server-url", url)
    town.start(
        *(f"{town.bin}/nats-account-server", "-dir", str(folder), "-operator", str(operator)),
        *("-hp", f"127.0.0.1:{port}"),
        env=shop.env,
    ).wait_for("configure the nats-server with:")
    before = tokens(shop)
    receipt = shop.document("push", "--all")
    assert {each["account"] for each in receipt["pushed"]} == before.keys()
    assert {path.read_text() for path in folder.glob("*.jwt")} == set(before.values())

    # a server that asks it knows the user, and what the user may not do
    server = engine.start(f"operator: {operator}\nresolver: URL({url}/accounts/)")
    creds = str(shop.path / DATA / "keys/creds/O/A/u.creds")
    shop.run("nats-pub", "-s", server.url, "-creds", creds, "open", "hello")
    assert shop.try_run("nats-pub", "-s", server.url, "-creds", creds, "secret", "hello").returncode == 1

    # what is older on this machine is brought up to date; what is newer here stays
    keys = shop.path / DATA / "keys/keys/O"
    (shop.path / DATA / "stores/O/accounts/B/B.jwt").write_text(_older(before["B"], keys))
    shop.run("nsc", "pull", "--all")
    assert tokens(shop) == before
    shop.run("nsc", "edit", "account", "B", "--tag", "mine")
    edited = tokens(shop)
    assert "newer than remote version" in shop.try_run("nsc", "pull", "--account", "B").stderr
    assert tokens(shop) == edited

    # the server refuses an older token and says so
    (shop.path / DATA / "stores/O/accounts/A/A.jwt").write_text(_older(before["A"], keys))
    done = shop.try_run("nsc", "push", "--all")
    assert done.returncode == 1
    assert "push A to account server" in done.stderr
    assert 'pushed "B" to account server' in done.stdout + done.stderr


def _older(token, keys):
    from natskit.nkeys import KeyPair

    claims = jwt.decode(token)
    pair = KeyPair.from_seed((keys / claims.issuer[1:3] / f"{claims.issuer}.nk").read_text())
    return jwt.encode(claims, pair, issued_at=claims.issued_at - 100)


def test_from_the_embedded_server_to_a_cluster_unchanged(shop, start, real_server, free_port, tmp_path):
    # one process while the project is small
    shop.run("nsc", "generate", "config", "--nats-resolver", "--config-file", "server.conf")
    config = (shop.work / "server.conf").read_text()
    bin = shop.env["PATH"].split(":")[0]
    small = Engine("embedded", f"{bin}/nats-server", start, tmp_path).start(
        config.replace("./jwt", str(shop.work / "jwt"))
    )
    shop.run("nsc", "push", "--all", "--verify", "-u", small.url)
    creds = shop.path / DATA / "keys/creds/O/A/u.creds"
    identity = creds.read_bytes()
    shop.run("nats-pub", "-s", small.url, "-creds", str(creds), "open", "hello")
    small.stop()

    # the same configuration with a cluster block, the same accounts, the same creds
    ports = [free_port(), free_port()]
    routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
    servers = [
        Engine("real", real_server, start, tmp_path).start(
            config.replace("./jwt", str(shop.work / f"jwt{number}"))
            + f"\nserver_name: S{number}\ncluster {{ name: C, listen: 127.0.0.1:{port}, routes: [{routes}] }}"
        )
        for number, port in enumerate(ports, 1)
    ]
    large = servers[0].url
    wait_for(lambda: shop.document("push", "--diff", "-u", large, exit=None).get("servers") == 2, "the cluster")
    receipt = shop.document("push", "--all", "--verify", "-u", large)
    assert receipt["verified"]["servers"] == ["S1", "S2"]
    assert receipt["verified"]["identical"]
    for server in servers:
        shop.run("nats-pub", "-s", server.url, "-creds", str(creds), "open", "hello")
        assert shop.try_run("nats-pub", "-s", server.url, "-creds", str(creds), "secret", "x").returncode == 1
    assert creds.read_bytes() == identity
