"""``nsc add mapping`` and ``nsc delete mapping``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natskit.cli.command import command, flag, text
from natskit.cli.exits import UNCHANGED
from natskit.cli.flags import parse_integer
from natskit.errors import UsageError

from .edit import editing_account

if TYPE_CHECKING:
    from .run import Run

__all__ = ["add_mapping", "delete_mapping"]

FROM = text("from", "f", "subject that is published", metavar="SUBJECT")
CLUSTER = text("cluster", "", "only in this cluster", metavar="NAME")


def parse_weight(text: str) -> int:
    """A percentage; 0 is the default, 100."""
    weight = parse_integer(text)
    if not 0 <= weight <= 255:
        raise UsageError("value out of range: a weight is 1 to 100 percent")
    return weight


@command(
    FROM,
    text(
        "to",
        "t",
        "subject that it becomes; $1 is the first wildcard",
        metavar="SUBJECT",
    ),
    flag("weight", "", "percentage of the messages, default 100", parse_weight, default=0, metavar="PERCENT"),
    CLUSTER,
    examples=[
        ("nsc add mapping --from 'orders.*' --to 'orders.v1.$1'", "publish under another subject"),
        ("nsc add mapping -f api -t api.v2 --weight 20", "send a fifth of the messages to the new one"),
    ],
)
def add_mapping(run: Run, *, to: str, weight: int, cluster: str, **flags: str) -> int | None:
    """Map a subject of an account to another one, or change the weight of a mapping."""
    from natskit.jwt import WeightedMapping
    from natskit.store.mappings import fault_of, with_mapping

    source = _source(flags)
    if not to:
        raise UsageError("to subject is required")
    entry = WeightedMapping(subject=to, weight=weight, cluster=cluster)
    with editing_account(run) as edit:
        saved = edit.save(with_mapping(edit.claims, source, entry, edit.now))
    run.fact(account=edit.name, mapping={"from": source, "to": to, "weight": weight or 100, "cluster": cluster})
    if not saved:
        return run.unchanged(f"the mapping {source} -> {to}")
    run.success(f"added mapping {source} -> {to}, weight {weight or 100}%")
    fault = fault_of(source, to)
    if fault:
        run.warn(f"servers will not accept this mapping: {fault}")
    return None


def _source(flags: dict[str, str]) -> str:
    """The value of --from, which Python has a word for."""
    if not flags["from"]:
        raise UsageError("from subject is required")
    return flags["from"]


@command(
    FROM,
    text("to", "t", "only what goes to this subject", metavar="SUBJECT"),
    CLUSTER,
    examples=[
        ("nsc delete mapping --from orders", "map it no longer"),
        ("nsc delete mapping --from api --to api.v2", "send it to api.v2 no longer"),
    ],
)
def delete_mapping(run: Run, *, to: str, cluster: str, **flags: str) -> int | None:
    """Remove mappings of a subject: all of them, those to one subject, those in one cluster."""
    from natskit.store.mappings import without_mapping

    source = _source(flags)
    with editing_account(run) as edit:
        claims, count = without_mapping(edit.claims, source, to, cluster)
        if count:
            edit.save(claims)
    what = f"{source} -> {to}" if to else f"all of {source}"
    where = f" in cluster {cluster}" if cluster else ""
    run.fact(account=edit.name, deleted=count)
    if not count:
        run.note(f"there was no mapping {what}{where}")
        return UNCHANGED
    run.success(f"deleted mapping {what}{where}")
    return None
