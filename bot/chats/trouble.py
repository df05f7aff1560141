"""What a chat tells about its connection. Each is said once per occurrence."""

from collections.abc import Callable
from enum import StrEnum


class Trouble(StrEnum):
    DOWN = "down"
    BACK = "back"
    CONFLICT = "conflict"  # another process has the same token, and takes part of the messages
    CONFLICT_OVER = "conflict over"


OnTrouble = Callable[[Trouble, str], None]  # kind and detail; must not raise
