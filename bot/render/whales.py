"""What large holders do, behind WHALE's vote. Pure: every number comes from the view."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo
from decimal import Decimal

from bot.render.positions import refresh
from bot.render.words import card, clock, confidence, counted, rounded, span
from bot.surface import Card, Table
from trading.chain import ChainView, Flow, WalletClass
from trading.personas.whale import Moved, sided

SHOWN = 8  # wallets in the table
_NAMES = {
    WalletClass.CEX: "exchange without a label",
    WalletClass.HOLDER: "large holder",
    WalletClass.STAKER: "staker",
    WalletClass.DEFI: "DeFi trader",
    WalletClass.MINER: "miner",
    WalletClass.UNKNOWN: "not known",
}


def whales_card(view: ChainView, zone: tzinfo = UTC) -> Card:
    reading = view.reading
    if reading is None:
        return card(
            "whales: no reading of the chain",
            f"Why: {view.why}" if view.why else "",
            "WHALE abstains as long as there is none.",
            _calls(view),
            buttons=(refresh("whales"),),
        )
    flows = reading.flows
    moved = sided(flows)
    return card(
        f"whales: {_net(moved)}",
        f"As of {clock(reading.as_of, zone=zone)}, asked at {clock(reading.at, today=reading.as_of, zone=zone)}",
        f"Transfers of {_eth(reading.least)} ETH or more within {span(reading.window)}, "
        f"{counted(reading.exchanges, 'exchange wallet')} read",
        f"Into exchanges {_eth(moved.into)} ETH, out of them {_eth(moved.out)} ETH, {counted(len(flows), 'wallet')}",
        f"{_eth(moved.aside)} ETH moved by wallets that take no side" if moved.aside else "",
        "Into an exchange is bearish, out of one bullish.",
        *_by_class(flows),
        "The table has the largest of them." if len(flows) > SHOWN else "",
        f"Classes by {reading.classifier}",
        _calls(view),
        table=_largest(flows[:SHOWN]) if flows else None,
        buttons=(refresh("whales"),),
    )


def _net(moved: Moved) -> str:
    if not moved.net:
        return "nothing net"
    return f"{_eth(abs(moved.net))} ETH net {'out of' if moved.net > 0 else 'into'} exchanges"


def _eth(amount: Decimal) -> str:
    return f"{rounded(amount, 0):,f}"


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _calls(view: ChainView) -> str:
    return f"Within a day {counted(view.asked, 'call')} to Etherscan, {counted(view.cached, 'answer')} from memory"


def _by_class(flows: Sequence[Flow]) -> tuple[str, ...]:
    by: dict[WalletClass, list[Flow]] = defaultdict(list)
    for flow in flows:
        by[flow.kind].append(flow)
    return tuple(
        f"{_NAMES[kind].capitalize() if kind is not WalletClass.DEFI else _NAMES[kind]}: "
        f"{_eth(_sum(f.into for f in by[kind]))} in, {_eth(_sum(f.out for f in by[kind]))} out, "
        f"{counted(len(by[kind]), 'wallet')}"
        for kind in WalletClass
        if kind in by
    )


def _largest(flows: Sequence[Flow]) -> Table:
    rows = tuple(
        (
            f"{flow.wallet[:6]}…{flow.wallet[-4:]}",
            flow.label or "-",
            f"{_NAMES[flow.kind]} {confidence(flow.kind_confidence)}",
            f"{_eth(flow.into)} in",
            f"{_eth(flow.out)} out",
        )
        for flow in flows
    )
    return Table(head=("Wallet", "Label", "Class", "In", "Out"), rows=rows)
