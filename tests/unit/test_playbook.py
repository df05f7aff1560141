"""A playbook is data: what is wrong in it is named, with the nearest that is right."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.playbook_file import as_toml, remarks
from trading.errors import BadPlaybook
from trading.exit_plan import NO_EVIDENCE, Rebalance
from trading.playbook import Playbook, Quorum, SizingMethod, available, load, parse, parse_span, span_text

D = Decimal
SMALL = """
name = "small"
title = "A small one"
universe = ["BTC", "ETH", "SOL"]
[panel.flow]
weight = 1.5
[panel.technical]
weight = 1.0
"""


def small(more: str = "") -> Playbook:
    return parse(SMALL + more, origin="small.toml")


def fault(more: str, *, text: str = SMALL) -> str:
    with pytest.raises(BadPlaybook) as caught:
        parse(text + more, origin="small.toml")
    return str(caught.value)


# --- what is shipped --------------------------------------------------------------------------------------------------

ALL = ("council", "desk", "sigma", "smt-3.0", "smt-3.1")
EIGHT = ("BTC", "ETH", "SOL", "DOGE", "XRP", "ADA", "BNB", "LTC")


def test_the_five_are_shipped() -> None:
    assert available() == ALL


@pytest.mark.parametrize("name", ALL)
def test_a_shipped_playbook_bears_its_files_name_and_leaves_nothing_to_remark(name: str) -> None:
    found = load(name)
    assert (found.name, bool(found.title)) == (name, True)
    assert list(remarks(found)) == []


def at(playbook: Playbook, key: str) -> Any:
    """A setting by its dotted key, with a phase by its name; spans as a file says them."""
    found: Any = playbook
    for part in key.split("."):
        if isinstance(found, dict):
            found = found[part]
        elif isinstance(found, tuple):
            found = next(item for item in found if item.name == part)
        else:
            found = getattr(found, part)
    return span_text(found) if isinstance(found, timedelta) else found


VOTES = {
    "judge.min_confidence": D("0.60"), "judge.min_agreeing": 2, "judge.dominance": D("1.15"), "judge.drag": D("0.5"),
    "judge.quorum": Quorum.WORST_CASE,
    "panel.whale.weight": D(2), "panel.whale.tiers": (1,), "panel.sentiment.weight": D("1.5"),
    "panel.flow.weight": D("1.5"), "panel.flow.window": "15m", "panel.flow.book_depth": D("0.005"),
    "panel.flow.max_book_age": "10s", "panel.flow.min_trades": 50, "panel.technical.weight": D(1),
    "panel.technical.min_bars": 60,
}  # fmt: skip
STEPS = {
    "sizing.method": SizingMethod.CONFIDENCE, "sizing.otherwise": D("0.05"), "sizing.floor": D("0.05"),
    "sizing.ceiling": D("0.12"), "limits.max_positions": 5, "limits.max_leverage": 20,
}  # fmt: skip
PHASES = {
    "exits.take_profit": D("0.05"), "exits.stop_loss": D("0.025"), "exits.max_hold": "1d",
    "phases.early.take_profit": D("0.05"), "phases.early.stop_loss": D("0.025"), "phases.early.max_positions": 5,
    "phases.mid.take_profit": D("0.04"), "phases.mid.stop_loss": D("0.02"), "phases.mid.max_hold": "12h",
    "phases.late.take_profit": D("0.03"), "phases.late.stop_loss": D("0.015"),
    "phases.final.take_profit": D("0.02"), "phases.final.stop_loss": D("0.01"), "phases.final.max_hold": "6h",
}  # fmt: skip
LOSING = {"exits.early_after": "3h", "exits.early_loss": D("0.025"), "exits.force_loss": D("0.04")}
RISK_FIRST = {
    "regime.trend_adx": 30, "regime.quiet_adx": 20, "regime.volatile": D("0.8"), "regime.median_over": "30d",
    "regime.trend": D("1.3"), "regime.volatile_risk": D("0.3"), "regime.range": D("0.8"), "regime.chop": D("0.4"),
    "regime.lowest": D("0.3"), "regime.highest": D("1.5"),
    "expectancy.windows": (30, 100, 500), "expectancy.enough": 30, "expectancy.exploration": D("0.005"),
    "expectancy.kelly": D("0.25"), "expectancy.shadow": 30, "expectancy.max_risk": D("0.02"),
    "expectancy.damp_above": D("0.3"),
    "portfolio.asset": D("0.4"), "portfolio.group": D("0.6"), "portfolio.sector": D("0.5"),
    "portfolio.correlated": D("0.7"), "portfolio.measured_over": "30d", "portfolio.otherwise": D("0.5"),
    "portfolio.static.BTC-ETH": D("0.85"), "portfolio.static.BTC-BNB": D("0.80"),
    "portfolio.static.ETH-BNB": D("0.82"), "portfolio.static.SOL-ADA": D("0.75"),
    "portfolio.static.XRP-LTC": D("0.70"), "portfolio.sectors.large cap": ("BTC", "ETH", "BNB"),
    "portfolio.sectors.L1": ("SOL", "ADA", "AVAX"), "portfolio.sectors.payment": ("XRP", "LTC"),
    "portfolio.sectors.meme": ("DOGE",), "portfolio.sectors.oracle": ("LINK",),
    "limits.max_risk": D("0.02"), "limits.max_daily_loss": D("0.05"), "limits.max_leverage": 20, "sizing.leverage": 10,
    "breaker.failures_within": "5m", "breaker.samples": 10, "breaker.broken_books": 3, "breaker.cool_alert": "1m",
    "breaker.cool_throttle": "5m", "breaker.cool_halt": "15m", "breaker.throttle_confidence": D("0.8"),
    "breaker.throttle_size": D("0.5"),
    "health.every": 5, "health.over": 100, "health.enough": 20, "health.win_rate": (D("0.45"), D("0.35")),
    "health.sharpe": (D("0.5"), 0), "health.losses": (7, 10), "health.expectancy": (0, D("-0.001")),
    "health.drawdown": (D("0.08"), D("0.15")),
    "exits.stop_atr": D("1.5"), "exits.target_atr": 3, "exits.trailing.arm": D("0.015"),
    "exits.trailing.trend": D("0.02"), "exits.trailing.range": D("0.015"), "exits.trailing.chop": D("0.01"),
    "exits.trailing.volatile": D("0.025"), "exits.time_limits.trend": "4h", "exits.time_limits.range": "2h",
    "exits.time_limits.chop": "1h", "exits.time_limits.volatile": "30m", "exits.regime_change": True,
    "exits.rebalance.net": D("0.5"), "exits.rebalance.positions": 3, "exits.invalidation": True,
    "exits.break_even": D("0.01"), "schedule.bar": "5m", "schedule.signals_every": "5m", "schedule.watch_every": None,
}  # fmt: skip
LAW: dict[str, dict[str, Any]] = {
    "smt-3.1": {
        "universe": EIGHT, "tier1": ("BTC", "ETH"), **VOTES, **STEPS, **PHASES, **LOSING,
        "schedule.signals_every": "2h", "schedule.watch_every": "3m", "schedule.sweep_every": "30s",
        "schedule.look_again": True, "limits.wash_guard": "1m",
    },
    "smt-3.0": {
        "universe": EIGHT, "panel.whale.tiers": (1,), "sizing.method": SizingMethod.LINEAR,
        "sizing.tier1.low": D("0.05"), "sizing.tier1.high": D("0.20"), "sizing.tier2.low": D("0.05"),
        "sizing.tier2.high": D("0.10"), "sizing.tier1.since": D("0.6"), "sizing.tier1.until": D("0.95"),
        "sizing.tier2.since": D("0.6"), "sizing.tier2.until": D("0.95"), "limits.max_trade": D("0.25"),
        "limits.max_margin": D("0.6"), "limits.max_positions": 5, "exits.take_profit": D("0.05"),
        "exits.stop_loss": D("0.025"), "exits.max_hold": "2d", "phases.final.max_hold": "6h",
        "schedule.watch_every": "5m", "schedule.signals_every": "4h", "schedule.sweep_every": "30s",
    },
    "sigma": {
        "universe": EIGHT, **RISK_FIRST, "judge.min_agreeing": 1, "judge.min_confidence": D("0.4"),
        "sizing.method": SizingMethod.EXPECTANCY, "panel.sigma.min_bars": 200,
    },
    "council": {
        "universe": ("BTC", "ETH", "SOL", "BNB", "AVAX", "ADA", "LINK", "LTC"),
        "panel.council.models": ("x-ai/grok-4.3", "google/gemini-3.8-flash", "deepseek/deepseek-v4-pro"),
        "panel.council.agree": 2, "panel.council.bullish": 7, "sizing.method": SizingMethod.FIXED, "sizing.margin": 1,
        "sizing.leverage": 100, "sizing.min_leverage": 50, "limits.max_leverage": 100, "limits.stop_within": D("0.7"),
        "exits.target_of_margin": 10, "exits.stop_at_invalidation": True, "exits.max_hold": "3d",
        "schedule.signals_every": "30m", "schedule.watch_every": None,
        "expectancy": None, "portfolio": None, "health": None,
    },
    "desk": {
        "universe": EIGHT, **VOTES, **STEPS, **RISK_FIRST, **PHASES, **LOSING, "panel.sigma.weight": 1,
        "panel.sigma.min_bars": 200,
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "key", "expected"), [(n, k, v) for n, of in LAW.items() for k, v in of.items()])
def test_a_shipped_playbook_has_the_numbers_of_its_description(name: str, key: str, expected: object) -> None:
    assert at(load(name), key) == expected


def test_the_tables_of_the_descriptions() -> None:
    steps = {(D("0.80"), D("0.105")), (D("0.70"), D("0.09")), (D("0.60"), D("0.07"))}
    damps = [(D("0.3"), 1), (D("0.5"), D("0.85")), (D("0.7"), D("0.65")), (D("0.9"), D("0.45"))]
    triggers = {
        "latency": (D("0.5"), 1, 3, None),
        "failures": (2, 3, 5, 10),
        "slippage": (D("0.001"), D("0.003"), D("0.005"), None),
        "day_loss": (D("0.02"), D("0.035"), D("0.05"), D("0.10")),
    }
    for name in ("desk", "smt-3.1"):
        assert {(s.above, s.margin) for s in load(name).sizing.steps} == steps
    for name in ("desk", "sigma"):
        found = load(name)
        assert found.expectancy is not None
        assert [(d.below, d.factor) for d in found.expectancy.damps] == damps
        assert [(p.at, p.share) for p in found.exits.partials] == [(D("0.02"), D("0.25")), (D("0.04"), D("0.50"))]
        for trigger, levels in triggers.items():
            at_level = getattr(found.breaker, trigger)
            assert (at_level.alert, at_level.throttle, at_level.halt, at_level.shutdown) == levels


@pytest.mark.parametrize(
    ("name", "seats"),
    [
        ("smt-3.1", {"whale", "sentiment", "flow", "technical"}),
        ("smt-3.0", {"whale", "sentiment", "technical"}),
        ("sigma", {"sigma"}),
        ("council", {"council"}),
        ("desk", {"whale", "sentiment", "flow", "technical", "sigma"}),
    ],
)
def test_who_sits_on_a_panel(name: str, seats: set[str]) -> None:
    found = load(name)
    assert set(found.seats("ETH")) == seats
    assert set(found.seats("SOL")) == seats - {"whale"}, "chain data is of tier 1 alone"
    assert set(found.seats("BTC")) == seats - {"whale"}, "and BTC's is not ETH's unless the playbook says so"


def test_btc_borrows_the_whales_view_at_half_its_weight_where_the_playbook_says_so() -> None:
    lent = load("smt-3.1").amended({"panel.whale.correlated": '["BTC", "SOL"]'})
    assert lent.seats("BTC")["whale"].milli == 1000
    assert lent.seats("ETH")["whale"].milli == 2000
    assert "whale" not in lent.seats("SOL"), "it is not of tier 1"


@pytest.mark.parametrize("name", ["desk", "sigma", "smt-3.0", "smt-3.1"])
def test_a_shipped_playbook_leaves_a_stop_before_liquidation(name: str) -> None:
    """Unlevered stops of 2.5 % at 20x: 1/20 - 0.5 % of maintenance, x 0.7 = 3.15 %."""
    found = load(name)
    widest = max([found.exits.stop_loss, *(p.stop_loss for p in found.phases if p.stop_loss)])
    assert widest <= (1 / D(found.sizing.leverage) - D("0.005")) * D("0.7")


@pytest.mark.parametrize("name", ["desk", "sigma"])
def test_each_limit_on_what_is_alike_can_end_an_entry_before_the_margin_does(name: str) -> None:
    """In times equity. What a playbook lets one position, or all of them, reach is above each limit's own border."""
    found = load(name)
    assert found.portfolio is not None
    budget = found.portfolio.budget * found.limits.max_leverage
    largest = max((s.margin for s in found.sizing.steps), default=found.sizing.otherwise) * found.sizing.leverage
    by_evidence = found.sizing.method is SizingMethod.EXPECTANCY
    one = found.limits.max_margin * found.sizing.leverage if by_evidence else largest
    together = min(found.limits.max_margin * found.sizing.leverage, one * found.limits.max_positions)
    assert found.portfolio.asset * budget < one
    assert found.portfolio.sector * budget < together
    assert found.portfolio.group * budget < together


# --- what is wrong ----------------------------------------------------------------------------------------------------

PHASE = '[[phases]]\nname = "a"\n'
DAY = "2026-01-0{}T00:00:00Z".format
FRACTION = "expected a number above 0 and up to 1"
SPAN = 'expected a length of time above 0, like "90s", "15m", "4h" or "30d"'
WRONG = [
    # a key that nobody knows: the nearest one here, the same one elsewhere, or all there are
    ("[judge]\nmin_confidense = 0.6", "judge.min_confidense: unknown key; did you mean 'min_confidence'?"),
    ("[limits]\nmax_leverag = 3", "limits.max_leverag: unknown key; did you mean 'max_leverage'?"),
    ("[exits]\nstoploss = 0.1", "exits.stoploss: unknown key; did you mean 'stop_loss'?"),
    ("[panel.whale]\nweight = 1\nenabeld = true", "panel.whale.enabeld: unknown key; did you mean 'enabled'?"),
    (PHASE + "take_profits = 0.1", "phases.0.take_profits: unknown key; did you mean 'take_profit'?"),
    ("[sizing]\nsteps = [{ above = 0.6, margin = 0.1, abov = 1 }]", "sizing.steps.0.abov: unknown key; did you mean"),
    ("[scheduel]\nbar = '1h'", "scheduel: unknown key; did you mean 'schedule'?"),
    ("[exits.trailing]\narms = 0.1", "exits.trailing.arms: unknown key; did you mean 'arm'?"),
    ("[breaker.latency]\nhalted = 3", "breaker.latency.halted: unknown key; did you mean 'halt'?"),
    ("[expectancy]\ndamps = [{ below = 1, factor = 1, z = 1 }]", "damps.0.z: unknown key; known: below, factor"),
    ("[portfolio]\nbuget = 1", "portfolio.buget: unknown key; did you mean 'budget'?"),
    ("[health]\ndrawdowns = [0.1, 0.2]", "health.drawdowns: unknown key; did you mean 'drawdown'?"),
    ("[exits]\nmax_positions = 3", "exits.max_positions: unknown key here; there is limits.max_positions or phases"),
    ("[exits]\nkelly = 0.5", "exits.kelly: unknown key here; there is expectancy.kelly"),
    ("[judge]\nzzz = 1", "judge.zzz: unknown key; known: min_confidence, min_agreeing"),
    ("[panel.sentimant]\nweight = 1", "panel.sentimant: no such persona; did you mean 'sentiment'?"),
    ('[panel."who is"]\nweight = 1', "panel.who is: no such persona; known: whale, sentiment"),
    # missing
    ("[panel.whale]\nenabled = true", "panel.whale.weight: missing: expected a number from 0 to 100"),
    ("[[phases]]\nnote = 'x'", "phases.0.name: missing: expected a name of small letters"),
    ("[exits]\npartials = [{ at = 0.02 }]", "exits.partials.0.share: missing: expected a number above 0"),
    # another type
    ("[judge]\nmin_confidence = '0.6'", f'judge.min_confidence: {FRACTION}, found "0.6"'),
    ("[limits]\nmax_positions = true", "limits.max_positions: expected a whole number from 0, found true"),
    ("[limits]\nmax_positions = 2.5", "limits.max_positions: expected a whole number from 0, found 2.5"),
    ("[exits]\nregime_change = 1", "exits.regime_change: expected true or false, found 1"),
    ("[exits]\ntrailing = 0.02", "exits.trailing: expected a table, found 0.02"),
    ("[sizing]\nsteps = 0.05", "sizing.steps: expected a list, each a table, found 0.05"),
    ("[health]\nwin_rate = [0.4]", "health.win_rate: expected a list of 2, each a number from 0 to 1, found [0.4]"),
    ("[portfolio]\nsectors = ['BTC']", "portfolio.sectors: expected a table, each value a list, each an asset"),
    ("[judge]\nquorum = 'most'", 'judge.quorum: expected one of "worst_case", "renormalise", found "most"'),
    ("[panel.council]\nweight = 1\nmodels = 'x'", 'panel.council.models: expected a list, each text, found "x"'),
    # out of range
    ("[judge]\nmin_confidence = 60", f"judge.min_confidence: {FRACTION}, found 60; fractions, not percent: 60 % is 0"),
    ("[limits]\nmax_risk = '2%'", f'limits.max_risk: {FRACTION}, found "2%"; fractions, not percent: 2 % is 0.02'),
    ("[limits]\nmax_risk = 0", f"limits.max_risk: {FRACTION}, found 0"),
    ("[exits]\nstop_loss = nan", f"exits.stop_loss: {FRACTION}, found NaN"),
    ("[exits]\nstop_atr = inf", "exits.stop_atr: expected a number above 0, found Infinity"),
    ("[panel.whale]\nweight = -1", "panel.whale.weight: expected a number from 0 to 100"),
    ("[panel.whale]\nweight = 1.0001", "panel.whale.weight: expected a number from 0 to 100 with at most 3 decimals"),
    ("[panel.whale]\nweight = 1\ntiers = [3]", "panel.whale.tiers.0: expected a whole number from 1 to 2, found 3"),
    ("[panel.whale]\nweight = 1\ntiers = []", "panel.whale.tiers: expected a list of at least 1"),
    ("[judge]\ndominance = 0.9", "judge.dominance: expected a number from 1, found 0.9"),
    ("[expectancy]\nwindows = [30, 0]", "expectancy.windows.1: expected a whole number from 1, found 0"),
    ("[portfolio]\nstatic = { BTC-ETH = 1.01 }", "static.BTC-ETH: expected a number from -1 to 1, found 1.01"),
    ("[portfolio]\nstatic = { BTC-ETH = -1.01 }", "portfolio.static.BTC-ETH: expected a number from -1 to 1"),
    ("[portfolio]\nstatic = { BTCETH = 0.5 }", 'portfolio.static.BTCETH: expected two assets, like "BTC-ETH"'),
    ("[portfolio]\nsectors = { a = ['btc'] }", 'sectors.a.0: expected an asset as venues write it'),
    ("[breaker]\nlatency = { alert = 0 }", "breaker.latency.alert: expected a number above 0, found 0"),
    ("[health]\nlosses = [0, 10]", "health.losses.0: expected a whole number from 1, found 0"),
    # spans and times
    ("[exits]\nmax_hold = '0h'", f'exits.max_hold: {SPAN}, found "0h"'),
    ("[exits]\nmax_hold = '24 hours'", f'exits.max_hold: {SPAN}, found "24 hours"'),
    ("[exits]\nmax_hold = 24", f"exits.max_hold: {SPAN}, found 24"),
    ("[exits]\nmax_hold = 'PT24H'", f'exits.max_hold: {SPAN}, found "PT24H"'),
    ("[exits]\nmax_hold = '999999999d'", f"exits.max_hold: {SPAN}"),
    ("[exits]\nmax_hold = '9999999999999999999d'", f"exits.max_hold: {SPAN}"),
    (PHASE + f"starts = 2026-01-01T00:00:00\nends = {DAY(2)}", "phases.0.starts: expected a UTC time like"),
    (PHASE + f"starts = 2026-01-01T00:00:00+02:00\nends = {DAY(2)}", "phases.0.starts: expected a UTC time"),
    (PHASE + f"starts = 2026-01-01\nends = {DAY(2)}", "phases.0.starts: expected a UTC time"),
    (PHASE + f"starts = '2026-01-01T00:00:00'\nends = {DAY(2)}", "phases.0.starts: expected a UTC time"),
    # what does not go together
    ("[sizing]\nleverage = 21", "sizing.leverage: 21 is above limits.max_leverage (20)"),
    ("[sizing]\nmin_leverage = 11", "sizing.min_leverage: 11 is above leverage (10)"),
    ("[sizing]\nfloor = 0.2", "sizing.floor: 0.2 is above ceiling (0.12)"),
    ("[sizing]\nsteps = [{ above = 0.6, margin = 0.1 }, { above = 0.7, margin = 0.1 }]", "steps: must fall strictly"),
    ("[sizing]\nsteps = [{ above = 0.6, margin = 0.1 }, { above = 0.6, margin = 0.1 }]", "steps: must fall strictly"),
    ("[sizing.tier1]\nsince = 0.95", "sizing.tier1.since: 0.95 is not below until (0.95)"),
    ("[sizing.tier2]\nlow = 0.2", "sizing.tier2.low: 0.2 is above high (0.10)"),
    ("[sizing]\nmethod = 'expectancy'", "sizing.method: expectancy needs an [expectancy] part, and there is none"),
    ("[exits]\nearly_after = '3h'", "exits.early_loss: missing: early_after is of no use without it"),
    ("[exits]\nearly_loss = 0.02", "exits.early_after: missing: early_loss is of no use without it"),
    ("[exits]\npartials = [{ at = 0.04, share = 0.2 }, { at = 0.02, share = 0.2 }]", "partials: must rise strictly"),
    ("[exits]\npartials = [{ at = 0.02, share = 0.6 }, { at = 0.04, share = 0.5 }]", "partials: close more than"),
    ("[exits.rebalance]\nnet = 0.5", "exits.rebalance: needs the budget of a [portfolio] part, and there is none"),
    (PHASE + PHASE, "phases.1.name: the name a stands twice"),
    (PHASE + f"starts = {DAY(1)}", "phases.0.ends: missing: starts is of no use without it"),
    (PHASE + f"ends = {DAY(1)}", "phases.0.starts: missing: ends is of no use without it"),
    (PHASE + f"starts = {DAY(2)}\nends = {DAY(2)}", "phases.0.starts: is not before ends"),
    ("[regime]\nquiet_adx = 30", "regime.quiet_adx: 30 is not below trend_adx (30)"),
    ("[regime]\nlowest = 2", "regime.lowest: 2 is above highest (1.5)"),
    ("[expectancy]\ndamp_above = 0.5", "expectancy.damps: more volatility must never allow more"),
    ("[expectancy]\ndamps = [{ below = 0.5, factor = 1 }, { below = 0.4, factor = 0.9 }]", "damps: must rise strictly"),
    ("[portfolio]\nsectors = { a = ['BTC'], b = ['BTC'] }", "portfolio.sectors: BTC stands in two"),
    ("[portfolio]\nstatic = { A-B = 0.1, B-A = 0.2 }", "portfolio.static: a pair stands twice"),
    ("[portfolio]\nstatic = { A-A = 0.1 }", "portfolio.static: a pair is of two different assets"),
    ("[breaker]\nlatency = { alert = 2, throttle = 2 }", "breaker.latency.throttle: 2 is not above alert (2)"),
    ("[breaker]\nday_loss = { alert = 0.1, halt = 0.05 }", "breaker.day_loss.halt: 0.05 is not above alert (0.1)"),
    ("[health]\nwin_rate = [0.35, 0.45]", "health.win_rate: warns first: the second, critical value is lower"),
    ("[health]\nlosses = [10, 7]", "health.losses: warns first: the second, critical value is higher"),
    ("[health]\nenough = 101", "health.enough: 101 is above over (100): it would never look"),
    ("[panel.council]\nweight = 1\nmodels = ['x']", "panel.council.agree: 2 is more than there are models (1)"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "said"), WRONG)
def test_a_fault_is_named_with_its_key_and_what_was_expected(more: str, said: str) -> None:
    lines = fault(more).splitlines()
    assert lines[0] == "small.toml:"
    assert len(lines) == 2, "one fault, one line"
    assert lines[1].strip().startswith(said) or said in lines[1]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('title = "A small one"', "", "title: missing: expected text"),
        ('"BTC", "ETH", "SOL"', '"BTC", "BTC"', "universe: an asset stands twice"),
        ('"BTC", "ETH", "SOL"', "", "universe: expected a list of at least 1, each an asset"),
        ('"BTC", "ETH", "SOL"', '"btc"', 'universe.0: expected an asset as venues write it, like "BTC", found "btc"'),
        ('name = "small"', 'name = "Not So Small"', "name: expected a name of small letters, digits, dots and -"),
        (
            'name = "small"',
            "name = 7",
            "name: expected a name of small letters, digits, dots and -, 30 at most, found 7",
        ),
    ],
)
def test_a_fault_of_what_every_playbook_has(before: str, after: str, said: str) -> None:
    assert f"  {said}" in fault("", text=SMALL.replace(before, after))


def test_every_fault_is_named_at_once_and_only_real_ones() -> None:
    """A wrong type in one part hides nothing in another, nor in the same one, and nothing follows from it."""
    said = fault(
        "[judge]\nmin_confidence = 2\ndrag = -1\nmin_agre = 1\n"
        "[sizing]\nleverage = 30\nfloor = 0.2\n"
        "[limits]\nmax_risk = '5%'\nmax_leverage = 'many'\n"
        "[exits]\nstop_loss = 3\nearly_after = '3h'\n"
        '[[phases]]\nname = "a"\nmax_hold = 3\n[[phases]]\nname = "a"\n'
    )
    keys = {line.partition(":")[0].strip() for line in said.splitlines()[1:]}
    assert keys == {
        "judge.min_confidence", "judge.drag", "judge.min_agre", "sizing.floor", "limits.max_risk",
        "limits.max_leverage", "exits.stop_loss", "exits.early_loss", "phases.0.max_hold", "phases.1.name",
    }  # fmt: skip


def test_an_unknown_playbook_names_the_nearest() -> None:
    with pytest.raises(BadPlaybook, match=r"no playbook 'desc'; did you mean 'desk'\?"):
        load("desc")


def test_phases_that_overlap_are_refused() -> None:
    a = f'[[phases]]\nname = "a"\nstarts = {DAY(1)}\nends = {DAY(3)}\n'
    b = f'[[phases]]\nname = "b"\nstarts = {DAY(2)}\nends = {DAY(4)}\n'
    assert "phases.1.starts: a and b overlap" in fault(a + b)
    small(a + b.replace("01-02", "01-03"))  # one ends as the other begins


def test_what_is_not_toml_is_said_to_be_so() -> None:
    assert "not TOML" in fault("[judge\n")
    assert "not TOML" in fault("[judge]\ndrag = 0.5\ndrag = 0.6")


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SMALL)
    assert load(str(tmp_path / "mine.toml")) == small()


def test_a_file_that_is_no_text_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadPlaybook, match=r"mine\.toml cannot be read"):
        load(str(tmp_path / "mine.toml"))


# --- shown ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_what_is_shown_is_the_playbook_itself(name: str) -> None:
    found = load(name)
    again = parse("\n".join(as_toml(found)), origin="shown")
    assert (again, again.hash) == (found, found.hash)


def test_what_is_shown_of_dates_and_odd_names_can_be_read_back() -> None:
    found = small(f"[portfolio]\nsectors = {{ \"a b.c\" = ['BTC'] }}\n{PHASE}starts = {DAY(1)}\nends = {DAY(2)}")
    assert parse("\n".join(as_toml(found)), origin="shown") == found


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[judge]\nmin_agreeing = 3", "judge.min_agreeing is 3, and fewer personas exist for BTC, ETH, SOL"),
        ("[panel.whale]\nweight = 1\ntiers = [1]\n[judge]\nmin_agreeing = 3", "never a trade there"),
        ("[panel.council]\nweight = 1", "panel.council has no models: it never speaks"),
        ("[exits]\nstop_at_invalidation = true", "asks for a price that only the council names"),
    ],
)
def test_what_fits_and_is_hardly_meant_is_remarked_on(more: str, said: str) -> None:
    assert any(said in remark for remark in remarks(small(more)))


# --- phases -----------------------------------------------------------------------------------------------------------

DATED = """
[[phases]]
name = "first"
starts = 2026-01-01T00:00:00Z
ends = 2026-01-08T00:00:00Z
take_profit = 0.03
max_positions = 2
[[phases]]
name = "byhand"
stop_loss = 0.01
"""


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), None),
        (datetime(2026, 1, 1, tzinfo=UTC), "first"),
        (datetime(2026, 1, 7, 23, 59, 59, tzinfo=UTC), "first"),
        (datetime(2026, 1, 8, tzinfo=UTC), None),
    ],
)
def test_a_phase_begins_and_ends_by_its_dates(at: datetime, name: str | None) -> None:
    phase = small(DATED).phase_at(at)
    assert (phase.name if phase else None) == name


def test_a_phase_changes_what_it_names_and_nothing_else() -> None:
    house = small(DATED)
    first, by_hand = house.phase_named("first"), house.phase_named("byhand")
    assert house.exits_in(first) == house.exits.model_copy(update={"take_profit": D("0.03")})
    assert house.exits_in(by_hand) == house.exits.model_copy(update={"stop_loss": D("0.01")})
    assert house.exits_in(None) == house.exits
    assert [house.max_positions_in(p) for p in (first, by_hand, None)] == [2, 5, 5]
    assert house.phase_named("nobody") is None


# --- hash -------------------------------------------------------------------------------------------------------------


def test_the_hash_names_the_settings() -> None:
    assert small().hash == small().hash == parse(SMALL + "# a comment\n", origin="elsewhere").hash
    assert len(small().hash) == 12


@pytest.mark.parametrize(
    "more",
    ["[judge]\ndrag = 0.4", "[exits]\nmax_hold = '23h'", "[panel.whale]\nweight = 1", "[limits]\nmax_risk = 0.03"],
)
def test_any_change_changes_the_hash(more: str) -> None:
    assert small(more).hash != small().hash


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_a_seat_that_is_switched_off_does_not_exist() -> None:
    house = small("[panel.whale]\nweight = 2\nenabled = false\n[panel.sentiment]\nweight = 2\ntiers = [1]")
    assert set(house.seats("BTC")) == {"flow", "technical", "sentiment"}
    assert set(house.seats("SOL")) == {"flow", "technical"}
    assert (house.tier("ETH"), house.tier("SOL")) == (1, 2)


def test_fractions_are_read_to_the_last_digit() -> None:
    assert small("[judge]\nmin_confidence = 0.1").judge.min_confidence == D("0.1")


def test_weights_are_whole_thousandths() -> None:
    assert small().panel["flow"].milli == 1500


@pytest.mark.parametrize(
    ("text", "span"),
    [("90s", timedelta(seconds=90)), ("15m", timedelta(minutes=15)), ("2h", timedelta(hours=2)), ("1d", timedelta(1))],
)
def test_spans_are_read(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    ("span", "text"), [(timedelta(hours=1), "1h"), (timedelta(seconds=90), "90s"), (timedelta(2), "2d")]
)
def test_spans_are_said_in_the_largest_unit(span: timedelta, text: str) -> None:
    assert span_text(span) == text


def test_a_position_keeps_the_distances_it_was_opened_with() -> None:
    plan = load("desk").exits.plan(
        phase="mid", stop_loss=D("0.01"), take_profit=D("0.02"), entered=NO_EVIDENCE, budget=D("2.5")
    )
    assert (plan.phase, plan.stop_loss, plan.take_profit) == ("mid", D("0.01"), D("0.02"))
    assert (plan.max_hold, plan.rebalance) == (
        timedelta(hours=24),
        Rebalance(net=D("0.5"), positions=3, budget=D("2.5")),
    )
    assert [(p.at, p.share) for p in plan.partials] == [(D("0.02"), D("0.25")), (D("0.04"), D("0.50"))]


def test_a_position_of_a_playbook_without_more_has_stop_and_target_alone() -> None:
    plan = small().exits.plan(
        phase="base", stop_loss=D("0.01"), take_profit=D("0.02"), entered=NO_EVIDENCE, budget=D(1)
    )
    rules = (plan.early_after, plan.force_loss, plan.max_hold, plan.trailing, plan.time_limits, plan.rebalance)
    assert rules == (None,) * 6
    assert (plan.regime_change, plan.invalidation, plan.break_even, plan.partials) == (False, False, None, ())


def test_a_missing_voice_is_hostile_unless_the_playbook_says_otherwise() -> None:
    assert small().judge.quorum is Quorum.WORST_CASE
    assert small('[judge]\nquorum = "renormalise"').judge.quorum is Quorum.RENORMALISE
    assert "judge.quorum" in fault('[judge]\nquorum = "most"')
