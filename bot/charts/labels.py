"""Where labels stand so that none covers another. Pure, in pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


def spread(wanted: Sequence[float], *, apart: float, top: float, bottom: float) -> list[float]:
    """Heights as near to the wanted ones as they go, in the same order, each `apart` from the next and all between
    `top` and `bottom`; closer together where there is no room."""
    if not wanted:
        return []
    gap = min(apart, (bottom - top) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    placed: list[float] = []
    for n in order:
        placed.append(max(wanted[n], placed[-1] + gap if placed else top))
    below = bottom
    for rank in reversed(range(len(placed))):
        placed[rank] = below = min(placed[rank], below)
        below -= gap
    found = dict(zip(order, placed, strict=True))
    return [found[n] for n in range(len(wanted))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def within(self, other: "Box") -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


class Room:
    """A rectangle in which labels are put beside points, one after the other. `better_not`: where they may stand when
    all else is taken."""

    def __init__(self, whole: Box, *, better_not: Sequence[Box] = ()) -> None:
        self._whole = whole
        self._better_not = tuple(better_not)
        self._taken: list[Box] = []

    def take(self, box: Box) -> None:
        self._taken.append(box)

    def beside(self, x: float, y: float, *, width: float, height: float, up: bool) -> tuple[float, float] | None:
        """The middle of a label near a point, over it where `up`, else under it. None: there is no room."""
        ways = list(_ways(x, y, width=width, height=height, up=up))
        for taken in ((*self._taken, *self._better_not), tuple(self._taken)):
            for middle in ways:
                box = around(*middle, width=width, height=height)
                if box.within(self._whole) and not any(box.meets(other) for other in taken):
                    self.take(box)
                    return middle
        return None


def _ways(x: float, y: float, *, width: float, height: float, up: bool) -> Iterator[tuple[float, float]]:
    """From the nearest place on."""
    for far in (1.0, 1.5, 2.0, 3.0):
        for way in (-1, 1) if up else (1, -1):
            for aside in (0.0, -0.5, 0.5, -1.0, 1.0):
                yield x + aside * width, y + way * far * (height * 0.5 + 18)


def around(x: float, y: float, *, width: float, height: float) -> Box:
    return Box(left=x - width / 2, right=x + width / 2, top=y - height / 2, bottom=y + height / 2)


def tie(one: Box, other: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of the shortest line between two."""
    x = _nearest((one.left, one.right), (other.left, other.right))
    y = _nearest((one.top, one.bottom), (other.top, other.bottom))
    return (x[0], y[0]), (x[1], y[1])


def _nearest(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """On one axis: where two stretches come nearest to each other; the middle of what they share."""
    if one[1] <= other[0]:
        return one[1], other[0]
    if other[1] <= one[0]:
        return one[0], other[1]
    middle = (max(one[0], other[0]) + min(one[1], other[1])) / 2
    return middle, middle
