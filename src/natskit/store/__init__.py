"""nsc's stores and keystore on disk: locked, atomic, all or nothing.

:class:`Workspace` is the door: directories, configuration, current operator and account. :class:`OperatorStore` reads
one operator's accounts and users, :class:`Keystore` their keys, :class:`Plan` collects what a command changes and
commits it. What commands do is in modules named after what they work on: ``operators``, ``accounts``, ``users`` ...
"""

from .config import Config
from .directories import Directories, Flags
from .keystore import Keystore, Owner
from .operator_store import OperatorStore
from .plan import Committed, Plan
from .profile import Profile
from .workspace import Workspace

__all__ = [
    "Committed",
    "Config",
    "Directories",
    "Flags",
    "Keystore",
    "OperatorStore",
    "Owner",
    "Plan",
    "Profile",
    "Workspace",
]
