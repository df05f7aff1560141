"""Train the wallet classifier from labelled addresses and their recorded histories, and measure it on what it has not
seen. What the figures rest on, generated wallets or real ones, is part of the result."""

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from trading.chain import WalletClass
from trading.errors import BadWhaleModel
from trading.onchain.classifier import Features, Sidecar, beside
from trading.onchain.features import NAMES, SCHEMA_HASH, features
from trading.onchain.history import WEI, Action, BadRows, Transfer, history, is_address, newest, number, read_json
from trading.onchain.history import transfers as read_transfers
from trading.voice import sha

SEED = 20_260_101
HELD_OUT = 0.25
LEAST = 4  # wallets of a class: with fewer, none would be left to measure on
ROUNDS = 300
ORIGINS = ("generated", "real")
UNSAID = "not said"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    address: str
    kind: WalletClass
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    features: Features
    kind: WalletClass
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    kind: WalletClass
    precision: float  # 0 where it was never said
    recall: float
    f1: float
    support: int  # held-out wallets of this class


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    trained: dict[str, int]  # by origin
    held_out: dict[str, int]
    scores: tuple[ClassScore, ...]
    macro_f1: float
    confusion: tuple[tuple[int, ...], ...]  # row: what it is, column: what was said, in the order of `scores`
    right: dict[str, int]  # of the held-out ones, by origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    data: bytes
    sidecar: Sidecar
    report: Report


# --- what it is trained from --------------------------------------------------------------------------------------


def read_labels(path: Path) -> tuple[Labelled, ...]:
    """address,class[,origin]. Raises BadWhaleModel that names every bad line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadWhaleModel(f"{path}: {getattr(error, 'strerror', None) or 'no table of labels'}") from None
    if not rows or not {"address", "class"} <= set(rows[0]):
        raise BadWhaleModel(f"{path}: a first line address,class or address,class,origin and labels are expected")
    faults = [f"line {n}: {fault}" for n, row in enumerate(rows, 2) for fault in _faults(row)]
    twice = [a for a, count in Counter(_text(row, "address").lower() for row in rows).items() if count > 1]
    faults += [f"{address} stands there twice" for address in twice if is_address(address)]
    if faults:
        raise BadWhaleModel(f"{path}: {'; '.join(faults)}")
    return tuple(
        Labelled(
            address=_text(row, "address").lower(),
            kind=WalletClass(_text(row, "class")),
            origin=_text(row, "origin") or UNSAID,
        )
        for row in rows
    )


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _faults(row: dict[str, Any]) -> Iterable[str]:
    known = [kind.value for kind in WalletClass if kind is not WalletClass.UNKNOWN]
    if not is_address(_text(row, "address").lower()):
        yield "no address"
    if _text(row, "class") not in known:
        yield f"the class is none of {', '.join(known)}"
    if _text(row, "origin") not in ("", *ORIGINS):
        yield f"the origin is none of {', '.join(ORIGINS)}"


def examples(
    labels: Sequence[Labelled], folder: Path, exchanges: frozenset[str]
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """Those that have a history, and the addresses that have none. Raises BadWhaleModel for one that cannot be read."""
    files = {path.stem.lower(): path for path in folder.glob("*.json")}
    found = tuple(
        Example(
            features=_features(files[one.address], one.address, exchanges),
            kind=one.kind,
            origin=one.origin,
        )
        for one in labels
        if one.address in files
    )
    return found, tuple(one.address for one in labels if one.address not in files)


def _features(path: Path, address: str, exchanges: frozenset[str]) -> Features:
    """{"txlist": body, "tokentx": body, "txlistinternal": body, "balance": "wei"}: bodies as Etherscan sends them; the
    90 days end with the newest row."""
    try:
        plain = read_json(path.read_bytes())
        if not isinstance(plain, dict) or Action.NORMAL.value not in plain:
            raise BadRows('it has no "txlist"')
        rows = {action: _rows(plain.get(action.value), action) for action in Action}
        balance = Decimal(number(plain["balance"])) / WEI if "balance" in plain else None
    except (OSError, BadRows) as fault:
        raise BadWhaleModel(f"{path}: {fault}") from None
    until = newest(row for part in rows.values() for row in part) or datetime(1970, 1, 1, tzinfo=UTC)
    return features(history(address, rows, until=until, balance=balance, exchanges=exchanges))


def _rows(body: Any, action: Action) -> Sequence[Transfer]:
    """A kind that was not recorded, or of which there was nothing, is empty."""
    if body is None:
        return ()
    if not isinstance(body, dict) or "result" not in body:
        raise BadRows(f"{action.value} is no answer of Etherscan")
    return read_transfers(body["result"] or [], action)


# --- training -----------------------------------------------------------------------------------------------------


def train(given: Sequence[Example], *, at: datetime, seed: int = SEED) -> Model:
    """Raises BadWhaleModel where there is too little to train and measure with."""
    classes = _classes(given)
    fit, held = _split(given, seed)
    data, said = _fitted(fit, held, classes, seed)
    sidecar = Sidecar(
        schema_hash=SCHEMA_HASH,
        names=NAMES,
        classes=classes,
        trained_at=at,
        model_sha=sha(data),
        examples=_origins(given),
    )
    return Model(data=data, sidecar=sidecar, report=report(classes, fit, held, said))


def _classes(given: Sequence[Example]) -> tuple[WalletClass, ...]:
    counts = Counter(one.kind for one in given)
    classes = tuple(kind for kind in WalletClass if kind in counts)
    few = [f"{kind.value} has {counts[kind]}" for kind in classes if counts[kind] < LEAST]
    if len(classes) < 2:
        raise BadWhaleModel("two classes at least are needed to tell one from another")
    if few:
        raise BadWhaleModel(f"too few wallets with a history: {', '.join(few)}; each class needs {LEAST}")
    return classes


def _split(given: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """The same share of each class and origin is held out, the same one each time."""
    layers: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for one in given:
        layers[one.kind.value, one.origin].append(one)
    fit: list[Example] = []
    held: list[Example] = []
    for layer in sorted(layers):
        shuffled = random.Random(f"{seed} {layer}").sample(layers[layer], len(layers[layer]))  # noqa: S311 - no secret
        cut = round(len(shuffled) * HELD_OUT)
        held += shuffled[:cut]
        fit += shuffled[cut:]
    return fit, held


def _fitted(
    fit: Sequence[Example], held: Sequence[Example], classes: Sequence[WalletClass], seed: int
) -> tuple[bytes, list[WalletClass]]:
    """The model's bytes, and what it says of the held-out wallets."""
    from tempfile import TemporaryDirectory

    from catboost import CatBoostClassifier

    model = CatBoostClassifier(
        loss_function="MultiClass",
        iterations=ROUNDS,
        depth=4,
        random_seed=seed,
        auto_class_weights="Balanced",
        allow_writing_files=False,
        verbose=False,
        thread_count=1,
        classes_count=len(classes),
    )
    place = {kind: n for n, kind in enumerate(classes)}
    model.fit([list(one.features) for one in fit], [place[one.kind] for one in fit])
    said = model.predict_proba([list(one.features) for one in held], thread_count=1) if held else []
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.cbm")
        model.save_model(str(path))
        return path.read_bytes(), [classes[max(range(len(row)), key=list(row).__getitem__)] for row in said]


def report(
    classes: Sequence[WalletClass], fit: Sequence[Example], held: Sequence[Example], said: Sequence[WalletClass]
) -> Report:
    pairs = Counter((one.kind, answer) for one, answer in zip(held, said, strict=True))
    scores = tuple(_score(kind, classes, pairs) for kind in classes)
    return Report(
        trained=_origins(fit),
        held_out=_origins(held),
        scores=scores,
        macro_f1=sum(score.f1 for score in scores) / len(scores),
        confusion=tuple(tuple(pairs[is_, told] for told in classes) for is_ in classes),
        right=_origins([one for one, answer in zip(held, said, strict=True) if one.kind is answer]),
    )


def _score(
    kind: WalletClass, classes: Sequence[WalletClass], pairs: Counter[tuple[WalletClass, WalletClass]]
) -> ClassScore:
    right = pairs[kind, kind]
    support = sum(pairs[kind, told] for told in classes)
    told = sum(pairs[is_, kind] for is_ in classes)
    return ClassScore(
        kind=kind,
        precision=right / told if told else 0.0,
        recall=right / support if support else 0.0,
        f1=2 * right / (told + support) if told + support else 0.0,
        support=support,
    )


def _origins(given: Sequence[Example]) -> dict[str, int]:
    return dict(sorted(Counter(one.origin for one in given).items()))


def write(model: Model, path: Path) -> None:
    """The model, and its sidecar after it: a model without one is refused. Raises BadWhaleModel."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.data)
        beside(path).write_text(model.sidecar.model_dump_json(indent=1), encoding="utf-8")
    except OSError as error:
        raise BadWhaleModel(f"{path}: {error.strerror or 'it cannot be written'}") from None
