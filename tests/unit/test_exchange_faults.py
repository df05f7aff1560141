import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.fakes.exchange_faults import KINDS, PROCESSED, Faults, Kind
from tests.fakes.exchange_tls import Loop

HOST = "fapi.binance.com"


class Front:
    """Counts orders, and says what it was told over its stream."""

    hosts = (HOST, "fstream.binance.com")

    def __init__(self) -> None:
        self.faults = Faults()
        self.done: list[str] = []
        self.streams: list[web.WebSocketResponse] = []
        self.came = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/broken":
            raise LookupError("a mistake of the emulator")
        if request.path == "/ws":
            return await self._stream(request)
        return await self.faults.serve(request, lambda: self._process(request), self._own)

    async def _process(self, request: web.Request) -> web.Response:
        self.done.append(request.path)
        return web.json_response({"orderId": 7, "words": "enough of them to be cut in the middle"})

    def _own(self, kind: str) -> web.Response | None:
        return web.json_response({"code": -1021}, status=400) if kind == "clock" else None

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        self.faults.join(stream, request)
        self.streams.append(stream)
        self.came.set()
        async for _ in stream:
            pass
        self.faults.leave(stream)
        return stream


class Everywhere(AbstractResolver):
    def __init__(self, port: int) -> None:
        self.port = port

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self.port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        return None


@asynccontextmanager
async def a_client(front: Front) -> AsyncIterator[aiohttp.ClientSession]:
    async with Loop([front]) as loop:
        trust = ssl.create_default_context(cafile=str(loop.ca))
        connector = aiohttp.TCPConnector(resolver=Everywhere(loop.port), ssl=trust, use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=0.25)) as session:
            yield session


async def order(session: aiohttp.ClientSession, path: str = "/fapi/v1/order") -> tuple[int, str]:
    async with session.post(f"https://{HOST}{path}") as answer:
        return answer.status, await answer.text()


async def test_a_host_is_answered_by_its_front_under_a_certificate_for_its_name() -> None:
    front = Front()
    async with a_client(front) as session:
        status, text = await order(session)
    assert status == 200
    assert "orderId" in text
    assert front.done == ["/fapi/v1/order"]


async def test_a_host_that_no_front_has_is_not_answered() -> None:
    front = Front()
    async with a_client(front) as session, session.get("https://api.bybit.com/v5/market/time") as answer:
        assert answer.status == 421
    assert front.done == []


async def test_a_mistake_of_the_emulator_fails_the_test() -> None:
    with pytest.raises(LookupError, match="a mistake of the emulator"):
        async with a_client(Front()) as session:
            assert (await order(session, "/broken"))[0] == 500


SEEN: dict[str, int | type[Exception]] = {
    "hang": TimeoutError,
    "drop before": aiohttp.ClientConnectionError,
    "drop after": aiohttp.ClientConnectionError,
    "mid body": aiohttp.ClientPayloadError,
    "empty 200": 200,
    "500 before": 500,
    "500 after": 500,
    "502 after": 502,
    "503 unknown": 503,
    "429": 429,
    "418": 418,
    "403": 403,
    "clock": 400,
    "html 403": 403,
    "slow": 200,
    "unknown code": 400,
    "duplicate": 400,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_fault_is_seen_as_itself_and_only_once(kind: Kind) -> None:
    front = Front()
    front.faults.add(kind, "/fapi/v1/order", "POST", seconds=0.02)
    seen = SEEN[kind]
    async with a_client(front) as session:
        if isinstance(seen, int):
            assert (await order(session))[0] == seen
        else:
            with pytest.raises(seen):
                await order(session)
        assert len(front.done) == (kind in PROCESSED)
        assert (await order(session))[0] == 200
    assert front.faults.struck == [("POST", "/fapi/v1/order", kind)]


async def test_the_exchange_speaks_its_own_body_where_it_has_one() -> None:
    front = Front()
    front.faults.add("clock")
    front.faults.add("html 403")
    front.faults.add("empty 200")
    async with a_client(front) as session:
        assert await order(session) == (400, '{"code": -1021}')
        assert (await order(session))[1].startswith("<html>")
        assert await order(session) == (200, "")


async def test_a_plan_counts_what_matches_and_lets_the_first_ones_pass() -> None:
    faults = Faults()
    faults.add("429", "/fapi/v1/order", "POST", times=2, after=1)
    paths = [("POST", "/fapi/v1/order"), ("GET", "/fapi/v1/order"), ("POST", "/fapi/v1/orders")]
    struck = [faults.take(*call) is not None for call in paths + paths + paths + paths]
    assert struck == [False] * 3 + [True, False, False] * 2 + [False] * 3


def test_a_plan_matches_patterns_and_parts_of_a_path() -> None:
    faults = Faults()
    faults.add("hang", "/capi/v3/*Order", times=None)
    faults.add("403", "leverage", times=None)
    assert [fault and fault.kind for fault in (faults.take("POST", "/capi/v3/algoOrder"),)] == ["hang"]
    assert (fault := faults.take("POST", "/capi/v3/account/leverage")) is not None
    assert fault.kind == "403"
    assert faults.take("GET", "/capi/v3/market/time") is None


def test_scattered_faults_are_the_same_for_the_same_seed() -> None:
    one, two, other = Faults(), Faults(), Faults()
    for faults, seed in ((one, 5), (two, 5), (other, 6)):
        faults.scatter(seed=seed, share=0.3, kinds=("hang", "drop after"), methods=("POST",))
        for _ in range(200):
            faults.take("POST", "/order")
            faults.take("GET", "/order")
    assert one.struck == two.struck
    assert one.struck != other.struck
    assert 30 < len(one.struck) < 90
    assert {method for method, _, _ in one.struck} == {"POST"}


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of fault"):
        Faults().add("500 sometimes")  # type: ignore[arg-type]


async def test_clearing_lets_go_of_what_hangs() -> None:
    front = Front()
    front.faults.add("hang")
    async with a_client(front) as session:
        waiting = asyncio.create_task(order(session))
        await asyncio.sleep(0.1)
        assert front.faults.struck
        front.faults.clear()
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting


@pytest.mark.parametrize(
    ("how", "heard"),
    [
        ("", ["1", "2", "3", "end"]),
        ("silent", ["end"]),
        ("doubled", ["1", "1", "2", "2", "3", "3", "end"]),
        ("reordered", ["2", "1", "3", "end"]),
        ("late", ["1", "2", "3", "end"]),
    ],
)
async def test_a_stream_goes_wrong_as_planned(how: str, heard: list[str]) -> None:
    front = Front()
    front.faults.late_by = 0.02
    async with a_client(front) as session, session.ws_connect(f"https://{HOST}/ws") as socket_:
        await front.came.wait()
        front.faults.stream = how  # type: ignore[assignment]
        for text in "123":
            await front.faults.send(front.streams[0], text)
        if how == "late":
            await asyncio.sleep(0.05)
        front.faults.stream = ""
        await front.faults.send(front.streams[0], "end")
        got = [(await socket_.receive_str()) for _ in heard]
    assert got == heard


async def test_a_held_message_that_nobody_overtakes_still_comes() -> None:
    front = Front()
    front.faults.stream = "reordered"
    async with a_client(front) as session, session.ws_connect(f"https://{HOST}/ws") as socket_:
        await front.came.wait()
        await front.faults.send(front.streams[0], "alone")
        assert await socket_.receive_str() == "alone"


async def test_only_the_streams_that_were_meant_go_wrong() -> None:
    front = Front()
    front.faults.stream, front.faults.streams_hit = "silent", "private"
    async with a_client(front) as session, session.ws_connect(f"https://{HOST}/ws") as socket_:
        await front.came.wait()
        await front.faults.send(front.streams[0], "order", private=True)
        await front.faults.send(front.streams[0], "trade", private=False)
        assert await socket_.receive_str() == "trade"


@pytest.mark.parametrize("politely", [True, False])
async def test_a_dropped_stream_is_over_for_the_client(politely: bool) -> None:
    front = Front()
    async with a_client(front) as session, session.ws_connect(f"https://{HOST}/ws") as socket_:
        await front.came.wait()
        assert await front.faults.drop_streams(politely=politely) == 1
        message = await socket_.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)
        assert front.faults.open_streams == 0
