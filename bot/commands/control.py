"""Halt and resume. The safe direction acts at once; the other one asks, after SHUTDOWN two people."""

from bot.arguments import OneOf, Pair, Words
from bot.catalogue import Effect, command
from bot.commands.locks import take_locks_off
from bot.commands.second import how_many, said_by, second_yes
from bot.reach import Context
from bot.render.risk import cause_words, override_words
from bot.render.views import held_back, state_line
from bot.render.words import card, name_of
from bot.surface import Button, Card, Role
from trading.breaker import Level
from trading.errors import Misuse
from trading.messages import Halt, ResetBreaker, Resume
from trading.model import Symbol, TradingState
from trading.status import DeskStatus

_REASON_KEPT = 120
RESET = "reset"  # rides along with a /resume that was shown to reset the breaker


@command(
    "halt",
    help="No new entries, at once; exits and protection go on",
    role=Role.OPERATOR,
    effect=Effect.AT_ONCE,
    example="/halt news at noon",
    args=(Words(name="reason", help="Why, for everybody to read", most=_REASON_KEPT),),
)
async def halt(context: Context, reason: str = "") -> Card:
    done = await context.desk.obey(Halt(by=context.by, reason=reason))
    resume = Button(label="Resume", data="do:/resume")
    return card("halted", done, "/resume starts entries again; it asks first.", buttons=(resume,))


@command(
    "resume",
    help="Allow entries again; with a pair, take its locks off",
    role=Role.OPERATOR,
    effect=Effect.ASKS,
    example="/resume",
    args=(
        Pair(name="pair", help="The pair to unlock; without one the whole desk goes on"),
        OneOf(name="breaker", help="After SHUTDOWN: reset the breaker, too", known=(RESET,)),
    ),
)
async def resume(context: Context, pair: Symbol | None = None, breaker: str = "") -> Card:
    now = context.desk.status()
    if pair is not None:
        return await take_locks_off(context, pair, f"/resume {name_of(pair)}")
    shut = now.breaker.measured is Level.SHUTDOWN
    if now.trading is not TradingState.HALTED and not shut:
        held = held_back(now)
        raise Misuse("the desk is not halted" + (f", but: {held}" if held else ""))
    if not context.confirmed:
        return await _ask(context, now)
    if shut and breaker != RESET:
        raise Misuse("the breaker has gone to SHUTDOWN meanwhile: /resume shows what it would do now")
    if shut:
        what = "reset the breaker and resume"
        asked = await second_yes(context, now.breaker, f"/resume {RESET}", least=Role.OPERATOR, what=what)
        if asked is not None:
            return asked
    return await _go_on(context, now, shut=shut)


async def _ask(context: Context, now: DeskStatus) -> Card:
    shut, halted = now.breaker.measured is Level.SHUTDOWN, now.trading is TradingState.HALTED
    at = context.desk.now()
    breaker = now.breaker
    locked = ", ".join(dict.fromkeys(name_of(lock.symbol) for lock in now.locks))
    return await context.ask(
        f"/resume {RESET}" if shut else "/resume",
        "reset the breaker and resume?" if shut else "resume entries?",
        state_line(now),
        "Changes: no new entries -> new entries allowed" if halted or not breaker.override else "",
        f"Changes: breaker {breaker.measured.name} -> CLOSED. It trips again where the reason still stands."
        if shut
        else "",
        *(f"Cause: {cause_words(cause)}" for cause in breaker.causes if shut),
        f"The override stays: {override_words(breaker.override, at, context.about.zone)}"
        if shut and breaker.override
        else "",
        f"All the same: {held_back(now)}" if held_back(now) and not shut else "",
        f"Locked all the same: {locked}" if locked else "",
        f"{len(now.positions)} open, playbook {now.playbook}, phase {now.phase}",
        how_many(context, breaker),
        danger=shut,
    )


async def _go_on(context: Context, was: DeskStatus, *, shut: bool) -> Card:
    """The breaker first: entries are not allowed before it lets them."""
    by, done = said_by(context), []
    if shut:
        done.append(await context.desk.obey(ResetBreaker(by=by)))
    if was.trading is TradingState.HALTED:
        done.append(await context.desk.obey(Resume(by=by)))
    held = held_back(context.desk.status())
    still = f"All the same: {held}" if held else ""
    return card("resumed", *done, f"It was: {state_line(was)}", still)
