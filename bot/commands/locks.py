"""Instruments that people keep the desk out of. Locking acts at once, unlocking asks."""

from datetime import timedelta

from bot.arguments import PAGE, Duration, OneOf, Pair, Words, duration_in
from bot.catalogue import BadArguments, Effect, command
from bot.reach import Context
from bot.render.orders import lock_line, locks_card, unlock_button
from bot.render.words import card, name_of
from bot.surface import Button, Card, Role
from trading.errors import Misuse
from trading.messages import LockPair, UnlockPair
from trading.model import Direction, Symbol

LONGEST = timedelta(days=365)
_REASON_KEPT = 120
_TIME_WORDS = 6  # "1 day 2 hours 30 minutes" is no more
_LOCKS = Button(label="Locks", data="do:/locks")

_PAIR = Pair(name="pair", help="The pair to keep out of", required=True)
_LASTS = Duration(name="lasts", help="For how long; without it until it is unlocked", rest=False, most=LONGEST)
_REASON = Words(name="reason", help="Why, for everybody to read", most=_REASON_KEPT)


@command(
    "pause",
    help="No new entry on one pair, at once; exits and protection go on",
    role=Role.OPERATOR,
    effect=Effect.AT_ONCE,
    example="/pause DOGE for 2h",
    args=(_PAIR, _LASTS, _REASON),
)
async def pause(context: Context, pair: Symbol, lasts: timedelta | None = None, reason: str = "") -> Card:
    return await _lock(context, pair, None, lasts, reason)


@command(
    "lock",
    help="No new entry on one pair, or on one side of it, at once",
    role=Role.OPERATOR,
    effect=Effect.AT_ONCE,
    example="/lock DOGE short for 2h",
    args=(_PAIR, OneOf(name="side", help="Only this side; without it both", known=("long", "short")), _LASTS, _REASON),
)
async def lock(
    context: Context, pair: Symbol, side: str = "", lasts: timedelta | None = None, reason: str = ""
) -> Card:
    return await _lock(context, pair, Direction(side) if side else None, lasts, reason)


async def _lock(context: Context, pair: Symbol, side: Direction | None, lasts: timedelta | None, reason: str) -> Card:
    more, reason = _for_how_long(reason)
    lasts = (lasts or timedelta()) + more or None
    done = await context.desk.obey(LockPair(symbol=pair, direction=side, lasts=lasts, by=context.by, reason=reason))
    now, base = context.desk.status(), name_of(pair)
    standing = [lock_line(lock, now.at, context.about.zone) for lock in now.locks if lock.symbol == pair]
    return card(
        f"{base} {side or 'both sides'} locked",
        *(standing or (done,)),
        "Exits and protection go on. /unlock takes it off; it asks first.",
        buttons=(unlock_button(pair), _LOCKS),
    )


def _for_how_long(reason: str) -> tuple[timedelta, str]:
    """The time that a reason begins with, "for 1h 30m thin book", and the rest of it; none where it is all reason."""
    words = reason.split()
    if words[:1] == ["for"]:
        words = words[1:]
    for count in range(min(len(words), _TIME_WORDS), 0, -1):
        try:
            return duration_in(" ".join(words[:count]), most=LONGEST), " ".join(words[count:])
        except BadArguments:
            continue
    return timedelta(), reason


@command(
    "unlock",
    help="Take every lock off a pair",
    role=Role.OPERATOR,
    effect=Effect.ASKS,
    example="/unlock DOGE",
    args=(Pair(name="pair", help="The pair to unlock", required=True),),
)
async def unlock(context: Context, pair: Symbol) -> Card:
    return await take_locks_off(context, pair, f"/unlock {name_of(pair)}")


async def take_locks_off(context: Context, pair: Symbol, line: str) -> Card:
    """`line`: the command that is asked about."""
    now, base = context.desk.status(), name_of(pair)
    mine = [lock for lock in now.locks if lock.symbol == pair]
    if not mine:
        others = ", ".join(dict.fromkeys(name_of(lock.symbol) for lock in now.locks))
        raise Misuse(f"{base} is not locked" + (f"; locked: {others}" if others else "; no pair is"))
    was = tuple(lock_line(lock, now.at, context.about.zone) for lock in mine)
    if context.confirmed:
        return card(
            f"{base} unlocked", await context.desk.obey(UnlockPair(symbol=pair, by=context.by)), "It was:", *was
        )
    return await context.ask(line, f"unlock {base}?", *was, "Changes: locked -> entries allowed there again")


@command(
    "locks",
    help="The pairs that are locked",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/locks",
    args=(PAGE,),
)
async def locks(context: Context, page: int = 1) -> Card:
    now = context.desk.status()
    return locks_card(now.locks, now.at, page=page, zone=context.about.zone)
