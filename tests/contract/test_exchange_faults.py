"""The fault table (venues.md 4.2): every exchange, every write, every fault, through desk, adapter, client and wire.

After each: no order doubled, no position without a stop for over ten seconds, the desk's books those of the exchange
to the last digit, and the desk not frozen once the fault is over. Time jumps (exchange_time.py), so that ten seconds,
and a ban of ten minutes, are what they are.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.exchange_desk import ExchangeDesk, a_desk_at
from tests.fakes.exchange_faults import KINDS
from tests.fakes.exchange_house import NAMES
from tests.fakes.exchange_time import run
from trading.model import Direction, ExitReason, Guard, Leg, Symbol
from trading.venues.exchange.ids import ours
from trading.venues.exchange.limiter import PATIENCE
from trading.venues.exchange.wire import Lane

BTC = Symbol("BTC/USDT:USDT")
NATIVE = "BTCUSDT"
QUANTITY = Decimal("0.01")
BARE_FOR = 10.0  # seconds that a position may stand without a stop
BLIND_FOR = 7.0
LEFTOVER = "somebody-elses"

# --- what is written, and where -------------------------------------------------------------------------------------

WRITES = ("entry", "protect", "move", "take away", "cancel", "sweep", "close", "leverage", "margin")
STAGES = {"move": "move", "take away": "move", "close": "close", "sweep": "close"}  # all else is part of entering

WHERE: dict[str, dict[str, tuple[str, str]]] = {
    "weex": {
        "entry": ("POST", "/capi/v3/order"),
        "protect": ("POST", "/capi/v3/algoOrder"),
        "move": ("POST", "/capi/v3/modifyTpSlOrder"),
        "cancel": ("DELETE", "/capi/v3/order"),
        "sweep": ("DELETE", "/capi/v3/algoOrder"),
        "close": ("POST", "/capi/v3/order"),
        "leverage": ("POST", "/capi/v3/account/leverage"),
        "margin": ("POST", "/capi/v3/account/marginType"),
    },
    "binance": {
        "entry": ("POST", "/fapi/v1/order"),
        "protect": ("POST", "/fapi/v1/algoOrder"),
        "move": ("POST", "/fapi/v1/algoOrder"),
        "take away": ("DELETE", "/fapi/v1/algoOrder"),
        "cancel": ("DELETE", "/fapi/v1/order"),
        "sweep": ("DELETE", "/fapi/v1/algoOrder"),
        "close": ("POST", "/fapi/v1/order"),
        "leverage": ("POST", "/fapi/v1/leverage"),
        "margin": ("POST", "/fapi/v1/marginType"),
    },
    "bybit": {
        "entry": ("POST", "/v5/order/create"),
        "protect": ("POST", "/v5/position/trading-stop"),
        "move": ("POST", "/v5/position/trading-stop"),
        "cancel": ("POST", "/v5/order/cancel"),
        "close": ("POST", "/v5/order/create"),
        "leverage": ("POST", "/v5/position/set-leverage"),
        "margin": ("POST", "/v5/account/set-margin-mode"),
    },
}
CANNOT_BE = {
    ("weex", "take away"): "a stop is moved in place",
    ("bybit", "take away"): "a stop is moved in place",
    ("bybit", "sweep"): "levels of a position go with it",
}

# --- what goes wrong ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """`strikes`: it is answers that go wrong, `once`: a single one; else it is how the exchange is, for that stage."""

    name: str
    begin: Callable[[ExchangeDesk, str, str], None]
    strikes: bool = True
    once: bool = False


def _answer(name: str, kind: Any, **how: Any) -> Trouble:
    return Trouble(name, lambda at, method, path: _plan(at, kind, method, path, how), once=True)


def _plan(at: ExchangeDesk, kind: Any, method: str, path: str, how: dict[str, Any]) -> None:
    at.house.front.faults.add(kind, match=path, method=method, **how)


def _core(name: str, **how: Any) -> Trouble:
    def begin(at: ExchangeDesk, method: str, path: str) -> None:
        for key, value in how.items():
            setattr(at.core, key, value)

    return Trouble(name, begin, strikes=False)


def _stream(how: Any) -> Trouble:
    def begin(at: ExchangeDesk, method: str, path: str) -> None:
        at.house.front.faults.stream = how

    return Trouble(f"stream {how}", begin, strikes=False)


def _dropped(at: ExchangeDesk, method: str, path: str) -> None:
    at.later(0.0, at.house.front.faults.drop_streams)


def _lasting(trouble: Trouble, seconds: float) -> Trouble:
    """For so long."""

    def begin(at: ExchangeDesk, method: str, path: str) -> None:
        trouble.begin(at, method, path)
        at.house.front.faults.plan[-1].times = None
        at.later(seconds, lambda: _over(at))

    return Trouble(f"{trouble.name} for {seconds:g} s", begin)


def _blind(at: ExchangeDesk, method: str, path: str) -> None:
    """The answer is lost, and for a while nothing can be read either."""
    faults = at.house.front.faults
    faults.add("drop after", match=path, method=method)
    faults.add("500 before", match="*", method="GET", times=None)
    at.later(BLIND_FOR, lambda: _over(at))


ANSWERS = (
    *(_answer(kind, kind) for kind in KINDS if kind != "slow"),
    _answer("slow", "slow", seconds=4.0),  # slower than the adapter waits without looking
    _answer("late", "slow", seconds=12.0),  # carried out when nobody waits for the answer any more
    _answer("hang after", "hang", processed=True),
)
TROUBLES = (
    *ANSWERS,
    *(_lasting(trouble, 60.0) for trouble in ANSWERS),
    Trouble("blind", _blind),
    _core("many fills", liquidity=Decimal("0.003")),
    _core("partial fill", liquidity=Decimal("0.001")),
    _core("late fills", late_fills_ms=4_000),
    *(_stream(how) for how in ("silent", "reordered", "doubled", "late")),
    Trouble("stream dropped", _dropped, strikes=False),
)


Case = tuple[str, str, Trouble, Direction]

PLACES = tuple((venue, write) for write in WRITES for venue in NAMES if (venue, write) not in CANNOT_BE)


def table() -> list[Case]:
    """All there is; long and short by turns."""
    cases = [(*place, trouble) for place in PLACES for trouble in TROUBLES]
    return [(*case, (Direction.LONG, Direction.SHORT)[number % 2]) for number, case in enumerate(cases)]


def _is_diagonal(number: int) -> bool:
    """Every write at every exchange with one trouble, and every trouble with one write: the rest takes minutes."""
    place, trouble = divmod(number, len(TROUBLES))
    return place == trouble % len(PLACES) or trouble == place % len(TROUBLES)


# --- one case -------------------------------------------------------------------------------------------------------


async def _play(venue: str, write: str, trouble: Trouble, direction: Direction, *, falls: bool = False) -> None:
    """`falls`: the market goes through the stop while it is in trouble."""
    async with a_desk_at(venue) as at:
        at.direction = direction
        _prepare(at, write)
        await at.swept()
        for stage in ("enter", "move", "close"):
            strikes = STAGES.get(write, "enter") == stage
            if strikes:
                trouble.begin(at, *WHERE[venue][write])
                if falls:
                    at.later(0.05, lambda: _fall(at))
            await _stage(at, stage)
            if strikes:
                assert at.house.front.faults.struck or not trouble.strikes, "it has never struck"
                await _over(at)
            await _agree(at)
            if at.position(BTC) is None and stage == "enter":
                await at.enter(BTC, QUANTITY)  # what came to nothing may be done again
                await _agree(at)
                assert at.position(BTC) is not None
        assert at.position(BTC) is None
        assert not at.core.working()
        assert at.watcher.longest / 1000 <= BARE_FOR + at.silence, f"{at.watcher.longest} ms without a stop"
        _nothing_is_doubled(at)
        if trouble.once and not falls and not at.silence:  # one lost answer costs no position
            assert ExitReason.UNPROTECTED not in {trade.reason for trade in at.journal.trades.values()}


def _prepare(at: ExchangeDesk, write: str) -> None:
    core = at.core
    if write == "margin":
        core.margin.update(dict.fromkeys(core.specs, "CROSSED"))
    if write == "protect" and at.house.profile.attaches:
        core._ride = lambda entry: None  # type: ignore[method-assign]  # what rode on the entry never appears
    if write == "cancel":
        price = core.mark(NATIVE) * Decimal("0.97")
        side: dict[str, Any] = {"side": "BUY", "direction": "LONG"}
        core.place(
            native=NATIVE,
            kind="LIMIT",
            client_id=LEFTOVER,
            quantity=QUANTITY,
            price=price.quantize(Decimal("0.1")),
            **side,
        )


async def _stage(at: ExchangeDesk, stage: str) -> None:
    position = at.position(BTC)
    if stage == "enter":
        await at.enter(BTC, QUANTITY)
    elif position is not None and stage == "move":
        at.move_stop(position, "0.01")
    elif position is not None:
        at.close(position)
    assert await at.settle(), "it never comes to rest"


async def _fall(at: ExchangeDesk) -> None:
    price = at.core.mark(NATIVE) * (1 - Decimal("0.035") * at.direction.sign)
    at.core.move(NATIVE, price.quantize(Decimal("0.1")))


async def _over(at: ExchangeDesk) -> None:
    at.core.liquidity, at.core.late_fills_ms = None, 0
    at.house.front.faults.clear()


async def _agree(at: ExchangeDesk) -> None:
    """The desk's books are the exchange's, and it says so itself."""
    assert await at.settle(), "it never comes to rest"
    if at.limiter.silent_for > PATIENCE[Lane.READ]:  # a ban: nothing can be read, nothing is entered, it says so
        await at.swept()
        assert at.desk.frozen == "the venue cannot be read"
    await asyncio.sleep(at.limiter.silent_for)
    for _ in range(2):
        await asyncio.sleep(15)  # so that limits by the second have room again
        await at.swept()
    assert await at.settle(), "it never comes to rest"
    desk, core = at.desk, at.core
    assert not desk.faults
    assert desk.frozen == "", desk.frozen
    held = {native: position.quantity for (native, _), position in core.positions.items()}
    position = at.position(BTC)
    assert held == ({} if position is None else {NATIVE: position.quantity})
    assert desk.book.booked == core.wallet
    assert len(at.journal.fills) == len(core.fills)
    levels = sorted(order.trigger or 0 for order in core.working() if order.client_id != LEFTOVER)
    guard = None if position is None else position.protection
    assert levels == ([] if guard is None else sorted((guard.stop, guard.target)))
    assert position is None or position.guard is Guard.CONFIRMED
    assert set(desk.book.orders) == ({guard.stop_id, guard.target_id} if guard else set())


def _nothing_is_doubled(at: ExchangeDesk) -> None:
    orders = [order for order in at.core.orders.values() if order.origin is None and order.client_id != LEFTOVER]
    known = at.journal.orders
    plain = Counter(order.client_id for order in orders if not order.conditional)
    assert plain.keys() <= known.keys()
    assert max(plain.values(), default=0) <= 1
    conditional = Counter(order.client_id for order in orders if order.conditional and order.client_id)
    assert {ours(id) for id in conditional} <= known.keys()
    assert max(at.watcher.most.values(), default=Decimal(0)) <= QUANTITY
    assert {direction for _, direction in at.watcher.most} <= {at.direction.name}
    entries = [order for order in known.values() if order.leg in (Leg.ENTRY, Leg.CLOSE)]
    for order in entries:
        sent = [each for each in at.house.front.requests if each.method == "POST" and order.client_id in _text(each)]
        assert len(sent) <= 1, f"{order.client_id} has left {len(sent)} times"


def _text(call: Any) -> str:
    return f"{getattr(call, 'query', '')} {getattr(call, 'target', '')} {call.body}"


def falling() -> list[Case]:
    """While the market goes through the stop: what opens, guards, moves and closes."""
    writes = ("entry", "protect", "move", "take away", "close")
    return [case for case in table() if case[1] in writes and "for 60 s" not in case[2].name]


def _named(number: int, case: Case) -> Any:
    venue, write, trouble, _ = case
    marks = [] if _is_diagonal(number) else [pytest.mark.slow]
    return pytest.param(*case, id=f"{venue}-{write}-{trouble.name}", marks=marks)


@pytest.mark.parametrize(("venue", "write", "trouble", "direction"), [_named(*each) for each in enumerate(table())])
def test_it_is_never_doubled_never_naked_and_the_books_agree(
    venue: str, write: str, trouble: Trouble, direction: Direction
) -> None:
    run(lambda: _play(venue, write, trouble, direction))


@pytest.mark.parametrize(("venue", "write", "trouble", "direction"), [_named(*each) for each in enumerate(falling())])
def test_nor_while_the_market_goes_through_the_stop(
    venue: str, write: str, trouble: Trouble, direction: Direction
) -> None:
    run(lambda: _play(venue, write, trouble, direction, falls=True))


@pytest.mark.parametrize("venue", NAMES)
def test_what_a_stop_could_not_sell_is_sold_by_the_desk(venue: str) -> None:
    """A stop that fires into a thin book is over, and the rest of the position stands without one."""
    thin = next(trouble for trouble in TROUBLES if trouble.name == "partial fill")
    run(lambda: _play(venue, "move", thin, Direction.LONG, falls=True))
