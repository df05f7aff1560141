"""What stands on an exchange account, judged: whose positions and orders these are, and under which terms. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot.doctor_looks import Found, error, fine, warning
from trading.model import ClientId, Direction, Leg, Order, Position, Symbol, base_of
from trading.venues.exchange.ids import ours
from trading.venues.exchange.wire import Finding, Held, Margin, Seen, Terms

BY_ITSELF = "nothing to do: the desk sets it before an entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """As the exchange tells it. `leverage`: what the desk would open with."""

    held: Sequence[Held]
    working: Sequence[Seen]
    terms: Mapping[Symbol, Terms]
    leverage: Mapping[Symbol, int]

    @property
    def busy(self) -> frozenset[Symbol]:
        """Where something stands that keeps its exchange from changing a mode."""
        return frozenset([h.symbol for h in self.held] + [seen.symbol for seen in self.working])


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """As the desk has it."""

    held: Mapping[Symbol, tuple[Direction, Decimal]] = field(default_factory=dict)
    entering: frozenset[Symbol] = frozenset()  # an entry is on its way, or has come and is not booked yet
    orders: frozenset[ClientId] = frozenset()

    @classmethod
    def of(cls, positions: Iterable[Position], orders: Iterable[Order]) -> "Books":
        positions, unfinished = tuple(positions), [order for order in orders if not order.status.final]
        guards = [id for p in positions for id in (p.protection.stop_id, p.protection.target_id)]
        return cls(
            held={p.symbol: (p.direction, p.quantity) for p in positions},
            entering=frozenset(order.symbol for order in unfinished if order.leg is Leg.ENTRY),
            orders=frozenset([*guards, *(order.client_id for order in unfinished)]),
        )

    def joined(self, other: "Books") -> "Books":
        return Books(
            held={**self.held, **other.held},
            entering=self.entering | other.entering,
            orders=self.orders | other.orders,
        )


def account_findings(account: Account, books: Books | None) -> Found:
    """`books` None: they could not be read, so whose positions these are cannot be said."""
    whose = () if books is None else (_positions(account, books),)
    orders = _orders(account, books or Books())
    return *whose, orders, _position_mode(account), _margin(account), _leverage(account)


def is_guard(seen: Seen) -> bool:
    """A stop or target that rode on an entry: the exchange has named it, or it is ours by its name."""
    return seen.conditional and seen.reduce_only and not seen.client_id


def leftovers(working: Iterable[Seen], held: Iterable[Held]) -> tuple[Seen, ...]:
    """Orders of ours on instruments where nothing is open."""
    open_on = {h.symbol for h in held}
    return tuple(s for s in working if s.symbol not in open_on and (ours(s.client_id) or is_guard(s)))


# --- the lines --------------------------------------------------------------------------------------------------------


def _positions(account: Account, books: Books) -> Finding:
    name = "positions"
    foreign = [h for h in account.held if not _is_booked(h, books)]
    other = [h for h in account.held if h not in foreign and _differs(h, books)]
    if foreign:
        said = ", ".join(f"{base_of(h.symbol)} {h.direction} {h.quantity:f}" for h in foreign)
        mend = "the account has to be the desk's alone: close them (gavel close SYMBOL), or use a sub-account"
        return error(name, f"not the desk's: {said}", mend)
    if other:
        said = ", ".join(f"{base_of(h.symbol)} {h.quantity:f}" for h in other)
        return warning(name, f"another size than in the desk's books: {said}", "the desk books it when it looks next")
    return fine(name, f"{len(account.held)} open, the desk's own" if account.held else "none open")


def _is_booked(held: Held, books: Books) -> bool:
    booked = books.held.get(held.symbol)
    return held.symbol in books.entering or (booked is not None and booked[0] is held.direction)


def _differs(held: Held, books: Books) -> bool:
    booked = books.held.get(held.symbol)
    return booked is not None and booked[1] != held.quantity and held.symbol not in books.entering


def _orders(account: Account, books: Books) -> Finding:
    name = "orders"
    open_on = {h.symbol for h in account.held}
    foreign = [s for s in account.working if not ours(s.client_id) and not is_guard(s)]
    foreign += [s for s in account.working if is_guard(s) and s.symbol in open_on and not _may_guard(s, account)]
    left = [s for s in leftovers(account.working, account.held) if ours(s.client_id) not in books.orders]
    if foreign:
        mend = "the account has to be the desk's alone: cancel them in the exchange's app"
        return warning(name, f"not the desk's: {_listed(foreign)}", mend)
    if left:
        return warning(name, f"left over, with nothing open: {_listed(left)}", "gavel cleanup cancels them")
    return fine(name, f"{len(account.working)} working, the desk's own" if account.working else "none working")


def _may_guard(seen: Seen, account: Account) -> bool:
    sides = {h.direction for h in account.held if h.symbol == seen.symbol}
    return any(side.exit is seen.side for side in sides)


def _listed(orders: Iterable[Seen]) -> str:
    return ", ".join(f"{base_of(s.symbol)} {s.side} {s.kind.value} {s.client_id or s.id}" for s in orders)


def _position_mode(account: Account) -> Finding:
    wrong = {s for s, terms in account.terms.items() if not terms.one_way}
    return _mode("position mode", account, wrong, well="one-way", ill="not one-way")


def _margin(account: Account) -> Finding:
    wrong = {s for s, terms in account.terms.items() if terms.margin is not Margin.ISOLATED}
    return _mode("margin mode", account, wrong, well="isolated", ill="cross")


def _mode(name: str, account: Account, wrong: set[Symbol], *, well: str, ill: str) -> Finding:
    """Where it is wrong everywhere it may be the whole account's: then anything that stands keeps it so."""
    everywhere = wrong == set(account.terms)
    in_the_way = account.busy if everywhere else account.busy & wrong
    if not wrong:
        return fine(name, well)
    where = "everywhere" if everywhere else f"on {_bases(wrong)}"
    if in_the_way:
        mend = f"close positions and cancel orders on {_bases(in_the_way)}: then the desk can set it"
        return error(name, f"{ill} {where}, and it cannot be changed now", mend)
    return warning(name, f"{ill} {where}", BY_ITSELF)


def _leverage(account: Account) -> Finding:
    name = "leverage"
    open_on = {h.symbol for h in account.held}  # was set when it was opened
    wrong = {s: t for s, t in account.terms.items() if t.leverage != account.leverage[s] and s not in open_on}
    if wrong:
        said = ", ".join(f"{base_of(s)} {_times(t.leverage)}, not {account.leverage[s]}x" for s, t in wrong.items())
        return warning(name, said, BY_ITSELF)
    return fine(name, ", ".join(f"{base_of(s)} {_times(t.leverage)}" for s, t in account.terms.items()))


def _times(leverage: int | None) -> str:
    return f"{leverage}x" if leverage else "not the same on both sides"


def _bases(symbols: Iterable[Symbol]) -> str:
    return ", ".join(sorted(base_of(s) for s in symbols))
