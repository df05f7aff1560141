"""How each person, or shared place, wants to be told things: every wish with its range, its default, and what it means.

A wish belongs to an owner: "person:ann", or a shared place as "telegram:-1001", see People.owner.
"""

import difflib
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from bot.accounts import chat_of
from storage.wishes import Wanted, WishList
from trading.errors import Misuse

log = logging.getLogger(__name__)

MOST_PNL = Decimal(1_000_000_000)
_SMALLEST = Decimal("0.00000001")
_HOUR = timedelta(hours=1)
_TIME = re.compile(r"([01]?[0-9]|2[0-3])(?::([0-5][0-9]))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`read` gives the one way in which a value is kept; it raises Misuse for what cannot be."""

    help: str
    range: str
    default: str
    read: Callable[[str], str]
    suggest: Callable[[], Iterable[str]]
    choices: tuple[str, ...] = ()


# --- what a value may be ------------------------------------------------------------------------------------------


@cache
def zones() -> tuple[str, ...]:
    """Every name of the IANA database. From its own list: to look for the files takes a hundred times as long."""
    return tuple(sorted(resources.files("tzdata").joinpath("zones").read_text().split()))


def _zone(text: str) -> str:
    wanted = text.strip().lower().replace(" ", "_")
    by_name = {name.lower(): name for name in zones()}
    cities = [name for lower, name in by_name.items() if lower.rpartition("/")[2] == wanted]
    if wanted in by_name or len(cities) == 1:
        return by_name.get(wanted) or cities[0]
    ends = {name.rpartition("/")[2].lower(): name for name in zones()}
    close = cities or [(ends | by_name)[n] for n in difflib.get_close_matches(wanted, [*by_name, *ends], n=2)]
    meant = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else ", like Europe/Berlin"
    raise Misuse(f"{text[:40]!r} is no time zone of the IANA list{meant}")


def _times(text: str, form: str) -> tuple[time, ...]:
    """ "22-07" -> 22:00 and 07:00."""
    found = [_TIME.fullmatch(part.strip()) for part in text.split("-")]
    if not all(found):
        raise Misuse(f"{text[:20]!r} is not {form}")
    return tuple(time(int(m[1]), int(m[2] or 0)) for m in found if m)


def _quiet(text: str) -> str:
    if text.lower() == "off":
        return "off"
    ends = _times(re.sub(r"\s*(?:to|–)\s*", "-", text.lower()), "a span like 22-07 or 22:30-07:00, or off")
    if len(ends) != 2 or ends[0] == ends[1]:
        raise Misuse(f"{text[:20]!r} is not a span with two ends, like 22-07")
    return "-".join(f"{end:%H:%M}" for end in ends)


def _digest(text: str) -> str:
    word, _, at = " ".join(text.lower().split()).partition(" ")
    if word == "hourly" and not at:
        return word
    form = "hourly, or daily with a time, like daily 08:00"
    if word != "daily" or not at or len(ends := _times(at, form)) != 1:
        raise Misuse(f"{text[:20]!r} is not {form}")
    return f"daily {ends[0]:%H:%M}"


def _amount(text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 <= value <= MOST_PNL and value == value.quantize(_SMALLEST)):
        raise Misuse(f"{text[:20]!r} is not an amount from 0 to {MOST_PNL:,}")
    return f"{abs(value).normalize():f}"


def _one_of(*known: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in known:
            raise Misuse(f"{text[:20]!r} is not {' or '.join(known)}")
        return text.lower()

    return read


def _word(*known: str, help: str, default: str) -> Wish:
    read = _one_of(*known)
    return Wish(help=help, range=" or ".join(known), default=default, read=read, suggest=lambda: known, choices=known)


WISHES: dict[str, Wish] = {
    "zone": Wish(
        help="The time zone of every time on a card; details stay in UTC",
        range="a name of the IANA list, like Europe/Berlin, or UTC",
        default="UTC",
        read=_zone,
        suggest=zones,
    ),
    "quiet": Wish(
        help="Hours in which only what is critical rings",
        range="a span like 22-07 or 22:30-07:00, or off",
        default="off",
        read=_quiet,
        suggest=lambda: ("22-07", "23-08", "22:30-07:00", "off"),
    ),
    "min_pnl": Wish(
        help="A closed trade whose result is smaller, up or down, gets no alert of its own",
        range=f"an amount from 0 to {MOST_PNL:,}",
        default="0",
        read=_amount,
        suggest=lambda: ("0", "10", "50", "100"),
    ),
    "theme": _word("light", "dark", help="How pictures are drawn", default="light"),
    "pictures": _word("on", "off", help="Whether closes and digests come with a picture", default="on"),
    "pin": _word("on", "off", help="Whether a status card is kept pinned, and up to date", default="on"),
    "digest": Wish(
        help="When what goes into the digest is told",
        range="hourly, or daily with a time, like daily 08:00",
        default="hourly",
        read=_digest,
        suggest=lambda: ("hourly", "daily 08:00", "daily 20:00"),
    ),
}


def _readable(wish: str, value: str) -> bool:
    try:
        return WISHES[wish].read(value) == value
    except (KeyError, Misuse):
        log.warning("the wish %s = %s cannot be read any more", wish, value)
        return False


# --- what they mean -----------------------------------------------------------------------------------------------


class Wishes:
    """Implements reach.Wishes: kept in the database, read from memory. Made by `open`."""

    def __init__(self, kept: WishList, said: Wanted) -> None:
        self._kept = kept
        self._said = dict(said)

    @classmethod
    async def open(cls, kept: WishList) -> "Wishes":
        """What an older version kept and this one cannot read is as if it had not been said."""
        return cls(kept, {about: value for about, value in (await kept.load()).items() if _readable(about[1], value)})

    def get(self, owner: str, wish: str) -> str:
        """As it was set; "" where it was not."""
        return self._said.get((chat_of(owner), wish), "")

    def value(self, owner: str, wish: str) -> str:
        """As it holds: what was set, or else the default."""
        return self.get(owner, wish) or WISHES[wish].default

    async def put(self, owner: str, wish: str, value: str, *, by: str) -> str:
        """Returns what was set before, "" for nothing. Raises Misuse for a value that cannot be."""
        owner, kept, before = chat_of(owner), WISHES[wish].read(value), self.get(owner, wish)
        await self._kept.put(owner, wish, kept, by=by)
        self._said[owner, wish] = kept
        return before

    def zone(self, owner: str) -> tzinfo:
        name = self.value(owner, "zone")
        return UTC if name == "UTC" else ZoneInfo(name)  # which keeps those that it has read

    def dark(self, owner: str) -> bool:
        return self.value(owner, "theme") == "dark"

    def pin(self, owner: str) -> bool:
        return self.value(owner, "pin") == "on"

    def pictures(self, owner: str) -> bool:
        return self.value(owner, "pictures") == "on"

    def min_pnl(self, owner: str) -> Decimal:
        return Decimal(self.value(owner, "min_pnl"))

    def quiet(self, owner: str, at: datetime) -> bool:
        """Whether `at`, wall time, lies in the owner's quiet hours; their first minute does, their end does not."""
        said = self.value(owner, "quiet")
        if said == "off":
            return False
        begin, end = _times(said, "")
        now = at.astimezone(self.zone(owner)).time()
        return begin <= now < end if begin < end else now >= begin or now < end

    def digest_at(self, owner: str, after: datetime) -> datetime:
        """When the owner's next digest is due: later than `after`, wall time, both UTC."""
        said, zone = self.value(owner, "digest"), self.zone(owner)
        local = after.astimezone(zone)
        if said == "hourly":
            past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            return after.astimezone(UTC) - past + _HOUR
        at = time.fromisoformat(said.removeprefix("daily "))
        days = (local.date() + timedelta(days=n) for n in range(3))
        due = (datetime.combine(day, at, tzinfo=zone).astimezone(UTC) for day in days)
        return next(moment for moment in due if moment > after)
