"""One TLS server on loopback that is all three exchanges: their host names in its certificate, requests routed to the
emulated exchange whose host they name. The client's URLs, TLS and signatures stay the real ones."""

import asyncio
import ipaddress
import ssl
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.fakes.exchange_faults import Faults

DOMAINS = ("binance.com", "binancefuture.com", "bybit.com", "weex.com")
_DAY = timedelta(days=1)


class Front(Protocol):
    """An emulated exchange: the hosts it answers for, REST and websockets through one door."""

    @property
    def hosts(self) -> tuple[str, ...]: ...

    async def handle(self, request: web.Request) -> web.StreamResponse: ...


class Loop:
    """`async with Loop([binance, weex]) as loop:` then `loop.port` on 127.0.0.1; `loop.ca` is what to trust.

    A front's own exception is answered with 500 and raised where the block ends, so that no test passes over it.
    """

    def __init__(self, fronts: Iterable[Front]) -> None:
        self.fronts = tuple(fronts)
        self.port = 0
        self.ca = Path()
        self.failures: list[Exception] = []
        self.strays: list[str] = []  # hosts that were asked for and that no front has
        self._by_host = {host: front for front in self.fronts for host in front.hosts}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 * 2**20)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._folder = tempfile.TemporaryDirectory(prefix="loop")
        server, self.ca = _files(Path(self._folder.name))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for front in self.fronts:
            faults = getattr(front, "faults", None)
            if isinstance(faults, Faults):
                await faults.end()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._folder is not None:
            self._folder.cleanup()
        if error is None and self.failures:
            raise self.failures[0]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        host = request.host.partition(":")[0]
        front = self._by_host.get(host)
        if front is None:
            self.strays.append(host)
            return web.Response(status=421, text=f"no exchange here is called {host}")
        try:
            return await front.handle(request)
        except (web.HTTPException, ConnectionError, asyncio.CancelledError):
            raise
        except Exception as failure:  # noqa: BLE001 (kept, and raised where the block ends)
            self.failures.append(failure)
            return web.Response(status=500, text="the emulated exchange is broken")


def _files(folder: Path) -> tuple[Path, Path]:
    """The server's key with its certificate, and the certificate that vouches for it."""
    server, authority = _certificates()
    for name, text in (("server.pem", server), ("ca.pem", authority)):
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(text)
    return folder / "server.pem", folder / "ca.pem"


@cache
def _certificates() -> tuple[bytes, bytes]:
    """Made once a process; the authority's key is forgotten at once."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = (
        _begun("loopback authority", "loopback authority", root.public_key(), root.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(root, hashes.SHA256())
    )
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in DOMAINS]
    names += [x509.DNSName(f"*.{name}") for name in DOMAINS]
    names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = (
        _begun("loopback exchanges", "loopback authority", leaf.public_key(), root.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key + server.public_bytes(pem), authority.public_bytes(pem)


def _begun(
    name: str, issuer: str, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 30 * _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
