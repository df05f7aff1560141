"""Paper or live: whose money it is. Real money is traded only after an admin has typed a code."""

import secrets

from bot.catalogue import Effect, command
from bot.reach import Context
from bot.render.mode import LEAVING, LIVE, live_lines, missing_words, mode_card
from bot.render.words import card, clock, counted
from bot.surface import Button, Card, Role
from trading.errors import Misuse
from trading.messages import ArmLive, DisarmLive
from trading.real_money import NOT_CONFIRMED
from trading.status import DeskStatus
from trading.venues.exchange.wire import Grade

_SHOW = Button(label="Mode", data="do:/mode")


@command(
    "mode",
    help="Whether the desk trades on paper or live, who confirmed it, and what is missing",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/mode",
)
async def mode(context: Context) -> Card:
    return mode_card(context.desk.status(), context.tools.setup, context.about.zone)


@command(
    "mode live",
    help="Confirm that the desk trades with real money, or hear what is missing for that",
    role=Role.ADMIN,
    effect=Effect.CODE,
    example="/mode live",
)
async def live(context: Context) -> Card:
    now, setup, book = context.desk.status(), context.tools.setup, context.desk.playbook
    if now.mode != LIVE:
        raise Misuse(f"the desk trades on paper, and no code is asked for. {missing_words(setup)}")
    if now.live_at is not None:
        since = clock(now.live_at, today=now.at, zone=context.about.zone)
        raise Misuse(f"live trading is confirmed already, by {now.live_by}, {since}")
    if now.balance is None or now.wallets is None:
        raise Misuse("the venue cannot be read: what is there is not known")
    await _require_sound(context)
    if context.confirmed:
        done = await context.desk.obey(ArmLive(by=context.by))
        return card("live trading confirmed", done, _otherwise(context.desk.status()), buttons=(_SHOW,))
    slots = book.max_positions_in(book.phase_named(now.phase))
    return await context.ask(
        "/mode live",
        f"trade on {setup.venue} {setup.practice or 'with real money'}?",
        *live_lines(now, setup, book.limits, slots),
        _otherwise(now),
        code=f"{secrets.randbelow(10_000):04}",
    )


@command(
    "mode paper",
    help="No new entries with real money; what is open goes on being managed",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/mode paper",
)
async def paper(context: Context) -> Card:
    now = context.desk.status()
    if now.mode != LIVE:
        raise Misuse("the desk trades on paper already")
    if now.live_at is None:
        raise Misuse(f"live trading is not confirmed, so nothing is entered. {LEAVING}")
    stays = f"{counted(len(now.positions), 'position')} open: exits and protection go on. /flatten closes everything."
    if context.confirmed:
        done = await context.desk.obey(DisarmLive(by=context.by))
        return card("live trading stopped", done, stays, LEAVING, buttons=(_SHOW,))
    return await context.ask(
        "/mode paper",
        "stop trading with real money?",
        "Changes: entries with real orders -> no new entries",
        stays,
        LEAVING,
    )


async def _require_sound(context: Context) -> None:
    """Raises Misuse with what the self-check has found to be wrong."""
    doctor = context.tools.doctor
    found = await doctor.look() if doctor is not None else ()
    faults = [f for f in found if f.grade is Grade.ERROR]
    if faults:
        what = "; ".join(f"{f.name}: {f.detail}" + (f" ({f.mend})" if f.mend else "") for f in faults)
        raise Misuse(f"the self-check has found {counted(len(faults), 'error')}. {what}")


def _otherwise(now: DeskStatus) -> str:
    """What keeps entries out besides."""
    return f"All the same: entries are frozen: {now.frozen}" if now.frozen not in ("", NOT_CONFIRMED) else ""
