"""What accounts share: exports and imports."""

from msgspec import field
from msgspec.structs import force_setattr

from natskit.jwt.body import Body, Count, Int64
from natskit.jwt.issue import quoted

STREAM, SERVICE = "stream", "service"

_HEADERS = "headers"


class ServiceLatency(Body, frozen=True):
    """Latency tracking of a service: ``sampling`` 1 to 100 percent, or ``headers``; ``results`` is a subject."""

    sampling: Int64 | str = field(default_factory=lambda: _HEADERS)
    results: str = field(default_factory=str)

    def __post_init__(self) -> None:
        if self.sampling == 0 or (isinstance(self.sampling, str) and self.sampling.lower() == _HEADERS):
            force_setattr(self, "sampling", _HEADERS)
        elif isinstance(self.sampling, str):
            raise ValueError("unknown sampling rate")


class Export(Body, frozen=True):
    """A stream or service offered to other accounts (spec section 3.2). ``response_threshold`` is in nanoseconds."""

    name: str = ""
    subject: str = ""
    type: str = ""
    token_req: bool = False
    revocations: dict[str, Int64] = field(default_factory=dict)
    response_type: str = ""
    response_threshold: Int64 = 0
    service_latency: ServiceLatency | None = None
    account_token_position: Count = 0
    advertise: bool = False
    allow_trace: bool = False
    description: str = ""
    info_url: str = ""

    def __post_init__(self) -> None:
        check_sharing_type(self.type)

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream."""
        return self.type == STREAM

    @property
    def is_service(self) -> bool:
        """Whether it is a service."""
        return self.type == SERVICE


class Import(Body, frozen=True):
    """A stream or service taken from another account (spec section 3.2)."""

    name: str = ""
    subject: str = ""
    account: str = ""
    token: str = ""
    to: str = ""
    local_subject: str = ""
    type: str = ""
    share: bool = False
    allow_trace: bool = False

    def __post_init__(self) -> None:
        check_sharing_type(self.type)

    @property
    def remote_subject(self) -> str:
        """The subject that the exporter knows. Old service imports have it in ``to``."""
        return self.to if self.is_service and self.to else self.subject

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream."""
        return self.type == STREAM

    @property
    def is_service(self) -> bool:
        """Whether it is a service."""
        return self.type == SERVICE


def check_sharing_type(text: str) -> None:
    """Raise ValueError unless ``text`` is stream, service or absent."""
    if text not in ("", STREAM, SERVICE):
        raise ValueError(f"unknown export type {quoted(text)}")
