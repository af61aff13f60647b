"""An account as the graph sees it: what it exports, what it imports, and who signs for it.

The same shapes are made from claims (operator mode) and from a configuration file. Times are Unix seconds, 0 for none.
The graph believes what stands here: whoever makes an account has verified its token before. Only activation tokens are
verified by the graph, since they are part of what an account says about another one.
"""

from __future__ import annotations

import collections.abc
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from natskit.graph.mapping import Destination, Mapping
from natskit.graph.reason import date

if TYPE_CHECKING:
    from natskit import jwt

__all__ = ["SERVICE", "STREAM", "Account", "Export", "Import", "Kind", "Latency"]

Kind = Literal["stream", "service"]
STREAM: Kind = "stream"
SERVICE: Kind = "service"


class Latency(Struct, frozen=True, kw_only=True):
    """Latency tracking of a service: what was measured goes to ``subject``, for ``sampling`` percent of the requests
    and those whose headers ask for it.
    """

    subject: str
    sampling: int = 100


class Export(Struct, frozen=True, kw_only=True):
    """What an account offers to others.

    ``accounts``: the only ones that may import it; None: no such list. ``token_required``: each importer needs an
    activation. ``account_token_position``: if not 0, the number (from 1) of the token of the subject that must be the
    importer's id. ``revocations``: account id or ``*`` to the time up to which activations issued to it are void.
    """

    kind: Kind
    subject: str
    name: str = ""
    accounts: frozenset[str] | None = None
    token_required: bool = False
    account_token_position: int = 0
    revocations: collections.abc.Mapping[str, int] = {}
    response_type: Literal["singleton", "stream", "chunked"] = "singleton"
    response_threshold_s: float = 0.0
    latency: Latency | None = None
    allow_trace: bool = False

    @classmethod
    def from_claims(cls, export: jwt.Export) -> Export:
        """The export of an account's claims."""
        return cls(
            kind=_kind(export.type),
            subject=export.subject,
            name=export.name,
            token_required=export.token_req,
            account_token_position=export.account_token_position,
            revocations=export.revocations,
            response_type=_RESPONSE_TYPES.get(export.response_type, "singleton"),
            response_threshold_s=export.response_threshold / 1e9,
            latency=_latency(export.service_latency),
            allow_trace=export.allow_trace,
        )


def _latency(claimed: jwt.ServiceLatency | None) -> Latency | None:
    if claimed is None:
        return None
    sampling = claimed.sampling if isinstance(claimed.sampling, int) else 0
    return Latency(subject=claimed.results, sampling=sampling)


_RESPONSE_TYPES: dict[str, Literal["singleton", "stream", "chunked"]] = {"Stream": "stream", "Chunked": "chunked"}


class Import(Struct, frozen=True, kw_only=True):
    """What an account takes from another one: ``subject`` is the exporter's, ``local`` what it is called here.

    ``local`` may refer to the wildcards of ``subject`` (``$n``, ``{{wildcard(n)}}`` or ``*`` in order); empty: same as
    ``subject``. A ``prefix`` goes before ``subject`` instead.
    """

    kind: Kind
    account: str
    subject: str
    name: str = ""
    local: str = ""
    prefix: str = ""
    token: str = ""
    share: bool = False
    allow_trace: bool = False

    @property
    def destination(self) -> str:
        """What the importer calls the subject, with references to its wildcards."""
        if self.prefix:
            return f"{self.prefix.removesuffix('.')}.{self.subject}"
        return self.local or self.subject

    @property
    def local_pattern(self) -> str:
        """The pattern of what the importer calls the subject, whether the import can work or not."""
        return ".".join("*" if token[:1] in ("$", "{") else token for token in self.destination.split("."))

    @classmethod
    def from_claims(cls, wanted: jwt.Import) -> Import:
        """An import of claims. The old ``to`` is the prefix of a stream, but the exporter's subject of a service.

        A prefix written as ``abc.>``, which the documentation of 2019 shows, means ``abc``.
        """
        kind = _kind(wanted.type)
        subject, local, prefix = wanted.subject, wanted.local_subject, ""
        if wanted.to and not local:
            if kind == SERVICE:
                subject, local = wanted.to, wanted.subject
            else:
                prefix = wanted.to.removesuffix(".>")
        return cls(
            kind=kind,
            account=wanted.account,
            subject=subject,
            name=wanted.name,
            local=local,
            prefix=prefix,
            token=wanted.token,
            share=wanted.share,
            allow_trace=wanted.allow_trace,
        )


def _kind(text: object) -> Kind:
    return SERVICE if text == SERVICE else STREAM


class Account(Struct, frozen=True, kw_only=True):
    """One account. ``id`` is its public key, or its name in a configuration file.

    ``revocations``: user key or ``*`` to the time up to which tokens issued to it are void. ``fault``: why no server
    believes its token, whatever the time; empty if one does. ``is_system``: it is the system account.
    """

    id: str
    name: str = ""
    exports: tuple[Export, ...] = ()
    imports: tuple[Import, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    signing_keys: frozenset[str] = frozenset()
    revocations: collections.abc.Mapping[str, int] = {}
    not_before: int = 0
    expires: int = 0
    fault: str = ""
    is_system: bool = False

    @classmethod
    def from_claims(cls, claims: jwt.AccountClaims, *, fault: str = "", is_system: bool = False) -> Account:
        """The account of claims, which are verified unless ``fault`` says what is wrong with them."""
        body = claims.nats
        return cls(
            id=claims.subject,
            name=claims.name,
            exports=tuple(map(Export.from_claims, body.exports)),
            imports=tuple(map(Import.from_claims, body.imports)),
            mappings=tuple(_mapping(source, targets) for source, targets in body.mappings.items()),
            signing_keys=frozenset(body.signing_key_names),
            revocations=body.revocations,
            not_before=claims.not_before,
            expires=claims.expires,
            fault=fault,
            is_system=is_system,
        )

    def signs_with(self, key: str) -> bool:
        """Whether ``key`` is the account's own or one of its signing keys."""
        return key == self.id or key in self.signing_keys

    def lapse(self, now: float) -> str:
        """Why the account is not in force at ``now``; empty if it is."""
        if self.fault:
            return f"account {self} is not accepted by servers: {self.fault}"
        if self.expires and now >= self.expires:
            return f"account {self} expired at {date(self.expires)}"
        if self.not_before and now < self.not_before:
            return f"account {self} is not valid before {date(self.not_before)}"
        return ""

    def __str__(self) -> str:
        return f"{self.id}/{self.name}" if self.name and self.name != self.id else self.id


def _mapping(source: str, targets: tuple[jwt.WeightedMapping, ...] | None) -> Mapping:
    """A mapping of claims. Destinations for a cluster do not concern a server without one."""
    destinations = (
        Destination(subject=each.subject, weight=each.weight or 100) for each in targets or () if not each.cluster
    )
    return Mapping(source=source, destinations=tuple(destinations))
