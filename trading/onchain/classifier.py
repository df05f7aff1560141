"""Whose wallet is it: by rules, or by a CatBoost model that was trained on the same 32 features."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from trading.chain import WalletClass
from trading.decision import MICRO
from trading.errors import BadWhaleModel
from trading.onchain.features import NAMES, SCHEMA_HASH
from trading.voice import sha

Features = tuple[float, ...]
Kind = tuple[WalletClass, int]  # and its confidence, millionths

MANY_EXCHANGE = 10
MANY_DEFI = 20
MOSTLY_LARGE = 0.5
_AT = {name: place for place, name in enumerate(NAMES)}


class Classifier(Protocol):
    @property
    def name(self) -> str:
        """It stands in every record."""
        ...

    async def classify(self, wallets: Sequence[Features]) -> list[Kind]:
        """One for each, in their order. Raises BadWhaleModel."""
        ...


def by_rules(features: Features) -> Kind:
    """The first rule that fits. Nothing else is known of a wallet that fits none."""
    if features[_AT["exchange_count"]] > MANY_EXCHANGE:
        return WalletClass.CEX, 700_000
    if features[_AT["defi_count"]] > MANY_DEFI:
        return WalletClass.DEFI, 650_000
    if features[_AT["large_ratio"]] > MOSTLY_LARGE:
        return WalletClass.HOLDER, 600_000
    return WalletClass.UNKNOWN, 500_000


class Rules:
    name = "rules 1"

    async def classify(self, wallets: Sequence[Features]) -> list[Kind]:
        return [by_rules(features) for features in wallets]


# --- a trained model ----------------------------------------------------------------------------------------------


class Sidecar(BaseModel):
    """What stands beside a model file: what it was trained on, and which file it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    schema_hash: str
    names: tuple[str, ...]
    classes: tuple[WalletClass, ...]  # in the order of the model's probabilities
    trained_at: datetime
    model_sha: str
    examples: dict[str, int]  # how many of each origin


def beside(path: Path) -> Path:
    """The sidecar of a model file."""
    return path.with_name(f"{path.name}.json")


def load(path: Path) -> "Trained":
    """A model whose features are exactly ours. Raises BadWhaleModel; with both hashes where the schemas differ."""
    try:
        data, about = path.read_bytes(), beside(path).read_bytes()
    except OSError as error:
        raise BadWhaleModel(f"{error.filename}: {error.strerror or 'it cannot be read'}") from None
    try:
        sidecar = Sidecar.model_validate_json(about)
    except ValidationError as error:
        raise BadWhaleModel(f"{beside(path)}: {error.errors()[0]['msg']}") from None
    if sidecar.schema_hash != SCHEMA_HASH or sidecar.names != NAMES:
        theirs, place = sidecar.schema_hash, _first_difference(sidecar.names)
        raise BadWhaleModel(
            f"{path}: trained on the feature schema {theirs}, this version serves {SCHEMA_HASH}{place}; train it again"
        )
    if sidecar.model_sha != sha(data):
        raise BadWhaleModel(f"{path}: its bytes are {sha(data)[:12]}, those that were trained {sidecar.model_sha[:12]}")
    return Trained(data, sidecar)


def _first_difference(names: Sequence[str]) -> str:
    for n, (theirs, ours) in enumerate(zip(names, NAMES, strict=False), 1):
        if theirs != ours:
            return f" (feature {n} is {theirs!r} there and {ours!r} here)"
    return "" if len(names) == len(NAMES) else f" ({len(names)} features there and {len(NAMES)} here)"


@dataclass(slots=True)
class Trained:
    """CatBoost is imported and the model read on the first question, in a thread."""

    data: bytes
    sidecar: Sidecar
    _model: Any = None

    @property
    def name(self) -> str:
        return f"catboost {self.sidecar.model_sha[:12]}"

    async def classify(self, wallets: Sequence[Features]) -> list[Kind]:
        if not wallets:
            return []
        return await asyncio.to_thread(self._classify, wallets)

    def _classify(self, wallets: Sequence[Features]) -> list[Kind]:
        from catboost import CatBoostClassifier, CatBoostError

        try:
            if self._model is None:
                self._model = CatBoostClassifier().load_model(blob=self.data)
            chances = self._model.predict_proba([list(features) for features in wallets], thread_count=1)
        except CatBoostError:
            raise BadWhaleModel("the wallet classifier's file is no model that can be used") from None
        return [self._likeliest([float(chance) for chance in row]) for row in chances]

    def _likeliest(self, chances: list[float]) -> Kind:
        if len(chances) != len(self.sidecar.classes):
            raise BadWhaleModel("the wallet classifier knows other classes than its sidecar says")
        best = max(range(len(chances)), key=chances.__getitem__)
        return self.sidecar.classes[best], min(round(chances[best] * MICRO), MICRO)
