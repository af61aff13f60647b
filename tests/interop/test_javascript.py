"""Keys, tokens and clients of the official JavaScript libraries."""

import base64
import time

import pytest

from natskit import jwt, nkeys
from natskit.jwt import files
from natskit.nkeys import KeyPair, Role


def test_nkeys_verifies_our_signatures_and_we_verify_its(javascript):
    pair = KeyPair.create(Role.USER)
    signature = base64.b64encode(pair.sign(b"hello")).decode()
    answer = javascript(
        """
        import { fromPublic, fromSeed } from "@nats-io/nkeys";
        const [pub, seed, sig] = args;
        const data = new TextEncoder().encode("hello");
        const verified = fromPublic(pub).verify(data, Buffer.from(sig, "base64"));
        const pair = fromSeed(new TextEncoder().encode(seed));
        console.log(JSON.stringify({ verified, pub: pair.getPublicKey(),
                                     sig: Buffer.from(pair.sign(data)).toString("base64") }));
        """,
        pair.public,
        pair.seed,
        signature,
    )
    assert answer == {"verified": True, "pub": pair.public, "sig": signature}
    nkeys.verify(pair.public, b"hello", base64.b64decode(answer["sig"]))


def test_a_box_sealed_there_opens_here_and_back(javascript):
    ours, theirs = KeyPair.create(Role.CURVE), KeyPair.create(Role.CURVE)
    sealed = base64.b64encode(ours.seal(b"from here", theirs.public)).decode()
    answer = javascript(
        """
        import { fromCurveSeed } from "@nats-io/nkeys";
        const [seed, other, sealed] = args;
        const pair = fromCurveSeed(new TextEncoder().encode(seed));
        const opened = new TextDecoder().decode(pair.open(Buffer.from(sealed, "base64"), other));
        const back = pair.seal(new TextEncoder().encode("from there"), other);
        console.log(JSON.stringify({ opened, back: Buffer.from(back).toString("base64") }));
        """,
        theirs.seed,
        ours.public,
        sealed,
    )
    assert answer["opened"] == "from here"
    assert ours.open(base64.b64decode(answer["back"]), theirs.public) == b"from there"


def test_tokens_made_there_are_read_here(javascript):
    operator, account, user, other = (
        KeyPair.create(role) for role in (Role.OPERATOR, Role.ACCOUNT, Role.USER, Role.ACCOUNT)
    )
    made = javascript(
        """
        import { encodeOperator, encodeAccount, encodeUser, encodeActivation, fmtCreds } from "@nats-io/jwt";
        import { fromSeed } from "@nats-io/nkeys";
        const [o, a, u, b] = args.map((seed) => fromSeed(new TextEncoder().encode(seed)));
        const account = await encodeAccount("A", a, { exports: [{ name: "e", subject: "x.>", type: "stream", token_req: true }],
                                                      limits: { subs: 5, conn: -1 } }, { signer: o });
        const userToken = await encodeUser("U", u, a, { pub: { allow: ["x.>"] }, bearer_token: true });
        console.log(JSON.stringify({
            operator: await encodeOperator("O", o, { tags: ["t"] }),
            account, user: userToken,
            activation: await encodeActivation("x.y", b, a, "stream", { subject: "x.y" }),
            creds: new TextDecoder().decode(fmtCreds(userToken, u)),
        }));
        """,
        operator.seed,
        account.seed,
        user.seed,
        other.seed,
    )
    assert jwt.decode(made["operator"], jwt.OperatorClaims).name == "O"
    claims = jwt.decode(made["account"], jwt.AccountClaims)
    assert (claims.subject, claims.issuer) == (account.public, operator.public)
    assert (claims.nats.exports[0].subject, claims.nats.exports[0].token_req, claims.nats.limits.subs) == (
        "x.>",
        True,
        5,
    )
    read = jwt.decode(made["user"], jwt.UserClaims)
    assert read.nats.bearer_token
    assert read.nats.pub.allow == ("x.>",)
    activation = jwt.decode(made["activation"], jwt.ActivationClaims)
    assert (activation.subject, activation.nats.subject, activation.nats.kind) == (other.public, "x.y", "stream")
    assert files.parse_creds(made["creds"]) == (made["user"], user.seed)


def test_tokens_and_creds_made_here_are_read_there(javascript):
    account, user = KeyPair.create(Role.ACCOUNT), KeyPair.create(Role.USER)
    token = jwt.encode(jwt.new_user(user.public, "U"), account, issued_at=int(time.time()))
    answer = javascript(
        """
        import { decode, parseCreds } from "@nats-io/jwt";
        const [token, creds] = args;
        const claims = decode(token);
        const parsed = await parseCreds(new TextEncoder().encode(creds));
        console.log(JSON.stringify({ name: claims.name, sub: claims.sub, key: parsed.key, account: parsed.aid }));
        """,
        token,
        files.format_creds(token, user.seed),
    )
    assert answer == {"name": "U", "sub": user.public, "key": user.seed, "account": account.public}


CLIENT = """
import { connect, credsAuthenticator } from "@nats-io/transport-node";
const [url, creds] = args;
const nc = await connect({ servers: url, authenticator: credsAuthenticator(new TextEncoder().encode(creds)) });
const sub = nc.subscribe("echo.*", { callback: (err, m) => m.respond("re: " + m.string()) });
await nc.flush();
const reply = await nc.request("echo.one", "hi", { timeout: 5000 });
let refused = "";
try { await nc.request("nobody.there", "", { timeout: 5000 }); } catch (err) { refused = (err.cause ?? err).name; }
const server = nc.info.server_id.slice(0, 1);
await nc.drain();
console.log(JSON.stringify({ reply: reply.string(), refused, server }));
"""


@pytest.fixture
def realm(home, engine):
    """A server whose operator, account and user were made with nsc; its URL and the user's creds file."""
    home.run("nsc", "init", "--name", "demo")
    config = home.run("nsc", "generate", "config", "--mem-resolver")
    server = engine.start(config)
    return server.url, home.path / ".local/share/nats/nsc/keys/creds/demo/demo/demo.creds"


def test_the_node_client_connects_with_our_creds_to_both_servers(javascript, realm):
    url, creds = realm
    answer = javascript(CLIENT, url, creds.read_text())
    assert answer == {"reply": "re: hi", "refused": "NoResponders", "server": "N"}


async def test_the_python_client_connects_with_our_creds_to_both_servers(realm):
    import nats
    from nats.errors import NoRespondersError

    url, creds = realm
    client = await nats.connect(url, user_credentials=str(creds))

    async def echo(message):
        await message.respond(b"re: " + message.data)

    await client.subscribe("echo.*", cb=echo)
    reply = await client.request("echo.one", b"hi", timeout=5, headers={"A": "b"})
    assert reply.data == b"re: hi"
    with pytest.raises(NoRespondersError):
        await client.request("nobody.there", b"", timeout=5)
    await client.drain()
