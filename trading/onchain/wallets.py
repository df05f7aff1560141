"""Labelled wallets: data with a date and a source. A user's own file adds to the shipped ones."""

import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from trading.errors import BadWallets
from trading.onchain.history import is_address

SHIPPED = Path(__file__).with_name("wallets.toml")
LABEL_LENGTH = 40
MOST_EXCHANGES = 100  # each of them is calls to the provider


class Kind(StrEnum):
    EXCHANGE = "exchange"
    OTHER = "other"  # a name, and nothing else


def cleaned(text: str) -> str:
    """One short line of visible characters, whatever somebody has written into a name."""
    folded = unicodedata.normalize("NFKC", text)
    seen = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in folded)
    return " ".join(seen.split())[:LABEL_LENGTH].rstrip()


def _an_address(value: object) -> object:
    lower = value.strip().lower() if isinstance(value, str) else ""
    if not is_address(lower):
        raise ValueError("an address is 0x and 40 hexadecimal digits")
    return lower


def _a_label(value: object) -> object:
    return cleaned(value) if isinstance(value, str) else value


class Wallet(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    address: Annotated[str, BeforeValidator(_an_address)]  # lower case; a checksum's capitals mean nothing
    label: Annotated[str, BeforeValidator(_a_label), Field(min_length=1)]
    kind: Kind = Kind.EXCHANGE
    as_of: date
    source: Annotated[str, Field(min_length=1, max_length=200)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    wallet: list[Wallet]


@dataclass(frozen=True, slots=True)
class Wallets:
    known: Mapping[str, Wallet]  # by address

    @property
    def exchanges(self) -> frozenset[str]:
        return frozenset(a for a, wallet in self.known.items() if wallet.kind is Kind.EXCHANGE)

    def label(self, address: str) -> str:
        wallet = self.known.get(address)
        return wallet.label if wallet else ""


def load(own: Path | None = None) -> Wallets:
    """The shipped wallets, with those of a file of one's own over them. Raises BadWallets that names every fault."""
    wallets = Wallets({w.address: w for w in (*_read(SHIPPED), *(_read(own) if own else ()))})
    if len(wallets.exchanges) > MOST_EXCHANGES:
        raise BadWallets(f"{len(wallets.exchanges)} exchange wallets are too many to ask about: {MOST_EXCHANGES}")
    return wallets


def _read(path: Path) -> Iterable[Wallet]:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).wallet
    except OSError as error:
        raise BadWallets(f"{path}: {error.strerror or 'it cannot be read'}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadWallets(f"{path}: no TOML: {error}") from None
    except ValidationError as error:
        faults = "; ".join(f"{_place(e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors())
        raise BadWallets(f"{path}: {faults}") from None


def _place(keys: tuple[str | int, ...]) -> str:
    """("wallet", 0, "address") -> "wallet 1 address"."""
    return " ".join(str(key + 1) if isinstance(key, int) else key for key in keys) or "the file"
