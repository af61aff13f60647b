"""nkeys: keys as text, strictly decoded; vectors of spec/nkeys-and-jwt.md section 11."""

import nkeys as official
import pytest
from hypothesis import given
from hypothesis import strategies as st

from natskit import nkeys
from natskit.errors import DecodeError, InvalidKey, KeyUseError, VerifyError
from natskit.nkeys import KeyPair, Role

COUNTING = bytes(range(32))
SIGNING_ROLES = [role for role in Role if role is not Role.CURVE]


@pytest.mark.parametrize(
    ("role", "seed", "public"),
    [
        (
            Role.OPERATOR,
            "SOAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H2AJA",
            "OAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QZVT",
        ),
        (
            Role.USER,
            "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y",
            "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK",
        ),
        (
            Role.CURVE,
            "SXAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H74KM",
            "XCHUBRNNW2HSKYSK4WZBJ2TWPJXMSTMCTU6XWXQ22G5G6PRBHAUF76G7",
        ),
    ],
)
def test_a_raw_seed_gives_the_known_texts(role, seed, public):
    pair = KeyPair.from_raw_seed(role, COUNTING)
    assert (pair.seed, pair.public, pair.role) == (seed, public, role)
    assert KeyPair.from_seed(seed).public == public
    assert KeyPair.from_seed(seed.encode()).public == public


def test_the_documented_seed_gives_the_documented_user():
    seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
    assert KeyPair.from_seed(seed).public == "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


@pytest.mark.parametrize("role", list(Role))
def test_every_role_round_trips_and_names_itself(role):
    pair = KeyPair.create(role)
    again = KeyPair.from_seed(pair.seed)
    assert again.public == pair.public
    assert again.private == pair.private
    assert nkeys.role_of(pair.public) is role
    assert pair.public[0] == role.letter
    assert pair.seed[:2] == "S" + role.letter
    assert len(pair.public) == 56
    assert len(pair.seed) == 58
    assert Role.parse(role.value.upper()) is role


@given(raw=st.binary(min_size=32, max_size=32), data=st.binary(max_size=200))
def test_the_official_library_verifies_our_signatures_and_we_verify_its(raw, data):
    ours = KeyPair.from_raw_seed(Role.USER, raw)
    theirs = official.from_seed(bytearray(ours.seed.encode()))
    assert theirs.public_key.decode() == ours.public
    assert theirs.verify(data, ours.sign(data))
    nkeys.verify(ours.public, data, theirs.sign(data))


@pytest.mark.parametrize("role", SIGNING_ROLES)
def test_a_changed_message_or_signature_does_not_verify(role):
    pair = KeyPair.create(role)
    signature = pair.sign(b"hello")
    pair.verify(b"hello", signature)
    for data, sign in [
        (b"hullo", signature),
        (b"hello", signature[:-1] + bytes([signature[-1] ^ 1])),
        (b"hello", signature[:63]),
        (b"hello", signature + b"\0"),
        (b"hello", b""),
    ]:
        with pytest.raises(VerifyError, match="signature verification failed"):
            KeyPair.from_public(pair.public).verify(data, sign)


def test_sealed_boxes_match_the_known_bytes_and_open():
    sender, recipient = (KeyPair.from_raw_seed(Role.CURVE, bytes([n]) * 32) for n in (1, 2))
    assert sender.public == "XCSOBEUSWZI4E6FZO4WFNH27VG5RHWIGWRVLNDE57HOCWRAJ7CRATSUK"
    assert recipient.public == "XDHI2OWRZS3DH3D3ODAXQFFFY5XM2AUWQUCQ2NCHIW5ALBYOLB6VSWAL"
    known = bytes.fromhex("786b7631" + "09" * 24 + "61b9dc12ca9321c00a6822a775821a296468a4ffba")
    assert recipient.open(known, sender.public) == b"hello"
    assert recipient.open(sender.seal(b"", recipient.public), sender.public) == b""


def test_a_box_that_was_changed_or_is_for_another_does_not_open():
    sender, recipient, other = (KeyPair.create(Role.CURVE) for _ in range(3))
    sealed = sender.seal(b"secret", recipient.public)
    assert len(sealed) == len(b"secret") + 44
    for box, text in [
        (sealed[:28], "encrypted input is not valid"),
        (b"xkv2" + sealed[4:], "wrong version"),
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), "could not decrypt"),
    ]:
        with pytest.raises(VerifyError, match=text):
            recipient.open(box, sender.public)
    with pytest.raises(VerifyError, match="could not decrypt"):
        other.open(sealed, sender.public)
    with pytest.raises(InvalidKey, match="sender public curve key"):
        recipient.open(sealed, KeyPair.create(Role.USER).public)
    with pytest.raises(InvalidKey, match="recipient public curve key"):
        sender.seal(b"x", KeyPair.create(Role.USER).public)


def test_keys_refuse_what_their_role_or_missing_secret_forbids():
    user, curve = KeyPair.create(Role.USER), KeyPair.create(Role.CURVE)
    public, public_curve = KeyPair.from_public(user.public), KeyPair.from_public(curve.public)
    for call, text in [
        (lambda: public.sign(b""), "can not sign, no private key available"),
        (lambda: public.seed, "no seed or private key available"),
        (lambda: public.private, "no seed or private key available"),
        (lambda: curve.sign(b""), "curve key is not valid for sign/verify"),
        (lambda: curve.verify(b"", bytes(64)), "curve key is not valid for sign/verify"),
        (lambda: user.seal(b"", curve.public), "only curve key can seal/open"),
        (lambda: public_curve.seal(b"", curve.public), "cannot seal no private curve key"),
        (lambda: public_curve.open(bytes(60), curve.public), "cannot open no private curve key"),
    ]:
        with pytest.raises(KeyUseError, match=text):
            call()


@pytest.mark.parametrize("role", list(Role))
def test_a_wiped_pair_has_lost_its_secret_and_never_shows_it(role):
    pair = KeyPair.create(role)
    seed = pair.seed
    assert seed not in repr(pair)
    buffer = pair._raw_seed
    secret = bytes(buffer)
    pair.wipe()
    assert bytes(buffer) != secret
    assert not pair.can_sign
    with pytest.raises(KeyUseError):
        _ = pair.seed


def _resealed(text, change):
    return nkeys._seal_crc(change(nkeys._open_crc(text)))


def test_texts_that_are_almost_keys_are_refused():
    user = KeyPair.create(Role.USER)
    public, seed = user.public, user.seed
    spare_bits = seed[:-1] + chr(ord(seed[-1]) + 1)
    assert seed[-1] in "AEIMQUY4"
    for text, message in [
        ("", "invalid encoded key"),
        (public.lower(), "illegal base32 data at input byte 0"),
        (public[:20] + "\n" + public[20:], "illegal base32 data at input byte 20"),
        (public + "=", "illegal base32"),
        (public[:-1] + ("A" if public[-1] != "A" else "B"), "invalid checksum"),
        ("é" * 56, "illegal base32"),
        (seed, "invalid public key"),
        (user.private, "invalid public key"),
        (_resealed(public, lambda data: data[:2]), "invalid encoded key"),
        (_resealed(public, lambda data: data + b"\0"), "invalid encoded key"),
        (_resealed(public, lambda data: bytes([data[0] | 1]) + data[1:]), "invalid public key"),
    ]:
        with pytest.raises(InvalidKey, match=message):
            KeyPair.from_public(text)
        assert not nkeys.is_public(text)
    for text, message in [
        (public, "invalid seed"),
        (user.private, "invalid seed"),
        (spare_bits if seed[-1] != "4" else seed[:-1] + "5", "illegal base32"),
        (_resealed(seed, lambda data: data[:-1]), "invalid seed length"),
        (_resealed(seed, lambda data: data[:1]), "invalid encoded key"),
        (_resealed(seed, lambda data: data[:1] + bytes([data[1] | 1]) + data[2:]), "invalid seed"),
    ]:
        with pytest.raises(InvalidKey, match=message):
            KeyPair.from_seed(text)
    with pytest.raises(InvalidKey, match="invalid seed length"):
        KeyPair.from_raw_seed(Role.USER, bytes(31))


def test_a_key_of_another_role_is_named():
    account = KeyPair.create(Role.ACCOUNT).public
    assert nkeys.is_public(account, Role.USER, Role.ACCOUNT)
    assert not nkeys.is_public(account, Role.USER)
    with pytest.raises(InvalidKey, match=r"is a key of kind account, not operator or user"):
        nkeys.decode_public(account, Role.OPERATOR, Role.USER)
    with pytest.raises(InvalidKey, match="not a kind of key"):
        Role.parse("seed")


@given(st.one_of(st.text(max_size=80), st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", max_size=110)))
def test_any_text_decodes_or_is_refused_with_our_error(text):
    for read in (KeyPair.from_public, KeyPair.from_seed):
        try:
            pair = read(text)
        except DecodeError:
            continue
        assert text in (pair.public, pair.seed if pair.can_sign else None)


@given(st.binary(max_size=80))
def test_base32_round_trips(data):
    assert nkeys.base32_decode(nkeys.base32_encode(data)) == data
