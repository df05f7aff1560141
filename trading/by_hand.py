"""What people do to a position: close it, or a part of it. In its lane, like every other exit."""

from decimal import Decimal

from trading.book import Book
from trading.errors import Misuse, NoEvidence
from trading.execution import Execution
from trading.lanes import Lanes
from trading.market.snapshot import Snapshots
from trading.messages import ClosePosition, Quoted
from trading.model import ExitReason, Position, PositionId, Quote, base_of
from trading.policies import Limits


class ByHand:
    def __init__(self, *, book: Book, market: Snapshots, execution: Execution, lanes: Lanes) -> None:
        self.book = book
        self.market = market
        self.execution = execution
        self.lanes = lanes

    async def close(self, command: ClosePosition) -> str:
        """All of a position, or a part. Says what is done; raises Misuse with the reason when it cannot be."""
        if not 0 < command.part <= 1:
            raise Misuse("A part of a position is more than nothing and at most all of it.")
        position = self._open(command.position_id)
        said: list[str | Misuse] = []

        async def ask() -> None:
            """A refusal is for the person, and no fault of the lane."""
            try:
                said.append(await self._close(command))
            except Misuse as refused:
                said.append(refused)

        await self.lanes.run(position.symbol, ask)
        match said:
            case [str() as words]:
                return words
            case [Misuse() as refused]:
                raise refused
        raise Misuse("An error inside the desk has kept it from closing; look at /health.")

    async def _close(self, command: ClosePosition) -> str:
        """In its lane: of what is open now, at the price of now."""
        position = self._open(command.position_id)
        what = f"{base_of(position.symbol)} {position.direction.value}"
        if position.closing is not None:
            return f"{position.id} is being closed already: {position.closing.value}."
        quote = self._quote(position)
        if command.quoted is not None:
            as_shown(command.quoted, position, quote, self.book.playbook.limits)
        note, part = f"by {command.by}", self._part(position, command.part)
        if part == position.quantity:
            await self.execution.close(position, ExitReason.MANUAL, note, quote)
            rest = "" if command.part == 1 else " What would be left is less than the smallest order."
            return f"Closing {what} {position.quantity:,f} at market.{rest}"
        if self.execution.reducing(position):
            raise Misuse(f"A part of {position.id} is being closed already. Ask again in a moment.")
        await self.execution.take(position, part, note, quote)
        return f"Closing {part:,f} of {what} {position.quantity:,f} at market."

    def _part(self, position: Position, part: Decimal) -> Decimal:
        """What to close, on the step of the instrument: all of it where too little would be left."""
        instrument = self.market.instruments()[position.symbol]
        wanted = instrument.round_quantity(position.quantity * part)
        if position.quantity - wanted < instrument.min_quantity:
            return position.quantity
        if wanted < instrument.min_quantity:
            least = instrument.min_quantity
            raise Misuse(f"That would be {wanted:,f} of {position.quantity:,f}; the smallest order is {least:,f}.")
        return wanted

    def _open(self, id: PositionId) -> Position:
        position = self.book.positions.get(id)
        if position is None:
            raise Misuse(f"There is no open position {id}.")
        return position

    def _quote(self, position: Position) -> Quote | None:
        try:
            return self.market.quote(position.symbol)
        except NoEvidence:
            return None


def as_shown(quoted: Quoted, position: Position, quote: Quote | None, limits: Limits) -> None:
    """Raises Misuse where a person would get something else than he said yes to."""
    base = base_of(position.symbol)
    if quoted.quantity is not None and quoted.quantity != position.quantity:
        raise Misuse(
            f"{base} was {quoted.quantity:,f} when it was shown, and is {position.quantity:,f} now. Ask again."
        )
    if quote is None:
        raise Misuse(f"There is no fresh price of {base}. Ask again when there is.")
    if quoted.moved(quote.mark) > limits.max_requote:
        raise Misuse(
            f"{base} was at {quoted.mark:,f} when it was shown, and is at {quote.mark.normalize():,f} now: "
            f"{quoted.moved(quote.mark):.3%}, more than {limits.max_requote:.3%}. Ask again."
        )
