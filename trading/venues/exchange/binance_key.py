"""What Binance says of a key and its futures account, as lines for the doctor."""

from collections.abc import Awaitable, Callable

from trading.errors import OrderRejected
from trading.venues.exchange.parsing import Row
from trading.venues.exchange.profile import Caller
from trading.venues.exchange.wire import Finding, Grade

MEND_KEY = "check the key, its secret, its right to futures and its list of addresses"

Found = tuple[Finding, ...]


async def examine(account: Caller, *, practice: str, hedged: Callable[[], Awaitable[bool]]) -> Found:
    """A look that is refused is an error of its own, and the others go on."""

    async def permissions() -> Found:
        return await _permissions(account, practice)

    async def mode() -> Found:
        return (_position_mode(hedged=await hedged()),)

    async def assets() -> Found:
        return (await _assets(account),)

    async def fees() -> Found:
        return (await _fees(account),)

    looks = {"permissions of the key": permissions, "position mode": mode, "margin assets": assets, "fees": fees}
    found: list[Finding] = []
    for name, look in looks.items():
        try:
            found += await look()
        except OrderRejected as no:
            found.append(_error(name, f"the exchange does not tell: {no}", MEND_KEY))
    return tuple(found)


async def _permissions(account: Caller, practice: str) -> Found:
    """Told by the host of the spot market, which knows no practice keys."""
    name = "permissions of the key"
    if practice:
        return (
            _warning(
                name,
                f"Binance does not tell what a {practice} key may do",
                "nothing to do: practice money cannot be withdrawn",
            ),
        )
    row = Row(await account.read("sapiGetAccountApiRestrictions", {}), "binance apiRestrictions")
    return (_rights(name, row), _addresses(row))


def _rights(name: str, row: Row) -> Finding:
    withdraws, trades = row.flag("enableWithdrawals"), row.flag("enableFutures")
    if withdraws:
        return _error(name, "the key may withdraw", "make a key without the right to withdraw, and delete this one")
    if not trades:
        return _error(name, "the key may not trade futures", "allow futures for the key, or make one that may")
    if any(row.flag(each) for each in ("enableInternalTransfer", "permitsUniversalTransfer") if each in row.raw):
        return _warning(name, "the key may move money between accounts", "make a key with futures and reading only")
    return _ok(name, "futures, no withdrawal")


def _addresses(row: Row) -> Finding:
    if not row.flag("ipRestrict"):
        return _warning("IP allow-list", "the key works from every address", "bind the key to this machine's address")
    return _ok("IP allow-list", "the key is bound to addresses, and this one is among them")


def _position_mode(*, hedged: bool) -> Finding:
    if hedged:
        return _error("position mode", "hedge mode: two positions an instrument", "set one-way mode, with nothing open")
    return _ok("position mode", "one-way")


async def _assets(account: Caller) -> Finding:
    row = Row(await account.read("fapiPrivateGetMultiAssetsMargin", {}, cost=30), "binance multiAssetsMargin")
    if row.flag("multiAssetsMargin"):
        return _error(
            "margin assets",
            "multi-assets mode: there is no isolated margin in it",
            "set single-asset mode in the exchange's futures settings",
        )
    return _ok("margin assets", "single-asset mode")


async def _fees(account: Caller) -> Finding:
    row = Row(await account.read("fapiPrivateGetFeeBurn", {}), "binance feeBurn")
    if row.flag("feeBurn"):
        return _warning(
            "fees",
            "paid in BNB: the wallet in USDT does not show them, and the ledger counts them as 0",
            "turn off BNB for futures fees",
        )
    return _ok("fees", "paid in the quote asset")


def _ok(name: str, detail: str) -> Finding:
    return Finding(name=name, grade=Grade.OK, detail=detail)


def _warning(name: str, detail: str, mend: str) -> Finding:
    return Finding(name=name, grade=Grade.WARNING, detail=detail, mend=mend)


def _error(name: str, detail: str, mend: str) -> Finding:
    return Finding(name=name, grade=Grade.ERROR, detail=detail, mend=mend)
