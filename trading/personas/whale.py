"""WHALE: what large holders move into exchanges, where it comes to be sold, and out of them, where it is kept."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from trading.chain import Flow, NoReading, Reading, WalletClass, read_document
from trading.decision import MICRO, Abstention, Evidence, Opinion, Stance, shown
from trading.envelope import clean
from trading.market.snapshot import Snapshot
from trading.model import ZERO, base_of
from trading.policies import Seat, span_text
from trading.ports import Clock, OnChain
from trading.voice import Exchange, Lack, Voice

__all__ = ["NAME", "Moved", "Whale", "opinion_of", "read_document", "sided"]

NAME = "whale"
OWN = "ETH"
LABEL_LENGTH = 40
NOTED = 5  # flows that stand in the record in words

# Class -> (side, weight in millionths) of coins that go into an exchange, and of coins that leave one. The last line
# is for wallets that no class fits: the sign holds for them as for all, at half.
_INTO, _OUT = 0, 1
WEIGHTS: dict[WalletClass, tuple[tuple[int, int], tuple[int, int]]] = {
    WalletClass.CEX: ((-1, 750_000), (1, 850_000)),
    WalletClass.HOLDER: ((-1, 700_000), (1, 650_000)),
    WalletClass.STAKER: ((-1, 700_000), (1, 600_000)),
    WalletClass.DEFI: ((0, 400_000), (0, 400_000)),
    WalletClass.MINER: ((-1, 800_000), (0, 400_000)),
    WalletClass.UNKNOWN: ((-1, 500_000), (1, 500_000)),
}


class Whale:
    name = NAME
    instant = False

    def __init__(self, seat: Seat, chain: OnChain, *, wall: Clock) -> None:
        self._seat, self._chain, self._wall = seat, chain, wall

    async def opine(self, snapshot: Snapshot) -> Opinion | Abstention:
        base = base_of(snapshot.symbol)
        if base != OWN and base not in self._seat.correlated:
            return Abstention(persona=NAME, reason=f"the chain is read for {OWN} alone")
        try:
            reading = await self._chain.reading()
        except NoReading as lack:
            return self._without(lack)
        return opinion_of(reading, self._seat, at=self._wall.now(), borrowed=base != OWN)

    def _without(self, lack: NoReading) -> Abstention:
        if lack.lack is Lack.OFF:
            return Abstention(persona=NAME, reason=lack.reason)
        tried = Exchange(
            purpose=NAME,
            provider="etherscan",
            requested="",
            at=self._wall.now(),
            lack=lack.lack,
            reason=lack.reason,
        )
        return Abstention(persona=NAME, reason=lack.reason, failed=True, voice=Voice(exchanges=(tried,)))


def opinion_of(reading: Reading, seat: Seat, *, at: datetime, borrowed: bool) -> Opinion | Abstention:
    """What a reading comes to. `at`: wall time; it bears on the age alone.

    Each wallet has two legs, the ETH it moved into exchanges and the ETH it took out, and each leg a side s (-1, 0, 1)
    and a weight w by the wallet's class (WEIGHTS), a volume v and the class's own confidence k:

        net = sum of s v        conviction = sum of s v k w / sum of v

    |net| under the least transfer is neutral, and so is a conviction that does not point the way of the net.
    Confidence is the size of the conviction; of a neutral vote the mean of k w, weighted by v.

    One CEX_Wallet (k .70) brings in 1,000, one Large_Holder (k .60) takes out 400: net = -1000 + 400 = -600; conviction
    = (-1000 x .70 x .75 + 400 x .60 x .65) / 1400 = (-525 + 156) / 1400 = -.263571: short at .26.
    """
    age = at - reading.as_of
    if age > seat.max_age:
        return _stale(reading, seat, age)
    stance, confidence = _weighed([leg for flow in reading.flows for leg in _legs(flow)], reading.least)
    moved = sided(reading.flows)
    return Opinion(
        persona=NAME,
        stance=stance,
        confidence=confidence,
        thesis=_thesis(reading, stance, moved) + (f" (borrowed from {OWN})" if borrowed else ""),
        evidence=_evidence(reading, moved),
        voice=_voice(reading),
    )


_WEI = 18  # decimals of an ETH
Leg = tuple[int, int, int, int]  # side, wei, the class's confidence, the weight


def _legs(flow: Flow) -> Iterable[Leg]:
    for way, volume in ((_INTO, flow.into), (_OUT, flow.out)):
        if volume:
            side, weight = WEIGHTS[flow.kind][way]
            yield side, int(volume.scaleb(_WEI)), flow.kind_confidence, weight


def _weighed(legs: list[Leg], least: Decimal) -> tuple[Stance, int]:
    """Stance and confidence in millionths. Whole wei and whole millionths: the sums are exact, in any order."""
    volume = sum(v for _, v, _, _ in legs)
    if not volume:
        return Stance.NEUTRAL, 0
    net = sum(s * v for s, v, _, _ in legs)
    conviction = sum(s * v * k * w for s, v, k, w in legs)
    if abs(net) < least.scaleb(_WEI) or net * conviction <= 0:
        return Stance.NEUTRAL, sum(v * k * w for _, v, k, w in legs) // volume // MICRO
    return (Stance.LONG if net > 0 else Stance.SHORT), abs(conviction) // volume // MICRO


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """ETH by the side it counts for."""

    into: Decimal  # bearish
    out: Decimal  # bullish
    aside: Decimal  # either way, by wallets whose class takes no side there

    @property
    def net(self) -> Decimal:
        return self.out - self.into


def sided(flows: Iterable[Flow]) -> Moved:
    """What all of them have moved."""
    sums = {-1: ZERO, 0: ZERO, 1: ZERO}
    for flow in flows:
        for way, volume in ((_INTO, flow.into), (_OUT, flow.out)):
            sums[WEIGHTS[flow.kind][way][0]] += volume
    return Moved(into=sums[-1], out=sums[1], aside=sums[0])


# --- words --------------------------------------------------------------------------------------------------------

_MEANS = {
    Stance.LONG: "more is taken into custody than brought to be sold",
    Stance.SHORT: "coins on an exchange come to be sold",
    Stance.NEUTRAL: "no side",
}


def _thesis(reading: Reading, stance: Stance, moved: Moved) -> str:
    span = span_text(reading.window)
    if not reading.flows:
        return f"nobody moved {reading.least:,.0f} ETH or more to or from an exchange in {span}"
    where = "out of" if moved.net > 0 else "into"
    aside = f", {moved.aside:,.0f} that take no side" if moved.aside else ""
    wallets = f"{len(reading.flows)} wallet{'' if len(reading.flows) == 1 else 's'}"
    ways = f"{moved.into:,.0f} in, {moved.out:,.0f} out{aside}; {wallets}"
    return f"{abs(moved.net):,.0f} ETH net {where} exchanges in {span} ({ways}): {_MEANS[stance]}"


def _evidence(reading: Reading, moved: Moved) -> tuple[Evidence, ...]:
    largest = max((max(flow.into, flow.out) for flow in reading.flows), default=ZERO)
    values = (
        ("Net flow out of exchanges", moved.net, "ETH"),
        ("Into exchanges", moved.into, "ETH"),
        ("Out of exchanges", moved.out, "ETH"),
        ("Wallets", Decimal(len(reading.flows)), "wallets"),
        ("Largest of one wallet", largest, "ETH"),
    )
    source = f"Ethereum, {reading.exchanges} exchange wallets, {span_text(reading.window)}"
    return tuple(
        Evidence(label=label, value=float(value), unit=unit, source=source, as_of=reading.as_of)
        for label, value, unit in values
    )


def _voice(reading: Reading) -> Voice:
    exchanges = () if reading.exchange is None else (reading.exchange,)
    return Voice(model=reading.classifier, notes=tuple(map(_note, reading.flows[:NOTED])), exchanges=exchanges)


def _note(flow: Flow) -> str:
    name = f" ({clean(flow.label, LABEL_LENGTH)})" if flow.label else ""
    short = f"{flow.wallet[:6]}…{flow.wallet[-4:]}"
    kind = f"{flow.kind.value} {shown(flow.kind_confidence)}"
    return f"{short}{name}, {kind}: {flow.into:,.0f} ETH in, {flow.out:,.0f} ETH out"


def _stale(reading: Reading, seat: Seat, age: timedelta) -> Abstention:
    old = span_text(timedelta(minutes=age // timedelta(minutes=1)))
    reason = f"the newest block that was read is {old} old, the limit is {span_text(seat.max_age)}"
    tried = () if reading.exchange is None else (replace(reading.exchange, lack=Lack.STALE, reason=reason),)
    voice = Voice(model=reading.classifier, exchanges=tried)
    return Abstention(persona=NAME, reason=reason, failed=True, voice=voice)
