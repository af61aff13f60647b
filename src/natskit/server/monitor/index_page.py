"""The page at the root: where to look."""

from __future__ import annotations

from natskit import __version__

__all__ = ["index_page"]

_PAGES = (
    ("varz", "General"),
    ("connz", "Connections"),
    ("accountz", "Accounts"),
    ("accstatz", "Account statistics"),
    ("subsz", "Subscriptions"),
    ("healthz", "Health"),
    ("routez", "Routes"),
    ("gatewayz", "Gateways"),
    ("leafz", "Leaf nodes"),
    ("jsz", "JetStream"),
)


def index_page() -> bytes:
    """HTML with a link to every report; the links are relative, so that they work under any base path."""
    links = "".join(f'<li><a href="./{path}">{title}</a> <code>/{path}</code></li>\n' for path, title in _PAGES)
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>nats-server</title></head>
<body>
<h1>nats-server</h1>
<p>natskit {__version__}</p>
<ul>
{links}</ul>
</body>
</html>
""".encode()
