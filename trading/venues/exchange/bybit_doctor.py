"""What Bybit says of a key and its account, as lines for the doctor."""

from datetime import UTC, datetime, timedelta

from trading.venues.exchange.parsing import Row
from trading.venues.exchange.wire import Finding, Grade

SOON = timedelta(days=14)
_NEEDED = frozenset({"Order", "Position"})
_MOVES_MONEY = frozenset({"AccountTransfer", "SubMemberTransfer"})
_UNIFIED = frozenset({"3", "4", "5", "6"})  # of unifiedMarginStatus; 1 is the classic account
NOT_ON_DEMO = Finding(
    name="permissions of the key",
    grade=Grade.WARNING,
    detail="Bybit's demo accounts do not tell what a key may do",
    mend="nothing to do: demo money cannot be withdrawn",
)


def examined(key: Row, account: Row, now: datetime) -> tuple[Finding, ...]:
    return (_permissions(key), _addresses(key), _expiry(key, now), _origin(key), _account(key, account))


def _permissions(key: Row) -> Finding:
    name = "permissions of the key"
    granted = key.row("permissions")
    wallet, contract = _listed(granted, "Wallet"), _listed(granted, "ContractTrade")
    if "Withdraw" in wallet:
        return Finding(
            name=name,
            grade=Grade.ERROR,
            detail="the key may withdraw",
            mend="make a key without the permission to withdraw, and delete this one",
        )
    if key.text("readOnly") != "0" or not contract >= _NEEDED:
        return Finding(
            name=name,
            grade=Grade.ERROR,
            detail="the key may not trade contracts",
            mend="make a key that may read and write contract orders and positions",
        )
    if wallet & _MOVES_MONEY:
        return Finding(
            name=name,
            grade=Grade.WARNING,
            detail="the key may move money between accounts",
            mend="make a key with contract orders and positions only",
        )
    return Finding(name=name, grade=Grade.OK, detail="contract orders and positions, no withdrawal")


def _listed(row: Row, key: str) -> frozenset[str]:
    values = row.raw.get(key)
    return frozenset(str(value) for value in values) if isinstance(values, list) else frozenset()


def _addresses(key: Row) -> Finding:
    name, bound = "IP allow-list", _listed(key, "ips") - {""}
    if not bound or "*" in bound:
        return Finding(
            name=name,
            grade=Grade.WARNING,
            detail="the key works from every address",
            mend="bind the key to this machine's address",
        )
    return Finding(name=name, grade=Grade.OK, detail=f"bound to {len(bound)} address{'es' if len(bound) > 1 else ''}")


def _expiry(key: Row, now: datetime) -> Finding:
    """A key that is bound to an address does not expire; then the day is missing or lies in 1970."""
    name, ends = "expiry of the key", _moment(key.maybe("expiredAt"))
    if ends is None or ends.year <= 1970:
        return Finding(name=name, grade=Grade.OK, detail="does not expire")
    grade = Grade.OK if ends - now > SOON else Grade.WARNING
    mend = "" if grade is Grade.OK else "make a new key, bound to this machine's address: such keys do not expire"
    return Finding(name=name, grade=grade, detail=f"works until {ends:%Y-%m-%d}", mend=mend)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


def _origin(key: Row) -> Finding:
    if key.maybe("type") == "2":
        return Finding(
            name="kind of the key",
            grade=Grade.WARNING,
            detail="the key belongs to a third-party application",
            mend="make a key of your own, for this machine",
        )
    return Finding(name="kind of the key", grade=Grade.OK, detail="a personal key")


def _account(key: Row, account: Row) -> Finding:
    status = account.maybe("unifiedMarginStatus")
    if key.maybe("uta") == "1" and status in _UNIFIED:
        return Finding(name="kind of the account", grade=Grade.OK, detail="unified trading account")
    return Finding(
        name="kind of the account",
        grade=Grade.ERROR,
        detail="not a unified trading account",
        mend="upgrade the account to a unified trading account on Bybit's site",
    )
