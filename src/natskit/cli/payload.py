"""What peers send, as people and programs may see it."""

from __future__ import annotations

import sys

from natskit.cli.tables import printable


def shown(data: bytes | str) -> str:
    """Subject or payload for people. A terminal gets no control characters, a file or pipe gets what there is."""
    text = data.decode(errors="backslashreplace") if isinstance(data, bytes) else data
    return printable(text) if sys.stdout.isatty() else text


def text_or_base64(payload: bytes) -> dict[str, str]:
    """A payload as members of a JSON object: ``payload`` if it is text, else ``payload_base64``."""
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        import base64

        return {"payload_base64": base64.b64encode(payload).decode()}
