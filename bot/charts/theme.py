"""How pictures look: two sets of colours, and sizes that can be read on a phone."""

from dataclasses import dataclass
from decimal import Decimal

WIDTH = 1080  # pixels: what a phone shows across its whole screen
MARGIN = 36
# Heights of letters, in pixels of a picture that is WIDTH across.
TITLE, BIG, LABEL, TICK = 42, 38, 30, 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Blue for what is won and orange for what is lost, which all eyes tell apart; neither ever stands alone."""

    back: str
    grid: str
    text: str
    muted: str
    up: str
    down: str
    stop: str
    target: str
    over: str  # above a limit

    def of(self, result: Decimal) -> str:
        return self.muted if not result else self.up if result > 0 else self.down


LIGHT = Theme(
    back="#ffffff",
    grid="#dde3ea",
    text="#15202b",
    muted="#566370",
    up="#0067a5",
    down="#b84a00",
    stop="#b3261e",
    target="#00704f",
    over="#b3261e",
)
DARK = Theme(
    back="#11161d",
    grid="#2c3641",
    text="#e8edf2",
    muted="#9aa7b4",
    up="#56b4e9",
    down="#f0a030",
    stop="#ff8a75",
    target="#3fd0a4",
    over="#ff8a75",
)


def theme(*, dark: bool) -> Theme:
    return DARK if dark else LIGHT
