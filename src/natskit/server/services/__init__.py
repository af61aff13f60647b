"""Services across accounts: requests go to the exporter, answers come back to who asked."""

from __future__ import annotations

from natskit.server.services.imports import Services

__all__ = ["Services"]
