"""natskit: the NATS 2 security stack in Python.

Import what you need from its rooms: ``natskit.nkeys``, ``natskit.jwt``, ``natskit.graph``, ``natskit.store``,
``natskit.server``, ``natskit.account_server``. The package itself imports nothing, so that commands start fast.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
