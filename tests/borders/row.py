"""What a row of the border table is. The rows stand in the files beside this one, a family of rules each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One border of one rule, and the two nearest things on its two sides: a step, a tick, a millionth, a microsecond.

    `binds` and `spares` are inputs of the family's own kind; its runner turns them into a run of the real code.
    """

    of: Any  # what the code calls it: a member of one of its registries
    border: str  # where it lies, in words
    binds: Any = field(repr=False)
    spares: Any = field(repr=False)
    setting: str = ""  # the playbook keys that put it there, parted by spaces


@dataclass(frozen=True)
class Family:
    name: str
    fires: Callable[[Any, Any], bool]  # (row.of, input): whether the rule binds or fires
    rows: tuple[Row, ...] = field(repr=False)

    def all_of(self) -> set[Any]:
        return {row.of for row in self.rows}
