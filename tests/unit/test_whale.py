"""WHALE's arithmetic on readings, its canonical bytes, and when it abstains."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pytest

from tests.builders import BTC, a_quote
from tests.desks import a_series
from tests.injections import LABELS, TOKENS
from tests.whales import AT, MANY, a_flow, a_reading
from trading.chain import ChainView, NoReading, Reading, WalletClass, document
from trading.clock import ManualClock
from trading.decision import Abstention, Opinion, Stance
from trading.errors import BadRecord
from trading.market.features import build
from trading.market.snapshot import Snapshot
from trading.model import Symbol
from trading.personas.whale import WEIGHTS, Whale, opinion_of, read_document
from trading.playbook import Seat
from trading.voice import Lack, sha

D = Decimal
HOUR = timedelta(hours=1)
SEAT = Seat(weight=D(2), max_age=HOUR, correlated=("BTC",))
CEX, HOLDER, STAKER, DEFI, MINER, UNKNOWN = WalletClass
ETH, SOL = Symbol("ETH/USDT:USDT"), Symbol("SOL/USDT:USDT")


def voted(*flows: Any, **changes: Any) -> Opinion:
    said = opinion_of(a_reading(*flows, **changes), SEAT, at=AT, borrowed=False)
    assert isinstance(said, Opinion)
    return said


# --- the table ----------------------------------------------------------------------------------------------------

TABLE = [
    (CEX, "in", Stance.SHORT, 750_000),
    (CEX, "out", Stance.LONG, 850_000),
    (HOLDER, "out", Stance.LONG, 650_000),
    (HOLDER, "in", Stance.SHORT, 700_000),
    (STAKER, "out", Stance.LONG, 600_000),
    (STAKER, "in", Stance.SHORT, 700_000),
    (DEFI, "in", Stance.NEUTRAL, 400_000),
    (DEFI, "out", Stance.NEUTRAL, 400_000),
    (MINER, "in", Stance.SHORT, 800_000),
    (MINER, "out", Stance.NEUTRAL, 400_000),
    (UNKNOWN, "in", Stance.SHORT, 500_000),
    (UNKNOWN, "out", Stance.LONG, 500_000),
]


@pytest.mark.parametrize(("kind", "way", "stance", "weight"), TABLE)
def test_one_wallet_alone_votes_by_its_class_and_its_way(
    kind: WalletClass, way: str, stance: Stance, weight: int
) -> None:
    into, out = ("1000", "0") if way == "in" else ("0", "1000")
    said = voted(a_flow(kind, into, out, kind_confidence=700_000))
    assert (said.stance, said.confidence) == (stance, 7 * weight // 10)


def test_every_class_has_a_line() -> None:
    assert set(WEIGHTS) == set(WalletClass)


def test_the_worked_example_of_the_formula() -> None:
    said = voted(a_flow(CEX, "1000"), a_flow(HOLDER, "0", "400", kind_confidence=600_000))
    assert (said.stance, said.confidence) == (Stance.SHORT, 263_571)
    assert said.evidence[0].value == -600


@pytest.mark.parametrize(
    ("into", "out", "stance"),
    [
        ("100", "0", Stance.SHORT),
        ("99.999999999999999999", "0", Stance.NEUTRAL),
        ("0", "100", Stance.LONG),
        ("500", "401", Stance.NEUTRAL),
        ("500", "500", Stance.NEUTRAL),
    ],
)
def test_under_a_hundred_net_is_neutral(into: str, out: str, stance: Stance) -> None:
    assert voted(a_flow(HOLDER, into, out)).stance is stance


def test_a_conviction_against_the_net_takes_no_side() -> None:
    """More leaves than comes in, but of the one the class is hardly known, of the other surely."""
    said = voted(a_flow(HOLDER, "0", "1100", kind_confidence=100_000), a_flow(CEX, "900", kind_confidence=900_000))
    assert said.stance is Stance.NEUTRAL


def test_nobody_moved_anything_is_an_opinion_without_conviction() -> None:
    said = voted()
    assert (said.stance, said.confidence) == (Stance.NEUTRAL, 0)
    assert said.thesis == "nobody moved 100 ETH or more to or from an exchange in 6h"


def test_the_order_of_the_wallets_changes_nothing() -> None:
    assert voted(*MANY).conviction == voted(*MANY[::-1]).conviction


# --- what it says -------------------------------------------------------------------------------------------------


def test_thesis_evidence_and_notes_of_a_reading() -> None:
    said = voted(*MANY)
    assert said.thesis == (
        "3,040 ETH net into exchanges in 6h (6,250 in, 3,210 out, 710 that take no side; 9 wallets): "
        "coins on an exchange come to be sold"
    )
    assert [(e.label, e.value, e.unit) for e in said.evidence] == [
        ("Net flow out of exchanges", -3040.5, "ETH"),
        ("Into exchanges", 6250.5, "ETH"),
        ("Out of exchanges", 3210.0, "ETH"),
        ("Wallets", 9.0, "wallets"),
        ("Largest of one wallet", 4200.5, "ETH"),
    ]
    assert said.voice is not None
    assert len(said.voice.notes) == 5
    assert said.voice.notes[1] == "0x0000…31ce (Old treasury), Large_Holder 0.68: 0 ETH in, 2,600 ETH out"
    assert said.voice.model == "rules 1"
    assert [e.id for e in said.voice.exchanges] == [7]


def test_what_defi_moves_is_in_the_volume_and_not_in_the_net() -> None:
    said = voted(a_flow(DEFI, "5000"), a_flow(CEX, "1000"))
    assert said.evidence[0].value == -1000
    assert said.confidence == 525_000 // 6


def test_btc_borrows_the_same_view_and_says_so() -> None:
    reading = a_reading(*MANY)
    own = opinion_of(reading, SEAT, at=AT, borrowed=False)
    borrowed = opinion_of(reading, SEAT, at=AT, borrowed=True)
    assert isinstance(own, Opinion)
    assert isinstance(borrowed, Opinion)
    assert borrowed == replace(own, thesis=f"{own.thesis} (borrowed from ETH)")


@pytest.mark.parametrize("hostile", [*LABELS, *TOKENS])
def test_a_hostile_label_reaches_nothing_but_one_short_line_of_its_own(hostile: str) -> None:
    plain, named = voted(*MANY), voted(replace(MANY[0], label=hostile), *MANY[1:])
    assert replace(named, voice=None) == replace(plain, voice=None)
    assert plain.voice is not None
    assert named.voice is not None
    assert named.voice.notes[1:] == plain.voice.notes[1:]
    assert named.voice.notes[0].isprintable()
    assert len(named.voice.notes[0]) < 120


# --- age ----------------------------------------------------------------------------------------------------------


def test_a_reading_as_old_as_it_may_be_still_votes_and_one_older_does_not() -> None:
    reading = a_reading(*MANY, as_of=AT - HOUR)
    assert isinstance(opinion_of(reading, SEAT, at=AT, borrowed=False), Opinion)
    late = opinion_of(reading, SEAT, at=AT + timedelta(seconds=1), borrowed=False)
    assert isinstance(late, Abstention)
    assert late.failed
    assert late.reason == "the newest block that was read is 1h old, the limit is 1h"
    assert late.voice is not None
    assert late.voice.exchanges[0].lack is Lack.STALE


# --- the persona --------------------------------------------------------------------------------------------------


class Chain:
    """Says what it was given."""

    off = ""

    def __init__(self, said: Reading | NoReading) -> None:
        self.said, self.asked = said, 0

    async def reading(self) -> Reading:
        self.asked += 1
        if isinstance(self.said, NoReading):
            raise self.said
        return self.said

    def view(self) -> ChainView:
        return ChainView(reading=None, why="", asked=0, cached=0)


def a_whale(chain: Chain, seat: Seat = SEAT) -> Whale:
    return Whale(seat, chain, wall=ManualClock(AT))


def of(symbol: Symbol) -> Snapshot:
    features = build(a_series(list(np.full(3, 2_500.0))))
    return Snapshot(
        symbol=symbol, at=AT, features=features, row=2, quote=a_quote(), book=None, funding_rate=None, source="a test"
    )


async def test_eth_is_its_own_and_btc_is_borrowed() -> None:
    whale = a_whale(Chain(a_reading(*MANY)))
    own, borrowed = await whale.opine(of(ETH)), await whale.opine(of(BTC))
    assert isinstance(own, Opinion)
    assert isinstance(borrowed, Opinion)
    assert "borrowed" not in own.thesis
    assert borrowed.thesis.endswith("(borrowed from ETH)")
    assert whale.instant is False


async def test_a_pair_that_may_not_borrow_is_not_asked_about() -> None:
    chain = Chain(a_reading(*MANY))
    for symbol, seat in ((SOL, SEAT), (BTC, Seat(weight=D(2)))):
        said = await a_whale(chain, seat).opine(of(symbol))
        assert said == Abstention(persona="whale", reason="the chain is read for ETH alone")
    assert chain.asked == 0


async def test_age_is_measured_when_the_vote_is_cast() -> None:
    chain = Chain(a_reading(*MANY, as_of=AT - HOUR - timedelta(minutes=1)))
    said = await a_whale(chain).opine(of(ETH))
    assert isinstance(said, Abstention)


@pytest.mark.parametrize("lack", [Lack.UNREACHABLE, Lack.RATE_LIMITED, Lack.DENIED, Lack.BROKEN, Lack.NOT_RECORDED])
async def test_a_failed_look_is_an_abstention_with_its_exchange(lack: Lack) -> None:
    said = await a_whale(Chain(NoReading(lack, "why"))).opine(of(ETH))
    assert isinstance(said, Abstention)
    assert said.failed
    assert said.reason == "why"
    assert said.voice is not None
    assert [(e.lack, e.reason) for e in said.voice.exchanges] == [(lack, "why")]


async def test_no_key_is_no_failure() -> None:
    said = await a_whale(Chain(NoReading(Lack.OFF, "no key"))).opine(of(ETH))
    assert said == Abstention(persona="whale", reason="no key")


# --- its bytes ----------------------------------------------------------------------------------------------------


def test_a_reading_comes_back_from_its_bytes_and_votes_the_same() -> None:
    reading = a_reading(*MANY)
    data = document(reading)
    back = read_document(data)
    assert back == replace(reading, record=sha(data), exchange=None)
    assert document(back) == data
    then, now = (opinion_of(r, SEAT, at=AT, borrowed=True) for r in (reading, back))
    assert isinstance(then, Opinion)
    assert isinstance(now, Opinion)
    assert (then.stance, then.confidence, then.thesis, then.evidence) == (
        now.stance,
        now.confidence,
        now.thesis,
        now.evidence,
    )


def test_the_bytes_do_not_hold_their_own_hash_or_the_ledgers_line() -> None:
    reading = a_reading(*MANY)
    assert document(reading) == document(replace(reading, record="", exchange=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"at": "yesterday"}, {"at": "2026-01-05T12:00:00"}, {"at": 5}, {"window_seconds": -1}, {"window_seconds": 1.5},
        {"least": "NaN"}, {"least": "-1"}, {"least": 100}, {"exchanges": True}, {"flows": 3}, {"flows": [1]},
        {"flows": [{}]}, {"classifier": None},
    ],
)  # fmt: skip
def test_bytes_that_are_no_reading_are_refused(changes: dict[str, Any]) -> None:
    plain = orjson.loads(document(a_reading(*MANY)))
    with pytest.raises(BadRecord, match="no reading of the chain"):
        read_document(orjson.dumps(plain | changes))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"at":'])
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadRecord):
        read_document(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "Bank"), ("kind_confidence", "1"), ("into", "x"), ("out", "Infinity"), ("wallet", 3), ("label", None)],
)
def test_a_flow_that_is_none_is_refused(field: str, value: object) -> None:
    plain = orjson.loads(document(a_reading(*MANY)))
    plain["flows"][0][field] = value
    with pytest.raises(BadRecord):
        read_document(orjson.dumps(plain))
