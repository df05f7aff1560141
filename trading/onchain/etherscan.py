"""Etherscan's V2 interface for Ethereum. Whatever happens there comes back as NoReading with a plain reason.

The key travels in the query string: no error, log or record may hold it. So nothing that the provider or the HTTP
library has written goes into a reason, and the library's own line for each request is held back.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import httpx

from trading.chain import NoReading
from trading.onchain.history import WEI, Action, BadRows, Transfer, is_address, number, read_json, transfers
from trading.onchain.pace import Bucket, Pace
from trading.ports import Clock
from trading.voice import Lack

BASE_URL = "https://api.etherscan.io/v2/api"
WITHIN = 45.0  # seconds for one answer, its repetitions included
PATIENCE = 15.0  # seconds for one attempt
ATTEMPTS = 4
REST = 1.0  # seconds before the second attempt, twice as long before each further one
MOST_BYTES = 16 * 2**20
PAGE = 1_000  # rows
WINDOW = 10_000  # rows that page x offset may reach
MOST_BALANCES = 20  # addresses in one call
REFUSED_FOR = timedelta(hours=1)  # a key that was refused is not sent again before
DAY = timedelta(days=1)

T = TypeVar("T")

log = logging.getLogger(__name__)


class _NoKeys(logging.Filter):
    """The library writes down the whole address of each request; ours has the key in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "apikey=" not in record.getMessage().lower()


_NO_KEYS = _NoKeys()


class TooMuch(NoReading):
    """This one address has more than can be read; others may well be readable."""

    def __init__(self, what: str) -> None:
        super().__init__(Lack.BROKEN, f"Etherscan: {what}")


class _Again(NoReading):
    """It may go better the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Rows of one address, newest first, and the bodies they were read from."""

    rows: tuple[Transfer, ...]
    bodies: tuple[bytes, ...]


class Etherscan:
    def __init__(
        self,
        key: str,
        *,
        base_url: str = BASE_URL,
        wall: Clock,
        pace: Pace | None = None,
        within: float = WITHIN,
        patience: float = PATIENCE,
    ) -> None:
        self._key, self._url, self._wall = key, base_url, wall
        self._pace = pace or Bucket()
        self._within, self._patience = within, patience
        self._refused_at: datetime | None = None
        self._asked: deque[datetime] = deque()
        logging.getLogger("httpx").addFilter(_NO_KEYS)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "gavel"}
        self._http = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=patience, headers=headers)

    async def close(self) -> None:
        await self._http.aclose()

    def asked(self) -> int:
        """Calls of the last 24 h, since this process began."""
        while self._asked and self._asked[0] < self._wall.now() - DAY:
            self._asked.popleft()
        return len(self._asked)

    # --- what can be asked ------------------------------------------------------------------------------------------

    async def block_at(self, at: datetime) -> int:
        """The last block before a moment."""
        query = {"module": "block", "action": "getblocknobytime", "timestamp": str(int(at.timestamp()))}
        result, _ = await self._result({**query, "closest": "before"})
        return _read(lambda: number(result))

    async def balances(self, addresses: Sequence[str]) -> dict[str, Decimal]:
        """ETH of each, asked for twenty at a time."""
        found: dict[str, Decimal] = {}
        for n in range(0, len(addresses), MOST_BALANCES):
            found |= await self._balances(addresses[n : n + MOST_BALANCES])
        return found

    async def transfers(self, action: Action, address: str, *, first: int, last: int, most: int) -> Listing:
        """Rows of an address between two blocks, newest first: the newest `most`, or all there are.

        Pages reach as far as the provider's window; beyond it the last block that was read whole is the new border.
        """
        rows: list[Transfer] = []
        bodies: list[bytes] = []
        while len(rows) < most:
            part, whole = await self._window(action, address, first, last, most - len(rows), bodies)
            if whole:
                rows += part
                break
            border = part[-1].block
            complete = [row for row in part if row.block > border]
            if not complete:
                raise TooMuch("one block holds more of an address than can be read")
            rows, last = rows + complete, border
        return Listing(rows=tuple(rows[:most]), bodies=tuple(bodies))

    async def _window(
        self, action: Action, address: str, first: int, last: int, most: int, bodies: list[bytes]
    ) -> tuple[list[Transfer], bool]:
        """One window of pages, and whether that is all that was wanted."""
        rows: list[Transfer] = []
        for page in range(1, WINDOW // PAGE + 1):
            got = await self._page(action, address, first, last, page, bodies)
            rows += got
            if len(got) < PAGE or len(rows) >= most:
                return rows, True
        return rows, False

    async def _page(
        self, action: Action, address: str, first: int, last: int, page: int, bodies: list[bytes]
    ) -> tuple[Transfer, ...]:
        query = {"module": "account", "action": action.value, "address": address, "sort": "desc"}
        query |= {"startblock": str(first), "endblock": str(last), "page": str(page), "offset": str(PAGE)}
        result, body = await self._result(query)
        bodies.append(body)
        rows = await asyncio.to_thread(_read, lambda: transfers(result, action))
        if len(rows) > PAGE:
            raise NoReading(Lack.BROKEN, "Etherscan: more rows than were asked for")
        return rows

    async def _balances(self, addresses: Sequence[str]) -> dict[str, Decimal]:
        result, _ = await self._result(
            {"module": "account", "action": "balancemulti", "address": ",".join(addresses), "tag": "latest"}
        )
        found = _read(lambda: _read_balances(result))
        if not set(addresses) <= set(found):
            raise NoReading(Lack.BROKEN, "Etherscan: a balance is missing")
        return {address: found[address] for address in addresses}

    # --- one answer -------------------------------------------------------------------------------------------------

    async def _result(self, query: Mapping[str, str]) -> tuple[Any, bytes]:
        if self._refused_at is not None and self._wall.now() < self._refused_at + REFUSED_FOR:
            raise NoReading(Lack.DENIED, "Etherscan refuses the key")
        try:
            async with asyncio.timeout(self._within):
                return await self._insisting(query)
        except TimeoutError:
            raise NoReading(Lack.LATE, f"Etherscan: no answer within {self._within:g} s") from None

    async def _insisting(self, query: Mapping[str, str]) -> tuple[Any, bytes]:
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._once(query)
            except _Again as lack:
                if lack.lack is Lack.RATE_LIMITED:
                    self._pace.slow_down()
                await self._pace.rest(REST * 2 ** (attempt - 1))
        return await self._once(query)

    async def _once(self, query: Mapping[str, str]) -> tuple[Any, bytes]:
        await self._pace.turn()
        self._asked.append(self._wall.now())
        try:
            async with asyncio.timeout(self._patience):
                status, body = await self._fetch({"chainid": "1", **query, "apikey": self._key})
        except (TimeoutError, httpx.TimeoutException):
            raise _Again(Lack.LATE, "Etherscan: no answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError):
            raise _Again(Lack.UNREACHABLE, "Etherscan cannot be reached") from None
        return await asyncio.to_thread(self._judged, status, body), body

    async def _fetch(self, query: Mapping[str, str]) -> tuple[int, bytes]:
        async with self._http.stream("GET", self._url, params=dict(query)) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise TooMuch("an answer is too large")
            return response.status_code, bytes(body)

    def _judged(self, status: int, body: bytes) -> Any:
        """The `result` of an answer that is one."""
        if status == 429:
            raise _Again(Lack.RATE_LIMITED, "Etherscan: too many calls")
        if status >= 500:
            raise _Again(Lack.SERVER, f"Etherscan answered {status}")
        if status in (401, 403):
            raise NoReading(Lack.DENIED, f"Etherscan answered {status}")
        if status != 200:
            raise NoReading(Lack.BAD_REQUEST, f"Etherscan answered {status}")
        answer = _read(lambda: read_json(body))
        if not isinstance(answer, dict) or not isinstance(answer.get("message"), str) or "result" not in answer:
            raise NoReading(Lack.BROKEN, "Etherscan: not one of its answers")
        if answer.get("status") not in ("0", "1"):
            raise NoReading(Lack.BROKEN, "Etherscan: not one of its answers")
        if answer["status"] == "0":
            return self._excused(answer["message"], answer["result"])
        if self._key.encode() in body:
            raise NoReading(Lack.BROKEN, "Etherscan repeats the key: its answer is not kept")
        return answer["result"]

    def _excused(self, message: str, result: Any) -> Any:
        """An answer that says it is none: an empty list, or why there is nothing."""
        if message.startswith("No ") and message.endswith(" found") and result == []:
            return []
        said = f"{message} {result}".lower()
        if "rate limit" in said and "daily" not in said:
            raise _Again(Lack.RATE_LIMITED, "Etherscan: too many calls")
        if "daily" in said:
            raise NoReading(Lack.RATE_LIMITED, "Etherscan: the calls of this day are used up")
        if "api key" in said or "apikey" in said:
            self._refuse()
            raise NoReading(Lack.DENIED, "Etherscan refuses the key")
        if "window is too large" in said or "address format" in said or "missing" in said or "invalid" in said:
            raise NoReading(Lack.BAD_REQUEST, "Etherscan refuses the request")
        raise _Again(Lack.SERVER, "Etherscan: no answer (NOTOK)")

    def _refuse(self) -> None:
        if self._refused_at is None:
            log.warning("Etherscan refuses the key (ETHERSCAN_API_KEY): it is not asked again for an hour")
        self._refused_at = self._wall.now()


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except BadRows as fault:
        raise NoReading(Lack.BROKEN, f"Etherscan: {fault}") from None


def _read_balances(result: Any) -> dict[str, Decimal]:
    if not isinstance(result, list) or not all(isinstance(row, dict) for row in result):
        raise BadRows("its result is no list of balances")
    found = {str(row.get("account")).lower(): number(row.get("balance")) / WEI for row in result}
    if not all(map(is_address, found)):
        raise BadRows("an address is not one")
    return found
