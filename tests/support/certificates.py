"""Certificates as files in a folder, beside ``ca.pem`` of the authority that signed them; contexts that trust it."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


def save(folder: Path, name: str, issued: trustme.LeafCert) -> None:
    """A certificate as ``name.pem``, its key as ``name.key``."""
    issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))


def certify(folder: Path) -> trustme.CA:
    """A new authority, as ``ca.pem``, and a certificate of it for servers on the loopback address, as ``server``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    save(folder, "server", authority.issue_cert("127.0.0.1"))
    return authority


def trusting(folder: Path, client: str = "") -> ssl.SSLContext:
    """What a client needs that trusts the authority, and has the certificate of that name."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if client:
        context.load_cert_chain(str(folder / f"{client}.pem"), str(folder / f"{client}.key"))
    return context
