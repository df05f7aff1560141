"""How the simulated market moves: the made-up numbers of its pairs, its regimes, and one day of minute bars.

One market factor and one factor of its own drive each pair. Every factor walks through regimes (a Markov chain with
exponential stays of hours); a trend drifts, a range and a chop pull back to the price where they began. The volatility
is common to all: the market regime's times a slow log-normal wave. Takers lean with the bar and with the regime: the
taker share of 15 minutes correlates by about 0.2 with the next hour's return, which no real market offers. A desk that
does well here has shown that it works, and nothing about its profit elsewhere.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from trading.market.series import Floats, Ints

MINUTES = 1440
FUNDING_EVERY = 480  # minutes


class Pair(NamedTuple):
    """Made-up constants of one pair, near what such a pair looked like in early 2025."""

    price: float  # at the start
    decimals: int  # of the tick
    step: Decimal  # base units
    volatility: float  # a year, of log prices
    market: float  # loading on the market factor: the correlation of two pairs is the product of their loadings
    turnover: float  # quote units a minute
    ticket: float  # quote units a trade
    leverage: int  # at most


PAIRS = {
    "BTC": Pair(96_000, 1, Decimal("0.001"), 0.60, 0.94, 9.0e6, 6_000, 100),
    "ETH": Pair(3_300, 2, Decimal("0.001"), 0.75, 0.905, 6.0e6, 4_000, 100),
    "SOL": Pair(190, 2, Decimal("0.1"), 0.95, 0.85, 2.5e6, 1_500, 50),
    "DOGE": Pair(0.33, 5, Decimal(100), 1.10, 0.76, 1.2e6, 700, 50),
    "XRP": Pair(2.3, 4, Decimal(1), 0.95, 0.74, 1.6e6, 900, 50),
    "ADA": Pair(0.92, 4, Decimal(10), 1.00, 0.78, 5.0e5, 600, 50),
    "BNB": Pair(690, 2, Decimal("0.01"), 0.65, 0.80, 8.0e5, 1_000, 50),
    "LTC": Pair(108, 2, Decimal("0.01"), 0.85, 0.74, 3.0e5, 600, 50),
    "AVAX": Pair(37, 3, Decimal("0.1"), 1.05, 0.80, 3.0e5, 600, 50),
    "LINK": Pair(21, 3, Decimal("0.1"), 1.00, 0.78, 3.0e5, 600, 50),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    name: str
    lean: float  # direction of drift and of takers
    volatility: float  # relative
    pull: float  # share of the way back to the regime's first price, per minute
    hours: float  # mean stay


REGIMES = (
    Regime(name="trend up", lean=1.0, volatility=0.95, pull=0.0, hours=5.0),
    Regime(name="trend down", lean=-1.0, volatility=1.05, pull=0.0, hours=4.0),
    Regime(name="range", lean=0.0, volatility=0.6, pull=1 / 120, hours=6.0),
    Regime(name="volatile", lean=0.0, volatility=1.7, pull=0.0, hours=2.0),
    Regime(name="chop", lean=0.0, volatility=0.95, pull=1 / 45, hours=3.0),
)
_LEAN, _VOLATILITY, _PULL, _HOURS = (
    np.array([getattr(regime, name) for regime in REGIMES]) for name in ("lean", "volatility", "pull", "hours")
)
_DRIFT = 0.45  # of a trend, in hourly standard deviations an hour
_WAVE = 0.3  # standard deviation of the log-volatility wave
_WAVE_HOURS = 3.0  # its correlation time
_JUMPS = 0.5  # a day and factor
_JUMP = 1.6  # standard deviation of a jump, in hourly standard deviations
_HOME_DAYS = 90.0  # correlation time of the pull to the starting price, so that years stay plausible
_FUNDING_BASE = 1e-4
_FUNDING_SLOPE = 6e-3  # rate per log return over the last 8 h
_FUNDING_CAP = 3e-3

# A chain that stays `hours` and then goes to any other regime is in each for a share of the time like its hours. With
# the wave's mean square and the jumps' variance that is what a minute's variance is on average; it has to be 1.
_SCALE = math.sqrt(
    float(np.average(_VOLATILITY**2, weights=_HOURS)) * math.exp(2 * _WAVE**2) / (1 - _JUMPS * _JUMP**2 / 24)
)
_SIGMA = np.array([pair.volatility for pair in PAIRS.values()]) / math.sqrt(365 * MINUTES)  # a minute
_MARKET = np.array([pair.market for pair in PAIRS.values()])
_OWN = np.sqrt(1 - _MARKET**2)
_HOME = np.log([pair.price for pair in PAIRS.values()])
_TURNOVER = np.array([pair.turnover for pair in PAIRS.values()])
_TICKET = np.array([pair.ticket for pair in PAIRS.values()])
_STEP = np.array([float(pair.step) for pair in PAIRS.values()])
_PER_STEP = np.maximum(np.rint(1 / _STEP), 1)
_PER_TICK = np.array([10.0**pair.decimals for pair in PAIRS.values()])


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a day leaves to the next. Row 0 of the factors is the market, row i + 1 is pair i's own."""

    price: Floats  # log price by pair, before rounding
    earlier: Floats  # the same 8 h before
    regime: Ints  # by factor
    away: Floats  # by factor: distance from the price at which its regime began, in minute deviations
    wave: float
    flow: Floats  # -1..1 by pair: the last bar's


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """A day of all known pairs: arrays of (pairs, 1,440), prices and quantities as floats of their decimal numbers."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    taker_buy: Floats
    trades: Floats
    lean: Floats
    funding: Floats  # (pairs, 3)
    regime: Ints  # (1440,), of the market


def stream(*key: int) -> Generator:
    return Generator(PCG64(SeedSequence(key)))


def opening(seed: int) -> State:
    rng = stream(seed, 0, 1)  # a trailing 1: numpy takes (seed,) and (seed, 0), which is day 0's, for the same
    factors = len(PAIRS) + 1
    return State(
        price=_HOME,
        earlier=_HOME,
        regime=rng.choice(len(REGIMES), size=factors, p=_HOURS / _HOURS.sum()),
        away=np.zeros(factors),
        wave=_WAVE * rng.standard_normal(),
        flow=np.zeros(len(PAIRS)),
    )


def walk(rng: Generator, state: State) -> tuple[Paths, State]:
    """One day of every pair, and what it leaves to the next."""
    regime, begins = _regimes(rng, state.regime)
    wave = _wave(rng, state.wave)
    volatility = _VOLATILITY[regime[0]] * np.exp(wave) / _SCALE
    moves, away = _moves(rng, regime, begins, volatility, state.away)
    home = (_HOME - state.price) / (_HOME_DAYS * MINUTES)
    returns = _SIGMA[:, None] * (_MARKET[:, None] * moves[0] + _OWN[:, None] * moves[1:]) + home[:, None]
    after = state.price[:, None] + np.cumsum(returns, axis=1)
    before = np.c_[state.price, after[:, :-1]]
    typical = _SIGMA[:, None] * volatility
    lean = (_MARKET[:, None] * _LEAN[regime[0]] + _OWN[:, None] * _LEAN[regime[1:]]) / (_MARKET + _OWN)[:, None]
    high, low = _extremes(rng, before, after, typical)
    volume, taker_buy, trades, flow = _activity(rng, returns, after, typical, lean)
    at_funding = np.c_[state.earlier, before[:, ::FUNDING_EVERY]]
    paths = Paths(
        open=_ticks(before),
        high=_ticks(high),
        low=_ticks(low),
        close=_ticks(after),
        volume=volume,
        taker_buy=taker_buy,
        trades=trades,
        lean=np.clip(0.6 * lean + 0.4 * np.c_[state.flow, flow[:, :-1]], -1, 1),
        funding=_funding(rng, np.diff(at_funding, axis=1)),
        regime=regime[0],
    )
    left = State(
        price=after[:, -1].copy(),
        earlier=at_funding[:, -1].copy(),
        regime=regime[:, -1].copy(),
        away=away,
        wave=float(wave[-1]),
        flow=flow[:, -1].copy(),
    )
    return paths, left


def _regimes(rng: Generator, last: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Regime by (factor, minute), and where one begins. Stays have no memory, so a day may draw the rest anew."""
    regime = np.repeat(last[:, None], MINUTES, axis=1)
    begins = np.zeros(regime.shape, dtype=np.bool_)
    stays = rng.exponential(size=(len(last), 48)).tolist()
    others = rng.integers(1, len(REGIMES), size=(len(last), 48)).tolist()
    for factor, kind in enumerate(last.tolist()):
        minute = 0
        for stay, other in zip(stays[factor], others[factor], strict=True):
            minute += math.ceil(stay * REGIMES[kind].hours * 60)
            if minute >= MINUTES:
                break
            kind = (kind + other) % len(REGIMES)
            regime[factor, minute:] = kind
            begins[factor, minute] = True
    return regime, begins


def _wave(rng: Generator, last: float) -> Floats:
    """Log-volatility by minute: an Ornstein-Uhlenbeck process."""
    keep = math.exp(-1 / (_WAVE_HOURS * 60))
    shocks = (_WAVE * math.sqrt(1 - keep**2) * rng.standard_normal(MINUTES)).tolist()
    return np.array([last := keep * last + shock for shock in shocks])


def _moves(
    rng: Generator, regime: Ints, begins: NDArray[np.bool_], volatility: Floats, away: Floats
) -> tuple[Floats, Floats]:
    """Each factor's moves in minute deviations, and how far it ends from the start of its regime."""
    shocks = volatility * rng.standard_normal(regime.shape)
    jumps = (rng.random(regime.shape) < _JUMPS / MINUTES) * rng.standard_normal(regime.shape) * _JUMP * math.sqrt(60)
    steps = shocks + jumps + _LEAN[regime] * _DRIFT / math.sqrt(60)
    rows = [
        _pulled(*row)
        for row in zip(steps.tolist(), _PULL[regime].tolist(), begins.tolist(), away.tolist(), strict=True)
    ]
    return np.array([moves for moves, _ in rows]), np.array([end for _, end in rows])


def _pulled(steps: list[float], pulls: list[float], begins: list[bool], away: float) -> tuple[list[float], float]:
    moves = []
    for step, pull, new in zip(steps, pulls, begins, strict=True):
        if new:
            away = 0.0
        move = step - pull * away
        away += move
        moves.append(move)
    return moves, away


def _extremes(rng: Generator, before: Floats, after: Floats, typical: Floats) -> tuple[Floats, Floats]:
    """Highest and lowest log price in each bar: those of a Brownian bridge between its ends (exact inversion)."""
    spread = (after - before) ** 2 + 2 * typical**2 * rng.standard_exponential((2, *before.shape))
    up, down = np.sqrt(spread)
    middle = before + after
    return (middle + up) / 2, (middle - down) / 2


def _activity(
    rng: Generator, returns: Floats, price: Floats, typical: Floats, lean: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Volume and taker volume in base units, trades, and flow in -1..1. Volume follows |return| and the time of day."""
    clock = 1 + 0.4 * np.cos(2 * np.pi * (np.arange(MINUTES) - 870) / MINUTES)  # busiest at 14:30 UTC
    size = np.abs(returns) / _SIGMA[:, None]
    noise = rng.standard_normal((3, *returns.shape))
    quote = _TURNOVER[:, None] * clock * (0.35 + 0.8 * size) * np.exp(0.3 * noise[0])
    share = np.clip(0.5 + 0.1 * np.tanh(returns / (1.5 * typical)) + 0.05 * lean + 0.05 * noise[1], 0.03, 0.97)
    units = np.maximum(np.rint(quote / np.exp(price) / _STEP[:, None]), 1)
    trades = np.maximum(np.rint(quote / _TICKET[:, None] * np.exp(0.2 * noise[2])), 1)
    return _steps(units), _steps(np.floor(units * share)), trades, np.clip((share - 0.5) / 0.2, -1, 1)


def _funding(rng: Generator, trend: Floats) -> Floats:
    """Rates from the log returns of the 8 h before: those who chase a trend pay."""
    raw: Floats = _FUNDING_BASE + _FUNDING_SLOPE * trend + 2e-5 * rng.standard_normal(trend.shape)
    rates: Floats = np.rint(raw.clip(-_FUNDING_CAP, _FUNDING_CAP) * 1e8) / 1e8
    return rates


def _ticks(logs: Floats) -> Floats:
    """Prices on the tick. A whole number by a power of ten is the float of that decimal number, exactly."""
    ticks = np.maximum(np.rint(np.exp(logs) * _PER_TICK[:, None]), 1)
    prices: Floats = ticks / _PER_TICK[:, None]
    return prices


def _steps(units: Floats) -> Floats:
    """Quantities of that many steps; exact for the same reason."""
    quantities: Floats = np.where(_STEP[:, None] < 1, units / _PER_STEP[:, None], units * _STEP[:, None])
    return quantities
