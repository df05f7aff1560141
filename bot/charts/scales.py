"""Where an axis has its lines, and what stands at them. Pure."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from bot.render.words import price

_ROUND = tuple(Decimal(n) for n in ("1", "2", "2.5", "5", "10", "20", "25", "50", "100"))
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_SPANS = (
    *(timedelta(minutes=n) for n in (5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 12)),
    *(n * _DAY for n in (1, 2, 3, 7, 14)),
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def number_lines(low: Decimal, high: Decimal, most: int) -> tuple[Decimal, ...]:
    """At most `most` round numbers from `low` to `high`, evenly apart; none where they are equal."""
    if not low < high:
        return ()
    least = (high - low) / most
    for step in (n.scaleb(least.adjusted()) for n in _ROUND):
        first = (low / step).to_integral_value(ROUND_CEILING) * step
        count = int((high - first) / step) + 1 if first <= high else 0
        if count <= most:
            return tuple(first + n * step for n in range(count))
    return ()


def number_label(value: Decimal) -> str:
    """A round number, without zeros that say nothing."""
    return price(value.normalize()) if value else "0"


def time_lines(first: datetime, last: datetime, most: int) -> tuple[tuple[datetime, str], ...]:
    """At most `most` moments between two, at full hours, days, weeks or months, each with its label."""
    for every in _SPANS:
        if (last - first) / every < most:
            return tuple((at, _moment(at, every)) for at in _each(first, last, every))
    months = next((n for n in _MONTHS if (last - first) / (n * 30 * _DAY) < most), _MONTHS[-1])
    return tuple((at, f"{at:%b %Y}") for at in _each_month(first, last, months))


def _each(first: datetime, last: datetime, every: timedelta) -> list[datetime]:
    at = _MONDAY - ((_MONDAY - first) // every) * every
    found = []
    while at <= last:
        found.append(at)
        at += every
    return found


def _each_month(first: datetime, last: datetime, months: int) -> list[datetime]:
    count = -(-(first.year * 12 + first.month - 1) // months) * months
    found = []
    while (at := datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)) <= last:
        if at >= first:
            found.append(at)
        count += months
    return found


def _moment(at: datetime, every: timedelta) -> str:
    """A full day says its date; between days it is the time."""
    whole = at.hour == 0 and at.minute == 0
    return day_label(at) if whole or every >= _DAY else f"{at:%H:%M}"


def day_label(day: datetime) -> str:
    return f"{day.day} {day:%b}"
