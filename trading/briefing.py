"""How the desk stands, for models that are asked about an entry: account, limits, phase, and the facts of the bar."""

from math import isfinite

from trading.decision import Evidence
from trading.market.outlook import Outlook
from trading.market.snapshot import Briefing, Snapshot
from trading.personas.panel import bar_closed_at
from trading.playbook import Phase, span_text
from trading.situation import Situation

_FACTS = (  # label, unit, column, scale
    ("RSI(14)", "", "rsi", 1.0),
    ("MACD histogram", "x ATR", "macd_hist_atr", 1.0),
    ("Stochastic %K", "", "stoch_k", 1.0),
    ("ADX(14)", "", "adx", 1.0),
    ("momentum", "%", "momentum", 100.0),
    ("z-score(20)", "deviations", "zscore", 1.0),
    ("slope(10)", "% a bar", "slope", 100.0),
    ("Garman-Klass volatility", "% a year", "garman_klass", 100.0),
    ("taker buys", "% of volume", "taker_ratio", 100.0),
)


def brief(snapshot: Snapshot, outlook: Outlook, situation: Situation, phase: Phase | None) -> Briefing:
    """What is not known at this moment is None, or not among the facts."""
    book, playbook = situation.book, situation.playbook
    exits, instrument = playbook.exits_in(phase), situation.market.instruments()[snapshot.symbol]
    equity = situation.equity()
    return Briefing(
        equity=equity,
        start_equity=book.state.start_equity,
        day_pnl=None if equity is None or not book.state.day_equity else equity - book.state.day_equity,
        positions=len(book.positions) + len(book.entries()),
        max_positions=playbook.max_positions_in(phase),
        phase=phase.name if phase else "base",
        phase_note=phase.note if phase else "",
        phase_ends=phase.ends if phase else None,
        stop_loss=exits.stop_loss,
        take_profit=exits.take_profit,
        leverage=min(playbook.sizing.leverage, instrument.max_leverage),
        max_risk=playbook.limits.max_risk,
        max_daily_loss=playbook.limits.max_daily_loss,
        taker_fee=instrument.taker_fee,
        regime=outlook.regime,
        facts=facts(snapshot),
    )


def facts(snapshot: Snapshot) -> tuple[Evidence, ...]:
    """The market at the last closed bar, in the order of the evidence ids."""
    features, row, closed = snapshot.features, snapshot.row, bar_closed_at(snapshot)
    candles = f"{span_text(snapshot.every)} candles"
    price = Evidence(
        label="mark", value=float(snapshot.quote.mark), unit="quote", source="quote", as_of=snapshot.quote.at
    )
    columns = [(label, unit, float(getattr(features, name)[row]) * scale) for label, unit, name, scale in _FACTS]
    known = tuple(
        Evidence(label=label, value=value, unit=unit, source=candles, as_of=closed)
        for label, unit, value in columns
        if isfinite(value)
    )
    if snapshot.funding_rate is None:
        return (price, *known)
    rate = float(snapshot.funding_rate) * 100
    return (price, *known, Evidence(label="funding", value=rate, unit="%", source="funding", as_of=snapshot.at))
