"""How somebody, or a shared place, wants to be told things."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.accounts import chat_of
from bot.arguments import Base
from bot.catalogue import BadArguments, Effect, command
from bot.commands.alerts import destination, require_own, set_mode
from bot.reach import Context, Tools
from bot.render.wishes import wish_card, wished_card, zone_line
from bot.routing import MODES
from bot.surface import Card, Role
from bot.wishes import WISHES
from trading.errors import Misuse
from trading.events import WishChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished(Base):
    """A value of one of the wishes. `also`: words that mean something else, and are passed on."""

    wish: str
    also: tuple[str, ...] = ()
    rest: bool = True

    @property
    def range(self) -> str:
        own = WISHES[self.wish].range
        return f"{own}; or {', '.join(self.also)}" if self.also else own

    @property
    def choices(self) -> tuple[str, ...]:
        return WISHES[self.wish].choices

    def read(self, text: str, tools: Tools) -> str:  # noqa: ARG002
        if text.lower() in self.also:
            return text.lower()
        try:
            return WISHES[self.wish].read(text)
        except Misuse as fault:
            raise BadArguments(str(fault)) from fault

    def suggest(self, typed: str, tools: Tools) -> Iterable[str]:  # noqa: ARG002
        wanted = typed.lower().replace(" ", "_")
        return (
            value for value in (*WISHES[self.wish].suggest(), *self.also) if wanted in value.lower().replace(" ", "_")
        )


def _value(wish: str, also: tuple[str, ...] = ()) -> tuple[Wished]:
    return (
        Wished(name="value", help="What is wished from now on; without it, what holds is shown", wish=wish, also=also),
    )


async def _wish(context: Context, wish: str, value: str) -> Card:
    """Without a value: what holds now, and how to change it."""
    wishes, known, owner = context.tools.wishes, WISHES[wish], chat_of(context.owner)
    if not value:
        now = wishes.get(owner, wish) or known.default
        return wish_card(wish, now, owner=owner, help=known.help, range=known.range, choices=known.choices)
    require_own(context)
    before = await wishes.put(owner, wish, value, by=context.by) or known.default
    if before != value:
        at = context.desk.now()
        changed = WishChanged(at=at, by=context.by, owner=owner, wish=wish, before=before, after=value)
        await context.desk.tell(changed)
    local = zone_line(context.at, wishes.zone(owner)) if wish == "zone" and context.at else ""
    return wished_card(wish, before, value, local, owner=owner)


@command(
    "timezone",
    help="The time zone of the times on your cards",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/timezone Europe/Berlin",
    args=_value("zone"),
)
async def timezone(context: Context, value: str = "") -> Card:
    return await _wish(context, "zone", value)


@command(
    "quiet",
    help="Hours in which only what is critical rings",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/quiet 22-07",
    args=_value("quiet"),
)
async def quiet(context: Context, value: str = "") -> Card:
    return await _wish(context, "quiet", value)


@command(
    "theme",
    help="Dark or light pictures",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/theme dark",
    args=_value("theme"),
)
async def theme(context: Context, value: str = "") -> Card:
    return await _wish(context, "theme", value)


@command(
    "alerts min",
    help="The least result, won or lost, for which a closed trade is told alone",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/alerts min 25",
    args=_value("min_pnl"),
)
async def least(context: Context, value: str = "") -> Card:
    return await _wish(context, "min_pnl", value)


@command(
    "alerts pin",
    help="Keep a status card pinned here, and up to date",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/alerts pin on",
    args=_value("pin"),
)
async def pin(context: Context, value: str = "") -> Card:
    return await _wish(context, "pin", value)


@command(
    "alerts pictures",
    help="Send pictures with closes and digests",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/alerts pictures off",
    args=_value("pictures"),
)
async def pictures(context: Context, value: str = "") -> Card:
    return await _wish(context, "pictures", value)


@command(
    "alerts digest",
    help="When the digest is told; or how the sums of decisions without a trade are",
    role=Role.VIEWER,
    effect=Effect.OWN,
    example="/alerts digest daily 08:00",
    args=_value("digest", MODES),
)
async def digest(context: Context, value: str = "") -> Card:
    """ "digest" is a kind of alert too: /alerts digest silent is about that."""
    if value in MODES:
        return await set_mode(context, destination(context), "digest", value)
    return await _wish(context, "digest", value)
