"""Whose money it is, and what is in the wallet, in words. Pure.

`MONEY` is this file's part of the alerts.
"""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from bot.live_setup import Setup
from bot.render.positions import refresh
from bot.render.words import RenderContext, Renderer, amount, card, clock, counted, money, share
from bot.surface import Button, Card, Style
from trading import events as m
from trading.model import Wallets
from trading.policies import Limits
from trading.reconcile import CENT
from trading.status import DeskStatus

LIVE = "LIVE"
LEAVING = "To leave live for good: GAVEL_MODE=paper, and restart. That is a desk of its own, with its own books."
_ACCEPT = Button(label="Accept", data="do:/wallet accept")
_WALLET = Button(label="Wallet", data="do:/wallet")
_MODE = Button(label="Mode", data="do:/mode")


# --- /mode ------------------------------------------------------------------------------------------------------------


def mode_card(now: DeskStatus, setup: Setup, zone: tzinfo = UTC) -> Card:
    """Paper or live, who confirmed it, where the keys are, and what is missing."""
    if now.mode != LIVE:
        return card(
            "mode paper",
            "Orders are filled by a paper venue. No money moves.",
            f"Market: {now.market}",
            _account(setup),
            *_keys(setup),
            missing_words(setup),
            buttons=(refresh("mode"),),
        )
    armed = now.live_at is not None
    go = Button(label="Confirm live", data="do:/mode live", style=Style.DANGER)
    stop = Button(label="Stop entries", data="do:/mode paper")
    return card(
        f"mode live, {'confirmed' if armed else 'not confirmed'}",
        _whose(setup),
        _since(now, zone),
        f"Market: {now.market}",
        _account(setup),
        *_keys(setup),
        LEAVING,
        buttons=(refresh("mode"), stop if armed else go),
    )


def missing_words(setup: Setup) -> str:
    """What has to be set before live trading can be confirmed."""
    if not setup.lacking:
        return "For live trading nothing is missing in the settings: restart."
    return f"For live trading is missing: {', '.join(setup.lacking)}. Set it, restart, then /mode live."


def _whose(setup: Setup) -> str:
    if setup.practice:
        return f"Orders go to {setup.venue}, {setup.practice}: the exchange's play money moves."
    return f"Orders go to {setup.venue}: real money moves."


def _since(now: DeskStatus, zone: tzinfo) -> str:
    if now.live_at is None:
        return "Nothing is entered until an admin confirms: /mode live. Exits and protection work as ever."
    return f"Confirmed by {now.live_by}, {clock(now.live_at, today=now.at, zone=zone)}. A restart keeps that."


def _account(setup: Setup) -> str:
    if not setup.venue:
        return ""
    return f"Exchange: {setup.venue}, practice: {setup.practice or 'none'}"


def _keys(setup: Setup) -> tuple[str, ...]:
    places = dict.fromkeys(where for _, where in setup.keys)
    return tuple(f"Keys: {', '.join(k for k, at in setup.keys if at == where)}, from {where}" for where in places)


def live_lines(now: DeskStatus, setup: Setup, limits: Limits, slots: int | None) -> tuple[str, ...]:
    """What is shown before real money may move. `slots`: how many positions the phase that is on allows."""
    wallet = now.balance.wallet if now.balance else None
    equity = None if wallet is None or now.unrealised is None else wallet + now.unrealised
    return (
        "PRACTICE: the exchange's play money." if setup.practice else "REAL MONEY moves, and may be lost, all of it.",
        _account(setup),
        f"Equity there {'not known' if equity is None else amount(equity)}, {counted(len(now.positions), 'position')}",
        f"Playbook {now.playbook}, phase {now.phase}",
        f"At risk in a trade: at most {_of(limits.max_risk, equity)}",
        f"Lost in a UTC day: at most {_of(limits.max_daily_loss, equity)}, then no new entry",
        f"Leverage at most {limits.max_leverage}x; margin of all at most {_of(limits.max_margin, equity)}",
        f"Positions at most {limits.max_positions if slots is None else slots}",
        "A gap in the market may cost more than a stop allows.",
        "Changes: no new entries -> entries with real orders. A restart keeps that.",
    )


def _of(part: Decimal, equity: Decimal | None) -> str:
    return f"{share(part)} of equity" + ("" if equity is None else f" ({amount(part * equity)})")


def _armed(event: m.LiveArmed, _: RenderContext) -> Card:
    return card(
        f"LIVE TRADING CONFIRMED by {event.by}",
        f"Orders may leave for {event.venue} from now on. Equity there {amount(event.equity)}.",
        "/halt or /mode paper stops new entries, /flatten closes everything.",
        buttons=(_MODE, Button(label="Positions", data="do:/positions")),
    )


def _disarmed(event: m.LiveDisarmed, _: RenderContext) -> Card:
    return card(
        f"live trading stopped by {event.by}",
        "No new entries. Exits and protection go on.",
        "/flatten closes what is open. /mode live starts entries again; it asks for a code.",
        buttons=(_MODE, Button(label="Positions", data="do:/positions")),
    )


# --- /wallet ----------------------------------------------------------------------------------------------------------


def wallet_card(now: DeskStatus, zone: tzinfo = UTC) -> Card:
    found, again = now.wallets, refresh("wallet")
    if found is None:
        return card("the venue's wallet is not known", "The venue was not read.", buttons=(again,))
    apart = _apart(found)
    word = "less" if found.difference < 0 else "more"
    return card(
        f"wallet: the venue has {amount(abs(found.difference))} {word}" if apart else "wallet: venue and desk agree",
        *wallet_lines(found, now.at, zone),
        f"Entries frozen: {now.frozen}" if now.frozen else "",
        now.unacceptable if apart else "",
        buttons=(again, _ACCEPT) if apart and not now.unacceptable else (again,),
    )


def wallet_lines(found: Wallets, at: datetime, zone: tzinfo = UTC) -> tuple[str, ...]:
    """Both figures and the difference."""
    return (
        f"At the venue {found.venue:,f}, as of {clock(found.at, today=at, zone=zone)}",
        f"In the desk's books {found.desk:,f}",
        f"Difference {found.difference:+,f}" if _apart(found) else "",
    )


def _apart(found: Wallets) -> bool:
    """A wallet is told with fewer digits than the desk's sums have: less than a cent is no difference."""
    return abs(found.difference) > CENT


def _accepted(event: m.WalletAccepted, _: RenderContext) -> Card:
    return card(
        f"wallet accepted by {event.by}: {money(event.after - event.before)}",
        f"The desk's wallet is {event.after:,f} from now on; it was {event.before:,f}.",
        "It is no profit and no loss, and the day's loss stays as it is.",
        buttons=(_WALLET,),
    )


MONEY: dict[type[m.Event], Renderer] = {
    m.LiveArmed: _armed,
    m.LiveDisarmed: _disarmed,
    m.WalletAccepted: _accepted,
}
