"""Where requests may go: to the exchange's own hosts, over TLS, and nowhere else. No proxies, no redirects."""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from trading.errors import Misuse

REDIRECTS = (301, 302, 303, 307, 308)


class ForeignHost(Misuse):
    """A request was about to go to a host that is not the exchange's. Nothing has left."""


class Redirected(aiohttp.ClientError):
    """The exchange answered with another address. It was not followed; what became of the request is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loopback:
    """Every allowed host is this server: for tests and benchmarks, with real addresses, TLS and signatures."""

    host: str = "127.0.0.1"
    port: int
    ca: Path


class Pins:
    """The hosts of one exchange. "fapi.binance.com" is that host, ".binance.com" any host below it."""

    def __init__(self, domains: Sequence[str]) -> None:
        self._hosts = frozenset(domain for domain in domains if not domain.startswith("."))
        self._below = tuple(domain for domain in domains if domain.startswith("."))

    def allows(self, host: str) -> bool:
        return host in self._hosts or (bool(self._below) and host.endswith(self._below))

    def check(self, url: str | URL) -> None:
        """Raises ForeignHost for another host, another port than TLS's own, or without TLS."""
        address = URL(url, encoded=True) if isinstance(url, str) else url
        if address.scheme not in ("https", "wss"):
            raise ForeignHost(f"{address.scheme or 'no scheme'}: only https and wss leave")
        if not self.allows(address.raw_host or ""):
            raise ForeignHost(f"{(address.raw_host or '')[:80]!r} is not a host of this exchange")
        if address.port != 443 or address.user or address.password:
            raise ForeignHost(f"{address.raw_host}: a port or a user in the address")


def session(domains: Sequence[str], loopback: Loopback | None = None) -> aiohttp.ClientSession:
    """A session that can reach these hosts only. Needs a running loop; the caller closes it."""
    pins = Pins(domains)
    connector = aiohttp.TCPConnector(resolver=_Resolver(pins, loopback), ssl=tls(loopback))
    return aiohttp.ClientSession(connector=connector, trust_env=False, middlewares=(_Gate(pins),))


def tls(loopback: Loopback | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(loopback.ca) if loopback else None)


class _Gate:
    """The last look at each request, websockets and whatever aiohttp would send of its own accord included."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins

    async def __call__(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        self._pins.check(request.url)
        try:
            response = await send(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if request.method == "GET":
                raise
            # aiohttp sends DELETE and PUT a second time when a kept connection breaks: ours go out once.
            raise aiohttp.ClientConnectionError("the connection broke") from error
        if response.status in REDIRECTS:
            response.close()
            raise Redirected(f"an answer {response.status} that points elsewhere")
        return response


class _Resolver(AbstractResolver):
    def __init__(self, pins: Pins, loopback: Loopback | None) -> None:
        self._pins = pins
        self._loopback = loopback
        self._real = None if loopback else DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if not self._pins.allows(host):
            raise OSError(f"{host[:80]!r} is not a host of this exchange")
        if self._real is not None:
            return await self._real.resolve(host, port, family)
        return [self._here(host)]

    def _here(self, host: str) -> ResolveResult:
        assert self._loopback is not None
        return ResolveResult(
            hostname=host,
            host=self._loopback.host,
            port=self._loopback.port,
            family=socket.AF_INET,
            proto=0,
            flags=socket.AI_NUMERICHOST,
        )

    async def close(self) -> None:
        if self._real is not None:
            await self._real.close()
