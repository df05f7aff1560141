"""A ccxt instance under our control: signed raw calls and websockets, nothing of ccxt's own judgement.

    data, trade = open_clients(dialect, keys=keys, practice="", loopback=None, clock=clock)

Each request waits for its turn (limiter.py), goes out once, to the exchange's own hosts (hosts.py), and ends in an
answer or in one error of ours (classify.py) that has no address, key or signature in it.
"""

import asyncio
import contextlib
import copy
import json
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from weakref import WeakSet

from trading.errors import BadSettings, GavelError, RateLimited
from trading.ports import Clock
from trading.venues.exchange.classify import Answer, ClockOff, nothing_said, outcome
from trading.venues.exchange.hosts import Loopback, Pins, session, tls
from trading.venues.exchange.limiter import Limiter, Silence
from trading.venues.exchange.loading import exchange_class
from trading.venues.exchange.profile import Dialect
from trading.venues.exchange.wire import Lane

Tap = Callable[[Any], None]

WRITE_TIMEOUT = timedelta(seconds=10)
CLOSING = 3.0  # seconds that a silent websocket server may hold us up

_log = logging.getLogger(__name__)


class Client:
    """Implements profile.Caller. Belongs to one event loop, and is made inside it."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        clock: Clock,
        keys: Mapping[str, str] | None = None,
        practice: str = "",
        loopback: Loopback | None = None,
        limiter: Limiter | None = None,
        timeout: timedelta = WRITE_TIMEOUT,
    ) -> None:
        """`keys`: "apiKey", "secret" and, where the dialect asks for it, "password"; None: the public market only.

        Raises BadSettings for a missing credential or a practice account that the exchange does not have.
        """
        _check(dialect, keys, practice)
        plain = dialect.classes(exchange_class(dialect.ccxt_id))
        self._dialect = dialect
        self._secrets = tuple((keys or {}).values())
        self._limiter = limiter or Limiter(dialect.rates)
        self._session = session(dialect.domains, loopback)
        self._wiring = _Wiring(clock=clock, pins=Pins(dialect.domains), limiter=self._limiter)
        self._exchange = self._build(plain, keys or {}, practice, timeout)
        self._exchange.ssl_context = tls(loopback)  # else ccxt makes one of its own
        self._syncing = asyncio.Lock()
        self._syncs = 0

    def __repr__(self) -> str:
        return f"Client({self._dialect.name}{', with a key' if self._secrets else ''})"

    @property
    def exchange(self) -> Any:
        return self._exchange

    @property
    def limiter(self) -> Limiter:
        return self._limiter

    async def read(self, method: str, params: Mapping[str, Any], *, cost: int = 1, lane: Lane = Lane.READ) -> Any:
        """As profile.Caller says. Refused for its time, it is tried once more with the time set right."""
        known = self._syncs
        try:
            return await self._send(method, params, lane=lane, cost=cost, orders=0, wrote=False)
        except ClockOff:
            await self._resync_after(known)
        return await self._send(method, params, lane=lane, cost=cost, orders=0, wrote=False)

    async def write(self, method: str, params: Mapping[str, Any], *, lane: Lane, cost: int = 1, orders: int = 0) -> Any:
        """As profile.Caller says. Refused for its time, that is set right for the next one, and Transient raised."""
        known = self._syncs
        try:
            return await self._send(method, params, lane=lane, cost=cost, orders=orders, wrote=True)
        except ClockOff:
            # Whether that works or not: this one was certainly not carried out.
            with contextlib.suppress(GavelError):
                await self._resync_after(known)
            raise

    async def resync(self) -> timedelta:
        """Set the requests' time by the exchange's clock. How far ours is ahead of it. Raises what `read` raises."""
        await self._limiter.take(Lane.EXIT)
        failed: GavelError
        try:
            ahead = await self._exchange.load_time_difference()
        except Exception as error:  # noqa: BLE001 - judged right here
            failed = outcome(error, self._dialect, wrote=False, hide=self._secrets)
        else:
            self._syncs += 1
            return timedelta(milliseconds=int(ahead))
        raise self._obeyed(failed)

    def stream(self, tap: Tap) -> Any:
        """The exchange for its `watch_*`; from now on every message of its sockets passes `tap` at arrival."""
        self._wiring.tap = tap
        return self._exchange

    async def close(self) -> None:
        """Close sockets and session. What is in flight ends as unknown."""
        for timer in self._wiring.timers:
            timer.cancel()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._exchange.close(), CLOSING)
        finally:
            self._exchange.session = None
            await self._session.close()

    async def _send(
        self, method: str, params: Mapping[str, Any], *, lane: Lane, cost: int, orders: int, wrote: bool
    ) -> Any:
        call = getattr(self._exchange, method)
        await self._limiter.take(lane, cost=cost, orders=orders)
        failed: GavelError
        try:
            answer = await call(copy.deepcopy(dict(params)))
        except Exception as error:  # noqa: BLE001 - judged right here
            failed = outcome(error, self._dialect, wrote=wrote, hide=self._secrets)
        else:
            if isinstance(answer, dict | list):
                return answer
            failed = nothing_said(self._dialect, wrote=wrote)
        # Outside of the handler: ccxt's error has the signed address in it, and must not hang on ours.
        raise self._obeyed(failed)

    def _obeyed(self, failed: GavelError) -> GavelError:
        if isinstance(failed, RateLimited):
            self._limiter.pause(failed.retry_after)
        return failed

    async def _resync_after(self, known: int) -> None:
        """Once for all requests that failed for the same clock."""
        async with self._syncing:
            if self._syncs == known:
                await self.resync()

    def _build(self, plain: type[Any], keys: Mapping[str, str], practice: str, timeout: timedelta) -> Any:
        wired: Any = type(plain.__name__, (_Wired, plain), {"_wiring": self._wiring})
        exchange = wired(
            {
                **{name: keys[name] for name in self._dialect.secrets if name in keys},
                "session": self._session,
                "enableRateLimit": False,
                "timeout": int(timeout.total_seconds() * 1000),
                "options": {**copy.deepcopy(dict(self._dialect.options)), "maxRetriesOnFailure": 0},
            }
        )
        exchange.timeout_on_exit = 0
        exchange.enableLastHttpResponse = exchange.enableLastJsonResponse = exchange.enableLastResponseHeaders = False
        if practice:
            self._dialect.practise(exchange, practice)
        return exchange


def open_clients(
    dialect: Dialect,
    *,
    keys: Mapping[str, str] | None,
    practice: str,
    loopback: Loopback | None,
    clock: Clock,
) -> tuple[Client, Client | None]:
    """One client for the market, without the key, and with keys one for trading. Limits are counted apart, so that an
    order never waits for market data; a ban silences both, because it is of the address."""
    silence = Silence()

    def client(keys: Mapping[str, str] | None) -> Client:
        limiter = Limiter(dialect.rates, silence=silence, monotonic=asyncio.get_running_loop().time)
        return Client(dialect, clock=clock, keys=keys, practice=practice, loopback=loopback, limiter=limiter)

    if keys is not None:
        _check(dialect, keys, practice)
    return client(None), client(keys) if keys is not None else None


def _check(dialect: Dialect, keys: Mapping[str, str] | None, practice: str) -> None:
    missing = [name for name in dialect.secrets if not keys.get(name)] if keys is not None else []
    if missing:
        raise BadSettings(f"{dialect.name}: credentials are missing: {', '.join(missing)}")
    if practice and practice not in dialect.practices:
        known = ", ".join(dialect.practices) or "none"
        raise BadSettings(f"{dialect.name} has no practice account {practice!r}; it has: {known}")


# --- what is wired into ccxt's class ------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Wiring:
    clock: Clock
    pins: Pins
    limiter: Limiter
    tap: Tap | None = None
    complained: set[str] = field(default_factory=set)
    timers: "WeakSet[asyncio.TimerHandle]" = field(default_factory=WeakSet)


class _Arrival:
    """The answer to one request, as far as it came."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: Answer | None = None


_arrival: ContextVar[_Arrival | None] = ContextVar("_arrival", default=None)


class _Wired:
    """Stands before ccxt's class and overrides what it does by itself. Names are ccxt's."""

    _wiring: _Wiring

    async def fetch(
        self, url: str, method: str = "GET", headers: dict[str, str] | None = None, body: Any = None
    ) -> Any:
        self._wiring.pins.check(url)
        ours = {name: value for name, value in (headers or {}).items() if name != "Referer"}  # ccxt's own referral
        arrival = _Arrival()
        token = _arrival.set(arrival)
        try:
            return await cast(Any, super()).fetch(url, method, ours, body)
        except Exception as error:
            error.answer = arrival.answer  # type: ignore[attr-defined]
            raise
        finally:
            _arrival.reset(token)

    def on_rest_response(self, status: int, *rest: Any) -> str:
        _reason, _url, _method, headers, body = rest[:5]
        arrival = _arrival.get()
        if arrival is not None:
            arrival.answer = Answer(status, headers, body)
        self._wiring.limiter.learn(headers)
        return str(body).strip()

    def on_json_response(self, body: str) -> Any:
        return json.loads(body, parse_float=str)  # no float on the way to Decimal

    def client(self, url: str) -> Any:
        if "://" in url:  # ccxt keeps a list of its logins under a name that is no address: nothing connects to it
            self._wiring.pins.check(url)
        return cast(Any, super()).client(url)

    def delay(self, *args: Any) -> Any:
        timer = cast(Any, super()).delay(*args)
        self._wiring.timers.add(timer)  # the renewal of a listen key must not outlive the client
        return timer

    def milliseconds(self) -> int:
        return int(self._wiring.clock.now().timestamp() * 1000)

    def handle_message(self, client: Any, message: Any) -> None:
        """The tap first: what ccxt makes of a message may be lost (venues.md 1.3-13).

        Nothing may be raised from here: ccxt would stop to read this socket, and nobody would be told.
        """
        if self._wiring.tap is not None:
            self._shielded(self._wiring.tap, message)
        self._shielded(cast(Any, super()).handle_message, client, message)

    def _shielded(self, call: Callable[..., Any], *args: Any) -> None:
        try:
            call(*args)
        except Exception as error:  # noqa: BLE001 - see handle_message
            kind = type(error).__name__
            if kind not in self._wiring.complained:
                self._wiring.complained.add(kind)
                _log.warning("a message of the stream was not understood: %s", kind)
