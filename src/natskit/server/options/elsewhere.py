"""What only the real nats-server does: clusters, gateways, leaf nodes, JetStream, MQTT.

Source: spec/server-config.md section 2, "out of scope for the embedded server".
"""

from __future__ import annotations

from natskit.config import Node
from natskit.server.options.reading import Block, Reading

_KEYS = {
    "cluster": "clusters",
    "gateway": "gateways",
    "leafnodes": "leaf nodes",
    "leaf": "leaf nodes",
    "jetstream": "JetStream",
    "mqtt": "MQTT",
    "store_dir": "JetStream",
    "storedir": "JetStream",
    "default_js_domain": "JetStream",
}


def refuse_keys(reading: Reading, block: Block) -> None:
    """Refuse the top-level keys, unless they switch something off."""
    for key, what in _KEYS.items():
        node = block.take(key)
        if node is not None and not (key == "jetstream" and is_off(node)):
            refuse(reading, node, f'"{node.key}"', what)


def refuse(reading: Reading, node: Node, key: str, what: str) -> None:
    """Note that ``key`` belongs to ``what``, and where that is to be had."""
    reading.fault(
        node,
        f"{key} is not supported by the embedded server: run the real nats-server for {what}",
        "the same operator, accounts, creds and resolver work there unchanged",
    )


def is_off(node: Node) -> bool:
    """Whether a ``jetstream`` value says that there is none."""
    if isinstance(node.value, dict):
        enabled = {key.lower(): member.value for key, member in node.value.items()}.get("enabled")
        return enabled is False
    return node.value is False or (isinstance(node.value, str) and node.value.lower() in ("disabled", "disable"))
