"""The configuration language of NATS servers: text in, a tree with positions out.

    >>> from natskit.config import parse
    >>> parse("port: 4222").members["port"].value
    4222

The language is a relaxed JSON with comments, bare words, sizes (``64MB``), includes and ``$variables``.
Every error is a ConfigError with file, line and column. Source: spec/server-config.md section 1.
"""

from __future__ import annotations

from natskit.config.durations import duration_s
from natskit.config.parser import parse, parse_file
from natskit.config.tree import Node, digest, plain

__all__ = ["Node", "digest", "duration_s", "parse", "parse_file", "plain"]
