"""WEEX's V3 websockets on the emulated exchange: public channels by symbol, private ones of the account."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from tests.fakes import weex_exchange_pushes as pushes
from tests.fakes import weex_exchange_rows as rows
from tests.fakes.exchange_core import CoreFill, CoreOrder, CorePosition, Happening, Spec
from tests.fakes.weex_exchange_gate import WeexCall
from tests.fakes.weex_exchange_market import MINUTES, levelled, trade_id
from tests.fakes.weex_exchange_rows import Json, plain, ticked
from tests.fakes.weex_exchange_words import Refusal

if TYPE_CHECKING:
    from tests.fakes.weex_exchange import WeexExchange

PATHS = {"/v3/ws/public": False, "/v3/ws/private": True}
PRIVATE = frozenset({"account", "orders", "positions", "fill"})
MOST_CHANNELS = 100
MISSED_PONGS = 5
Levels = dict[Decimal, Decimal]


@dataclass(eq=False)
class Socket:
    stream: web.WebSocketResponse
    private: bool
    channels: list[str] = field(default_factory=list)
    queue: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    books: dict[str, tuple[Levels, Levels]] = field(default_factory=dict)
    missed: int = 0


class Streams:
    """`ping_every`: seconds without a push after which the exchange pings; after more than five that nobody answers it
    hangs up. `version` counts the pushes of the account, `v` in them."""

    def __init__(self, front: "WeexExchange") -> None:
        self._front = front
        self.sockets: list[Socket] = []
        self.sent: list[Json] = []  # what clients asked for
        self.ping_every = 20.0
        self.pongs = 0
        self.version = 0

    # --- one socket -------------------------------------------------------------------------------------------------

    async def serve(self, request: web.Request, call: WeexCall) -> web.StreamResponse:
        refusal = self._refusal(call)
        if refusal is not None:
            return refusal
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        socket = Socket(stream, PATHS[call.path])
        self.sockets.append(socket)
        self._front.faults.join(stream, request)
        writer = asyncio.create_task(self._write(socket))
        try:
            async for message in stream:
                if message.type is WSMsgType.TEXT:
                    await self._hear(socket, message.data)
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            self.sockets.remove(socket)
            self._front.faults.leave(stream)
        return stream

    def _refusal(self, call: WeexCall) -> web.Response | None:
        if call.path not in PATHS:
            return web.Response(status=404)
        if not call.headers.get("User-Agent"):
            return web.Response(status=403, text="User-Agent is required")
        if PATHS[call.path]:
            try:
                self._front.gate.check(call.headers, call.path, self._front.server_time())
            except Refusal as no:
                return web.json_response({"code": no.code, "msg": no.text}, status=401)
        return None

    async def _write(self, socket: Socket) -> None:
        faults = self._front.faults
        while not socket.stream.closed:
            try:
                async with asyncio.timeout(self.ping_every):
                    text = await socket.queue.get()
            except TimeoutError:
                await self._ping(socket)
            else:
                await faults.send(socket.stream, text, private=socket.private)

    async def ping(self) -> None:
        """All sockets, now."""
        for socket in list(self.sockets):
            await self._ping(socket)

    async def _ping(self, socket: Socket) -> None:
        if socket.missed > MISSED_PONGS:
            await socket.stream.close()
            return
        socket.missed += 1
        kind = "type" if socket.private else "event"
        await socket.stream.send_json({kind: "ping", "time": str(self._front.server_time())})

    async def _hear(self, socket: Socket, text: str) -> None:
        asked = json.loads(text)
        self.sent.append(asked)
        method, number = asked.get("method"), asked.get("id")
        if method == "PONG":
            self.pongs += 1
            socket.missed = 0
            return
        echoed = int(number) if str(number).isdigit() else number
        refusal = self._changed(socket, method, asked.get("params") or [])
        if refusal:
            await socket.stream.send_json({"result": False, "id": echoed, "msg": f"INVALID_ARGUMENT: {refusal}"})
            return
        await socket.stream.send_json({"result": True, "id": echoed})
        if method == "SUBSCRIBE":
            for channel in asked["params"]:
                self._begin(socket, channel)

    def _changed(self, socket: Socket, method: str, channels: list[str]) -> str:
        """What is wrong with the request; "" when it is carried out."""
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE") or not channels:
            return "invalid method"
        wrong = next((why for channel in channels if (why := self._wrong(socket, channel))), "")
        if wrong:
            return wrong
        left = [channel for channel in socket.channels if channel not in channels]
        wanted = left + channels if method == "SUBSCRIBE" else left
        if len(wanted) > MOST_CHANNELS:
            return f"more than {MOST_CHANNELS} channels"
        socket.channels = wanted
        return ""

    def _wrong(self, socket: Socket, channel: str) -> str:
        if socket.private:
            return "" if channel in PRIVATE else f"invalid channel : {channel}"
        native, _, topic = channel.partition("@")
        if native not in self._front.core.specs:
            return f"invalid symbol : {native}"
        if topic in ("ticker", "trade", "depth15", "depth200"):
            return ""
        return "" if _interval(topic) in MINUTES else f"invalid channel : {topic}"

    def _begin(self, socket: Socket, channel: str) -> None:
        """What a new subscription is sent first."""
        native, _, topic = channel.partition("@")
        if socket.private:
            return
        if topic.startswith("depth"):
            self._put(socket, self._snapshot(socket, native, topic))
        elif topic == "ticker":
            self._put(socket, self._ticker(native))
        elif topic == "trade":
            seen = list(self._front.trades[native])[-20:]
            if seen:
                self._put(socket, self._event("tradeSnapshot", native, d=[_trade(*each) for each in seen]))
        else:
            self._put(socket, self._kline("klineSnapshot", native, topic))

    # --- what happens -----------------------------------------------------------------------------------------------

    def happened(self, happening: Happening) -> None:
        match happening:
            case ("order", CoreOrder() as order):
                self._account("orders", [self._order(order)])
            case ("fill", CoreFill() as fill):
                margin = self._front.terms[fill.native].margin
                self._account("fill", [pushes.stream_fill(fill, margin=margin)])
            case ("position", CorePosition() as held):
                self._account("positions", [self._position(held)])
            case ("balance", wallet):
                self._account("account", [pushes.stream_account(wallet, self._front.server_time())])
            case ("book", native):
                self._book(native)
            case ("trade", native, *_):
                self._traded(native)
            case ("mark", native):
                self._public(f"{native}@ticker", lambda: self._ticker(native))

    def _account(self, event: str, rows_: list[Json]) -> None:
        self.version += 1
        message = {
            "e": event,
            "E": self._front.server_time(),
            "v": self.version,
            "msgEvent": self._reason(event),
            "d": rows_,
        }
        for socket in self.sockets:
            if socket.private and event in socket.channels:
                self._put(socket, message)

    def _reason(self, event: str) -> str:
        incomes = self._front.core.incomes
        if event != "account" or not incomes:
            return "OrderUpdate"
        last = incomes[-1]
        if last.kind == "FUNDING":
            return "PositionFundingSettle"
        if last.kind == "TRANSFER":
            return "DepositUpdate" if last.amount > 0 else "WithdrawUpdate"
        return "OrderUpdate"

    def _order(self, order: CoreOrder) -> Json:
        front = self._front
        terms = front.terms[order.native]
        paid = sum((each.fee for each in front.core.fills if each.order == order.id), Decimal(0))
        return pushes.stream_order(
            order,
            front.core.specs[order.native],
            margin=terms.margin,
            leverage=terms.of(order.direction),
            partial=front.partial_status,
            fee=paid,
        )

    def _position(self, held: CorePosition) -> Json:
        fills = [each for each in self._front.core.fills if _about(each, held)]
        return pushes.stream_position(held, fills, margin=self._front.terms[held.native].margin)

    def _traded(self, native: str) -> None:
        self._public(
            f"{native}@trade", lambda: self._event("trade", native, d=[_trade(*self._front.trades[native][-1])])
        )
        for topic in {channel for socket in self.sockets for channel in socket.channels if "@kline_" in channel}:
            if topic.startswith(f"{native}@"):
                self._public(topic, lambda name=topic: self._kline("kline", native, name.partition("@")[2]))

    def _public(self, channel: str, message: Any) -> None:
        listening = [socket for socket in self.sockets if not socket.private and channel in socket.channels]
        if listening:
            made = message()
            for socket in listening:
                self._put(socket, made)

    def _event(self, event: str, native: str, **more: Any) -> Json:
        return {"e": event, "E": self._front.server_time(), "s": native, **more}

    def _ticker(self, native: str) -> Json:
        core, spec = self._front.core, self._front.core.specs[native]
        bars = core.klines(native, 60, None, None, 24)
        last, opened = core.last(native), bars[0][1]
        volume = sum((bar[5] for bar in bars), Decimal(0))
        day = {
            "p": plain(last - opened),
            "P": f"{(last - opened) / opened:.6f}",
            "w": rows.money((last + opened) / 2),
            "c": ticked(last, spec),
            "o": ticked(opened, spec),
            "h": ticked(max(bar[2] for bar in bars), spec),
            "l": ticked(min(bar[3] for bar in bars), spec),
            "v": plain(volume),
            "q": rows.money(volume * last),
            "O": bars[0][0],
            "C": self._front.server_time(),
            "n": sum(bar[7] for bar in bars),
            "m": plain(core.mark(native)),
            "i": plain(core.mark(native)),
        }
        return self._event("ticker", native, d=[day])

    def _kline(self, event: str, native: str, topic: str) -> Json:
        minutes = MINUTES[_interval(topic)]
        bar = self._front.core.klines(native, minutes, None, None, 1)[0]
        row = rows.candle(bar, minutes, self._front.core.specs[native])
        names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
        named = dict(zip(names, row, strict=True))
        return self._event(event, native, p="LAST_PRICE", d=[{**named, "s": native, "i": _interval(topic)}])

    # --- order books: a snapshot, then what has changed since this socket was told ------------------------------------

    def _snapshot(self, socket: Socket, native: str, topic: str) -> Json:
        spec = self._front.core.specs[native]
        levels = int(topic.removeprefix("depth"))
        bids, asks = self._front.core.book(native, levels)
        socket.books[f"{native}@{topic}"] = (dict(bids), dict(asks))
        at = self._front.book_number(native)
        sides = {"b": levelled(bids, spec), "a": levelled(asks, spec)}
        return self._event("depthSnapshot", native, U=at, u=at, l=levels, d="SNAPSHOT", **sides)

    def _book(self, native: str) -> None:
        for socket in self.sockets:
            for channel, before in list(socket.books.items()):
                if channel in socket.channels and channel.startswith(f"{native}@"):
                    self._put(socket, self._delta(socket, channel, before, self._front.core.specs[native]))

    def _delta(self, socket: Socket, channel: str, before: tuple[Levels, Levels], spec: Spec) -> Json:
        levels = int(channel.partition("@depth")[2])
        now = tuple(dict(side) for side in self._front.core.book(spec.native, levels))
        socket.books[channel] = (now[0], now[1])
        bids, asks = (_difference(old, new) for old, new in zip(before, now, strict=True))
        at = self._front.book_number(spec.native)
        sides = {"b": levelled(bids, spec), "a": levelled(asks, spec)}
        return self._event("depth", spec.native, U=at, u=at, l=levels, d="CHANGED", **sides)

    @staticmethod
    def _put(socket: Socket, message: Json) -> None:
        socket.queue.put_nowait(json.dumps(message))


def _difference(old: Levels, new: Levels) -> list[tuple[Decimal, Decimal]]:
    """Levels that are new or different; those that are gone have quantity 0."""
    gone = [(price, Decimal(0)) for price in old if price not in new]
    return gone + [(price, quantity) for price, quantity in new.items() if old.get(price) != quantity]


def _trade(number: int, at: int, price: Decimal, quantity: Decimal, buy: bool) -> Json:
    """`m`: the buyer was the maker."""
    return {
        "T": at,
        "t": trade_id(number),
        "p": plain(price),
        "q": plain(quantity),
        "v": plain(price * quantity),
        "m": not buy,
    }


def _interval(topic: str) -> str:
    """ "1m" of "kline_1m_LAST_PRICE"; "" for what is no candle."""
    kind, _, rest = topic.partition("_")
    interval, _, price = rest.partition("_")
    return interval if kind == "kline" and price in ("LAST_PRICE", "MARK_PRICE") else ""


def _about(fill: CoreFill, held: CorePosition) -> bool:
    return (fill.native, fill.direction) == (held.native, held.direction) and fill.at >= held.opened
