"""How numbers, times and lines are written, on every card alike. Pure."""

import math
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from bot.pictures import Picture
from bot.render.paging import carried
from bot.surface import Button, Card, File, Table
from trading.model import Direction, Side, base_of

TITLE_LIMIT = 60  # a lock screen shows no more
LINE_LIMIT = 200
LINK = re.compile(r"https?://[!-~]{1,500}")
LABEL_LIMIT = 40  # of a button: two stand side by side
_MILLION = Decimal(1_000_000)
_WIDE = Context(prec=100)  # rounding for the eye never fails for want of digits
_AS_GIVEN = 8  # more decimals than this is an average, not a price from a venue


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """What every card wears: whose money, which market, whose clock."""

    mode: str = "PAPER"
    market: str = "simulated market"
    zone: tzinfo = UTC


Renderer = Callable[[Any, RenderContext], Card | None]  # an event -> its card; None where another card says it


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def rounded(value: Decimal, decimals: int) -> Decimal:
    """Half to even, and never a negative zero."""
    cut = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, _WIDE)
    return abs(cut) if cut == 0 else cut


def price(value: Decimal, like: Decimal | None = None) -> str:
    """As the venue gave it, with thousands separators. An average takes the decimals of `like`, a price on the tick,
    or else seven significant digits."""
    if like is not None:
        return f"{rounded(value, _decimals(like)):,f}"
    if _decimals(value) <= _AS_GIVEN:
        return f"{value:,f}"
    shown = f"{rounded(value, max(0, 6 - value.adjusted())):,f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def quantity(value: Decimal) -> str:
    return price(value)


def amount(value: Decimal) -> str:
    """Money without a sign unless it is negative: 10,012.40."""
    return f"{rounded(value, 2):,.2f}"


def money(value: Decimal) -> str:
    """Money with its sign: +12.40, -3.10, 0.00."""
    cut = rounded(value, 2)
    return f"{cut:+,.2f}" if cut else "0.00"


def percent(fraction: Decimal) -> str:
    """0.0123 -> +1.23%."""
    cut = rounded(fraction * 100, 2)
    return f"{cut:+,.2f}%" if cut else "0.00%"


def share(fraction: Decimal) -> str:
    """A fraction that has no direction: 0.025 -> 2.5%."""
    shown = f"{rounded(fraction * 100, 2):,f}"
    return f"{shown.rstrip('0').rstrip('.') if '.' in shown else shown}%"


def rate(fraction: Decimal) -> str:
    """Funding is small: four decimals of a percent."""
    cut = rounded(fraction * 100, 4)
    return f"{cut:+.4f}%" if cut else "0.0000%"


def multiple(r: Decimal) -> str:
    cut = rounded(r, 2)
    return f"{cut:+,.2f}R" if cut else "0.00R"


def confidence(millionths: int) -> str:
    """Cut, not rounded: what is under a border never reads as on it."""
    return f"{(Decimal(millionths) / _MILLION).quantize(Decimal('0.01'), ROUND_DOWN):f}"


def strength(billionths: int) -> str:
    return f"{rounded(Decimal(billionths) / 1_000_000_000, 2):f}"


def weight(thousandths: int) -> str:
    return f"{(Decimal(thousandths) / 1000).normalize():f}"


def number(value: float) -> str:
    """Evidence: four significant digits, never an exponent. A zero at the end falls away only where nothing was cut:
    12.9998 reads 13.00, not 13."""
    if not math.isfinite(value):
        return "not a number"
    decimals = min(8, max(0, 3 - math.floor(math.log10(abs(value))))) if value else 0
    whole = f"{value:,.{decimals}f}"
    short = whole.rstrip("0").rstrip(".") if "." in whole else whole
    if short in ("0", "-0"):
        return "0"
    return short if float(short.replace(",", "")) == value else whole


def yearly(volatility: Decimal) -> str:
    """0.4512 -> 45.1% a year."""
    return f"{rounded(volatility * 100, 1):,f}% a year"


def clock(at: datetime, *, today: datetime | None = None, zone: tzinfo = UTC) -> str:
    """14:05 UTC, with the date in front unless it is `today`'s."""
    local = at.astimezone(zone)
    same = today is not None and local.date() == today.astimezone(zone).date()
    return f"{local:%H:%M %Z}" if same else f"{local:%Y-%m-%d %H:%M %Z}"


def span(length: timedelta) -> str:
    """3 d 4 h, 2 h 05 min, 14 min, 40 s."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def arrow(direction: Direction) -> str:
    return "▲" if direction is Direction.LONG else "▼"


def bought(side: Side) -> str:
    return "bought" if side is Side.BUY else "sold"


def factor(value: Decimal) -> str:
    """What something is multiplied by: x1.3."""
    return f"x{rounded(value, 2).normalize():f}"


def signed(value: float) -> str:
    """A figure of a feature, with its sign: +0.64."""
    shown = f"{value:+.2f}"
    return "0.00" if shown in ("+0.00", "-0.00") else shown


def counted(count: int, what: str) -> str:
    """1 trade, 2 trades."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def quote_of(symbol: str) -> str:
    """The quote currency: USDT of "BTC/USDT:USDT"."""
    return symbol.partition("/")[2].partition(":")[0]


def name_of(symbol: str) -> str:
    return base_of(symbol)


def _clean(text: str) -> str:
    """Control and direction characters could rewrite a terminal or a line: they become spaces."""
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)


def _flat(text: str) -> str:
    return " ".join(_clean(text).split())


def _cut(flat: str, limit: int = TITLE_LIMIT) -> str:
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def _folded(lines: Iterable[str]) -> tuple[str, ...]:
    """No line over the limit, no word lost; but a link that stands alone stays whole: cut in two it is none."""
    parts = (_clean(part).rstrip() for line in lines for part in line.splitlines())
    return tuple(piece for part in parts if part for piece in _pieces(part))


def _pieces(part: str) -> list[str]:
    return [part] if LINK.fullmatch(part) else textwrap.wrap(part, LINE_LIMIT, break_on_hyphens=False)


def card(
    title: str,
    *lines: str,
    detail: Iterable[str] = (),
    buttons: Iterable[Button] = (),
    table: Table | None = None,
    picture: Picture | None = None,
    file: File | None = None,
) -> Card:
    """A card within its limits. Empty lines fall away. A title too long for a lock screen is said in full below; a
    button whose data no chat carries is left out: its command can still be typed."""
    flat = _flat(title) or "-"
    short = _cut(flat)
    return Card(
        title=short,
        lines=_folded((*((flat,) if short != flat else ()), *lines)),
        detail=_folded(detail),
        buttons=tuple(_labelled(button) for button in buttons if carried(button.data)),
        table=_tidy(table) if table else None,
        picture=picture,
        file=file,
    )


def _labelled(button: Button) -> Button:
    label, form = _cut(_flat(button.label), LABEL_LIMIT) or "-", _flat(button.form)
    return button if (label, form) == (button.label, button.form) else replace(button, label=label, form=form)


def _tidy(table: Table) -> Table:
    return Table(head=_row(table.head), rows=tuple(_row(row) for row in table.rows))


def _row(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Within one line, where it has to stand in one: then each cell has its share of it."""
    flat = tuple(_flat(cell) for cell in cells)
    if len(" · ".join(flat)) <= LINE_LIMIT:
        return flat
    return tuple(_cut(cell, LINE_LIMIT // len(flat) - len(" · ")) for cell in flat)


def with_line(given: Card, *lines: str) -> Card:
    """The card with something more to say at its end."""
    return replace(given, lines=(*given.lines, *_folded(lines)))


def dressed(given: Card, about: RenderContext, at: datetime | None = None) -> Card:
    """The card with its mode in front and its market (and market time) at the end."""
    worn = given.title.startswith(f"{about.mode} ")
    title = given.title if worn else f"{about.mode} {given.title}"
    short = _cut(title)
    rest = () if short == title or _said_below(given) else (title,)
    foot = about.market if at is None else f"{clock(at, zone=about.zone)} · {about.market}"
    picture = given.picture and replace(given.picture, foot=f"{about.mode} · {about.market}")
    return replace(given, title=short, lines=_folded((*rest, *given.lines, foot)), picture=picture)


def _said_below(given: Card) -> bool:
    """Its title was cut already, and stands in full in its lines."""
    return given.title.endswith("…") and _flat(" ".join(given.lines)).startswith(given.title[:-1])
