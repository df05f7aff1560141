"""A market and a desk as a model is told of them: the same in every test."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tests.builders import BTC, NOW, a_quote
from tests.desks import a_series
from trading.decision import Evidence
from trading.exit_plan import Regime
from trading.market.features import build
from trading.market.snapshot import Briefing, Snapshot
from trading.model import Symbol

D = Decimal
FEATURES = build(a_series(list(np.full(3, 60000.0))))


def a_fact(label: str, value: float, unit: str = "", source: str = "1h candles") -> Evidence:
    return Evidence(label=label, value=value, unit=unit, source=source, as_of=NOW)


def a_briefing(**changes: Any) -> Briefing:
    made = Briefing(
        equity=D("10250.5"), start_equity=D(10000), day_pnl=D("-12.25"), positions=2, max_positions=5, phase="mid",
        phase_note="faster exits", phase_ends=NOW + timedelta(days=3, hours=12), stop_loss=D("0.02"),
        take_profit=D("0.04"), leverage=20, max_risk=D("0.02"), max_daily_loss=D("0.05"), taker_fee=D("0.0005"),
        regime=Regime.TREND_UP,
        facts=(
            a_fact("mark", 60123.4, "quote", "quote"), a_fact("RSI(14)", 55.123456),
            a_fact("momentum", -1.2, "%"), a_fact("funding", 0.0000123, "%", "funding"),
        ),
    )  # fmt: skip
    return replace(made, **changes)


def a_snapshot(symbol: Symbol = BTC, *, at: datetime = NOW, **changes: Any) -> Snapshot:
    made = Snapshot(
        symbol=symbol, at=at, features=FEATURES, row=2, quote=a_quote(symbol=symbol, at=at), book=None,
        funding_rate=None, source="a test", briefing=a_briefing(), about="btc-k3f9x2pa",
    )  # fmt: skip
    return replace(made, **changes)
