"""Cards of markets, risk, settings and playbooks, and those that stand in a chat, each with what it was made from."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

from bot.live_setup import Setup
from bot.render.changes import one_phase_card, phase_card, playbook_card, playbooks_card, shadows_card
from bot.render.digest import late_note, together_card, unworded_card
from bot.render.market import exposure_card, market_card, regimes_card
from bot.render.mode import mode_card, wallet_card
from bot.render.orders import approval_card, locks_card
from bot.render.risk import breaker_card
from bot.render.settings import settings_card, settings_file
from bot.render.standing import (
    gone_card,
    held_lines,
    over_card,
    pinned_card,
    returned_card,
    stopped_card,
    unpinned_card,
    unseen_card,
)
from bot.render.words import RenderContext, card, dressed
from bot.surface import Card
from tests import risk_examples as risk
from tests import surface_examples as examples
from tests.control_examples import ANA, control_events
from tests.risk_examples import AT, BTC, ETH
from tests.shown import ABOUT, Shown, shown
from trading import events as m
from trading.breaker import Tripwire
from trading.model import Direction, TradingState, Wallets
from trading.playbook import Phase, Playbook, load
from trading.state import PairLock
from trading.status import Armed, Capability, SettingLine

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
BERLIN = RenderContext(zone=ZoneInfo("Europe/Berlin"))
WATCH = RenderContext(market="gavel watch")
NOBODY = RenderContext(mode="GAVEL", market="gavel watch")

# --- playbooks and settings ------------------------------------------------------------------------------------------

FINAL = Phase(
    name="final",
    note="protect what is there",
    starts=AT,
    ends=AT + timedelta(days=7),
    take_profit=D("0.02"),
    stop_loss=D("0.01"),
    max_hold=timedelta(hours=6),
    max_positions=3,
)
PHASED: Playbook = load("desk").model_copy(update={"phases": (Phase(name="early"), FINAL)})
SHELF = (("desk", "The house playbook"), ("mine", "faulty: sizing: missing"))
LONG_SHELF = tuple((f"book-{n:02}", f"Number {n}") for n in range(12))
SETTINGS = (
    SettingLine(key="judge.min_confidence", value="0.65", default="0.6", range="above 0, at most 1",
                changed_by=ANA, changed_at=AT, version=4),
    SettingLine(key="limits.max_risk", value="0.02", default="0.02", range="above 0, at most 1"),
    SettingLine(key="exits.max_hold", value="24h", default="24h", range="a span like 6h"),
    SettingLine(key="exits.break_even", value="", default="0.01", range="above 0, at most 1, or none",
                changed_by=ANA, changed_at=AT - 30 * HOUR),
)  # fmt: skip
MANY = tuple(SettingLine(key=f"panel.seat_{n:02}.weight", value="1", default="1", range="0 to 100") for n in range(25))


def settings(lines: Sequence[SettingLine], *, wanted: str = "", page: int = 1) -> Shown:
    return shown(settings_card, lines, playbook="desk", wanted=wanted, page=page, today=AT, zone=BERLIN.zone)


# --- what stands in a chat -------------------------------------------------------------------------------------------

ILL = (
    Capability(name="journal", state=Armed.ARMED),
    Capability(name="telegram", state=Armed.DEGRADED, why="not reached", since=AT - HOUR),
)
STATUS = examples.a_status()
HALTED = examples.a_status(
    trading=TradingState.HALTED, halted_by=ANA, halt_reason="news", halted_at=AT, capabilities=ILL
)
CROWDED = replace(STATUS, positions=STATUS.positions * 11, exposure=D("8758.31"))
UNKNOWN = examples.a_status(equity=None, unrealised=None, day_pnl=None, positions=(), last_decision="")
HELD = held_lines(STATUS)
FULL = "the journal takes nothing: disk full"


PAPER_WITH_KEYS = Setup(
    venue="binance",
    keys=(("BINANCE_API_KEY", ".env"),),
    lacking=("BINANCE_API_SECRET", "GAVEL_MODE=live"),
)
KEYS = (("BYBIT_API_KEY", "the environment"), ("BYBIT_API_SECRET", ".env"))
REAL = Setup(venue="bybit", keys=KEYS, lacking=())
PRACTICE = replace(REAL, practice="testnet")
LIVE = examples.a_status(mode="LIVE", market="Bybit V5, live prices", live_by=ANA, live_at=AT)
EVEN = Wallets(venue=D("9999.6815159"), desk=D("9999.68151592"), at=AT)
RICHER = Wallets(venue=D("10250.00"), desk=D("10000.00"), at=AT)
POORER = Wallets(venue=D("9987.4"), desk=D("10000.00"), at=AT)
RICH = "account: the venue's wallet is 10250.00, the desk's 10000.00"
ONCE = "The difference was seen once only, and may pass: ask again after the next look, in 30 s."


def locks(n: int = 2) -> tuple[PairLock, ...]:
    both = PairLock(symbol=BTC, direction=None, until=None, by=ANA, at=AT, reason="news")
    one = PairLock(symbol=ETH, direction=Direction.SHORT, until=AT + HOUR, by="console:owner", at=AT)
    return ((both, one) * n)[:n]


def alerts(*titles: str) -> tuple[Card, ...]:
    return tuple(dressed(card(title, f"because of {title.lower()}"), ABOUT) for title in titles)


BURST = alerts("ETH wait, short leads with 0.52", "BTC wait", "SOL long denied: daily loss")
LATE = late_note(AT - HOUR, AT, ABOUT)
asked = control_events()["approval_asked"]
assert isinstance(asked, m.ApprovalAsked)

CARDS: dict[str, Shown] = {
    "breaker": shown(breaker_card, risk.view(), AT),
    "breaker_throttle": shown(breaker_card, risk.view(risk.throttled()), AT),
    "breaker_shutdown": shown(breaker_card, risk.view(risk.shut_down()), AT),
    "breaker_overridden": shown(breaker_card, risk.view(risk.overridden()), AT),
    "breaker_unknown": shown(breaker_card, risk.view(replace(risk.throttled(), unknown=(Tripwire.BOOKS,))), AT),
    "market": shown(market_card, risk.a_market()),
    "market_silent": shown(market_card, risk.a_silent_market()),
    "regimes": shown(regimes_card, risk.regimes()),
    "exposure": shown(exposure_card, risk.an_exposure()),
    "exposure_unknown": shown(exposure_card, risk.an_unknown_exposure()),
    "shadows": shown(shadows_card, [risk.a_shadow_desk(), risk.a_shadow_desk(playbook="sigma", equity=None)]),
    "shadows_none": shown(shadows_card, []),
    "phase": shown(phase_card, PHASED, "base", 4),
    "phase_one": shown(one_phase_card, FINAL, on=True, zone=BERLIN.zone),
    "phase_bare": shown(one_phase_card, Phase(name="early"), on=False),
    "playbook": shown(playbook_card, load("desk"), running=True, others=("mine", "smt-3.1")),
    "playbook_other": shown(playbook_card, load("smt-3.1"), running=False, others=()),
    "playbooks": shown(playbooks_card, SHELF, "desk"),
    "playbooks_page": shown(playbooks_card, LONG_SHELF, "desk", 2),
    "settings": settings(SETTINGS),
    "settings_page": settings(MANY, page=2),
    "settings_wanted": settings(SETTINGS[:1], wanted="changed"),
    "settings_none": settings((), wanted="changed"),
    "settings_file": shown(settings_file, SETTINGS, playbook="desk"),
    "locks": shown(locks_card, locks(), AT),
    "locks_page": shown(locks_card, locks(20), AT, page=2, zone=BERLIN.zone),
    "locks_none": shown(locks_card, (), AT),
    "approval": shown(approval_card, asked, ABOUT),
    "mode": shown(mode_card, STATUS, Setup()),
    "mode_keys": shown(mode_card, STATUS, PAPER_WITH_KEYS),
    "mode_live": shown(mode_card, LIVE, REAL, BERLIN.zone),
    "mode_live_unconfirmed": shown(mode_card, replace(LIVE, live_at=None, live_by=""), REAL),
    "mode_practice": shown(mode_card, LIVE, PRACTICE),
    "wallet": shown(wallet_card, replace(LIVE, wallets=EVEN), BERLIN.zone),
    "wallet_more": shown(wallet_card, replace(LIVE, wallets=RICHER, frozen=RICH, unacceptable="")),
    "wallet_less": shown(wallet_card, replace(LIVE, wallets=POORER, frozen=RICH, unacceptable=ONCE)),
    "wallet_unknown": shown(wallet_card, replace(LIVE, wallets=None)),
    "pinned": shown(pinned_card, STATUS, STATUS.at, BERLIN),
    "pinned_halted": shown(pinned_card, HALTED, HALTED.at, BERLIN),
    "pinned_held_back": shown(pinned_card, examples.a_held_back_status(locks=locks()), AT + HOUR, ABOUT),
    "pinned_crowded": shown(pinned_card, CROWDED, CROWDED.at, ABOUT),
    "pinned_unknown": shown(pinned_card, UNKNOWN, UNKNOWN.at, ABOUT),
    "unpinned": shown(unpinned_card, AT, BERLIN),
    "over_confirmed": shown(
        over_card, "close BTC long 0.0124?", "/close btc-k3f9x2pa", "confirmed", by=ANA, at=AT, about=BERLIN
    ),
    "over_cancelled": shown(over_card, "resume?", "/resume", "cancelled", by="console:owner", at=AT, about=ABOUT),
    "over_expired": shown(over_card, "flatten: close 2 positions?", "/flatten", "", by="", at=AT, about=ABOUT),
    "gone": shown(gone_card, AT, AT + 4 * MINUTE, ill=False, why="", held=HELD, paper=False, about=WATCH),
    "gone_ill": shown(gone_card, AT, AT + 90 * SECOND, ill=True, why=FULL, held=HELD, paper=True, about=WATCH),
    "gone_flat": shown(gone_card, AT, AT + HOUR, ill=False, why="", held=(), paper=True, about=WATCH),
    "unseen": shown(unseen_card, NOBODY),
    "stopped": shown(stopped_card, AT, reason="asked to stop", held=HELD, paper=True, about=WATCH),
    "stopped_flat": shown(stopped_card, AT, reason="asked to stop", held=(), paper=True, about=WATCH),
    "returned": shown(returned_card, AT, AT + 14 * MINUTE, WATCH),
    "together": shown(together_card, BURST, 500, {"DecisionMade": 498, "WaitsSummed": 2}, note=LATE, about=ABOUT),
    "together_few": shown(together_card, BURST, 3, {"DecisionMade": 3}, about=ABOUT),
    "unworded": shown(unworded_card, m.VenueLost(at=AT, detail="no answer"), KeyError("x")),
}
