"""The 32 features by hand-worked examples, the rules over them, labelled wallets, and a model that does not fit."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.fakes.etherscan_api import Row
from tests.hostile import PIECES
from tests.whales import (
    AT,
    BINANCE,
    COINBASE,
    DEPOSITS,
    EXCHANGES,
    a_row,
    a_token_row,
    an_address,
    an_internal_row,
)
from trading.chain import WalletClass
from trading.errors import BadWallets, BadWhaleModel
from trading.onchain import wallets
from trading.onchain.classifier import Rules, Sidecar, beside, by_rules, load
from trading.onchain.features import NAMES, SCHEMA, SCHEMA_HASH, features
from trading.onchain.history import MOST_ROWS, SPAN, Action, WalletHistory, history, transfers
from trading.voice import sha

ME, OTHER, THIRD = an_address(1), an_address(2), an_address(3)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def a_history(
    normal: list[Row] | None = None,
    tokens: list[Row] | None = None,
    internal: list[Row] | None = None,
    balance: str | None = "0",
) -> WalletHistory:
    rows = {
        Action.NORMAL: transfers(normal or [], Action.NORMAL),
        Action.TOKENS: transfers(tokens or [], Action.TOKENS),
        Action.INTERNAL: transfers(internal or [], Action.INTERNAL),
    }
    known = None if balance is None else Decimal(balance)
    return history(ME, rows, until=AT, balance=known, exchanges=EXCHANGES)


def named(made: WalletHistory) -> dict[str, float]:
    return dict(zip(NAMES, features(made), strict=True))


# --- the features -------------------------------------------------------------------------------------------------


def test_there_are_thirty_two_with_a_name_and_a_unit_each() -> None:
    assert len(NAMES) == len(set(NAMES)) == 32
    assert all(SCHEMA.values())
    assert len(features(a_history())) == 32


def test_the_schema_is_pinned_a_change_of_it_is_meant_and_needs_new_models() -> None:
    assert SCHEMA_HASH[:12] == "ef4b6d1a7303"


def test_a_history_worked_out_by_hand() -> None:
    normal = [
        a_row(AT - 60 * HOUR, OTHER, ME, 10),
        a_row(AT - 48 * HOUR, ME, BINANCE, 200),
        a_row(AT - 36 * HOUR, COINBASE, ME, 30),
        a_row(AT - 12 * HOUR, ME, THIRD, 0, method="0x7ff36ab5"),
        a_row(AT - 11 * HOUR, ME, THIRD, 500, failed=True),
    ]
    tokens = [
        a_token_row(AT - HOUR, OTHER, ME, an_address(77)),
        a_token_row(AT - HOUR, OTHER, ME, an_address(77)),
        a_token_row(AT - HOUR, OTHER, ME, an_address(78), decimals="0"),
    ]
    internal = [an_internal_row(AT - HOUR, THIRD, ME, 3)]
    fee = 21_000 * 4_294_527_457 / 1e18
    expected = {
        "count_in": 2, "count_out": 2, "count_total": 4, "volume_in": 40, "volume_out": 200, "net_flow": -160,
        "value_mean": 60, "value_max": 200, "value_min": 0, "value_std": math.sqrt(26_600 / 4),
        "value_median": 20, "counterparties": 4, "active_days": 3, "gap_hours": 16, "per_day": 2,
        "erc20_count": 2, "nft_count": 1, "internal_count": 1, "erc20_ratio": 2 / 8, "nft_ratio": 1 / 8,
        "internal_ratio": 1 / 8, "distinct_tokens": 2, "defi_count": 1, "exchange_count": 2, "defi_ratio": 0.25,
        "exchange_ratio": 0.5, "large_count": 1, "large_ratio": 0.25, "gas_mean": fee, "gas_max": fee,
        "gas_total": 3 * fee, "log_balance": math.log(1235.5),
    }  # fmt: skip
    assert named(a_history(normal, tokens, internal, balance="1234.5")) == pytest.approx(expected)


def test_nothing_at_all_is_all_zero_and_an_unknown_balance_is_no_zero() -> None:
    assert set(features(a_history())) == {0.0}
    assert math.isnan(named(a_history(balance=None))["log_balance"])


def test_what_is_older_than_ninety_days_or_in_the_future_does_not_count() -> None:
    inside, outside, later = AT - SPAN, AT - SPAN - timedelta(seconds=1), AT + timedelta(seconds=1)
    made = a_history([a_row(at, OTHER, ME, 1) for at in (inside, outside, later)])
    assert named(made)["count_total"] == 1


def test_of_a_busy_wallet_the_newest_rows_count() -> None:
    rows = [a_row(AT - n * timedelta(minutes=1), OTHER, ME, n) for n in range(MOST_ROWS + 50)]
    made = a_history(rows[::-1])
    assert len(made.normal) == MOST_ROWS
    assert named(made)["value_max"] == MOST_ROWS - 1


@pytest.mark.parametrize("method", ["0xa9059cbb", "0x095ea7b3", "0x22895118", "0x"])
def test_a_transfer_an_approval_and_a_deposit_are_no_defi(method: str) -> None:
    assert named(a_history([a_row(AT, ME, DEPOSITS, 32, method=method)]))["defi_count"] == 0


def test_a_call_of_somebody_else_is_not_its_own_defi() -> None:
    assert named(a_history([a_row(AT, OTHER, ME, 1, method="0x7ff36ab5")]))["defi_count"] == 0


def test_the_order_of_rows_changes_nothing() -> None:
    rows = [a_row(AT - n * HOUR, OTHER, ME, n * 7 % 11) for n in range(30)]
    assert features(a_history(rows)) == pytest.approx(features(a_history(rows[::-1])))


def test_capitals_of_a_checksum_change_nothing() -> None:
    loud = a_row(AT, BINANCE.upper().replace("0X", "0x"), ME, 5)
    assert features(a_history([loud])) == features(a_history([a_row(AT, BINANCE, ME, 5)]))


# --- the rules ----------------------------------------------------------------------------------------------------


def a_vector(**values: float) -> tuple[float, ...]:
    return tuple(values.get(name, 0.0) for name in NAMES)


@pytest.mark.parametrize(
    ("values", "kind", "confidence"),
    [
        ({"exchange_count": 11}, WalletClass.CEX, 700_000),
        ({"exchange_count": 10}, WalletClass.UNKNOWN, 500_000),
        ({"exchange_count": 11, "defi_count": 99, "large_ratio": 1}, WalletClass.CEX, 700_000),
        ({"defi_count": 21, "large_ratio": 1}, WalletClass.DEFI, 650_000),
        ({"defi_count": 20}, WalletClass.UNKNOWN, 500_000),
        ({"large_ratio": 0.51}, WalletClass.HOLDER, 600_000),
        ({"large_ratio": 0.5}, WalletClass.UNKNOWN, 500_000),
    ],
)
async def test_rules_at_their_borders(values: dict[str, float], kind: WalletClass, confidence: int) -> None:
    assert by_rules(a_vector(**values)) == (kind, confidence)
    assert await Rules().classify([a_vector(**values)]) == [(kind, confidence)]


# --- a model that does not fit ------------------------------------------------------------------------------------


def write_model(folder: Path, **changes: object) -> Path:
    path = folder / "whales.cbm"
    path.write_bytes(b"a model")
    sidecar = Sidecar(
        schema_hash=SCHEMA_HASH,
        names=NAMES,
        classes=(WalletClass.CEX, WalletClass.HOLDER),
        trained_at=AT,
        model_sha=sha(b"a model"),
        examples={"generated": 8},
    )
    beside(path).write_text(json.dumps(sidecar.model_dump(mode="json") | changes))
    return path


def test_a_model_of_another_schema_is_refused_with_both_hashes(tmp_path: Path) -> None:
    theirs = "ab" * 32
    with pytest.raises(BadWhaleModel) as said:
        load(write_model(tmp_path, schema_hash=theirs))
    assert theirs in str(said.value)
    assert SCHEMA_HASH in str(said.value)


@pytest.mark.parametrize(
    ("names", "place"),
    [
        ((NAMES[1], NAMES[0], *NAMES[2:]), "feature 1 is 'count_out' there and 'count_in' here"),
        (NAMES[:-1], "31 features there and 32 here"),
    ],
)
def test_features_in_another_order_are_refused_even_under_our_hash(
    tmp_path: Path, names: tuple[str, ...], place: str
) -> None:
    with pytest.raises(BadWhaleModel, match="trained on the feature schema") as said:
        load(write_model(tmp_path, names=list(names)))
    assert place in str(said.value)


def test_a_sidecar_of_another_file_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    path.write_bytes(b"another model")
    with pytest.raises(BadWhaleModel, match=sha(b"a model")[:12]):
        load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_hash": 1}', '{"classes": ["Unheard_Of"]}'])
def test_a_sidecar_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = write_model(tmp_path)
    beside(path).write_text(text)
    with pytest.raises(BadWhaleModel):
        load(path)


def test_a_model_without_a_sidecar_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    beside(path).unlink()
    with pytest.raises(BadWhaleModel, match=r"whales\.cbm\.json"):
        load(path)


async def test_a_file_that_is_no_model_is_refused_when_it_is_first_asked(tmp_path: Path) -> None:
    model = load(write_model(tmp_path))
    assert model.name == f"catboost {sha(b'a model')[:12]}"
    assert await model.classify([]) == []
    with pytest.raises(BadWhaleModel, match="no model that can be used"):
        await model.classify([a_vector()])


def test_catboost_is_not_loaded_by_looking_at_a_model_or_at_the_command(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    code = (
        "import sys; from pathlib import Path\n"
        "import bot.__main__, bot.cli.train, trading.onchain.opening, trading.onchain.training\n"
        "from trading.onchain.classifier import load\n"
        f"load(Path({str(path)!r}))\n"
        "sys.exit('catboost' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- labelled wallets ---------------------------------------------------------------------------------------------


def a_file(folder: Path, text: str) -> Path:
    path = folder / "wallets.toml"
    path.write_text(text)
    return path


def an_entry(**changes: str) -> str:
    entry = {"address": f'"{OTHER}"', "label": '"Mine"', "as_of": "2025-01-01", "source": '"myself"'} | changes
    return "[[wallet]]\n" + "".join(f"{name} = {value}\n" for name, value in entry.items() if value)


def test_the_shipped_wallets_have_a_label_a_date_and_a_source() -> None:
    known = wallets.load()
    assert len(known.exchanges) == 8
    assert all(w.label and w.source and w.as_of.year >= 2023 for w in known.known.values())
    assert known.label(BINANCE) == "Binance 14"
    assert known.label(OTHER) == ""


def test_a_file_of_ones_own_adds_and_may_give_a_name_that_is_no_exchange(tmp_path: Path) -> None:
    text = an_entry(address=f'"{OTHER.upper().replace("0X", "0x")}"') + an_entry(
        address=f'"{THIRD}"', kind='"other"', label='"Old treasury"'
    )
    known = wallets.load(a_file(tmp_path, text))
    assert known.exchanges == EXCHANGES | {OTHER}
    assert known.label(THIRD) == "Old treasury"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wallet = 3", "wallet"),
        ("[[wallet", "no TOML"),
        ("other = 1", "other"),
        (an_entry(address='"0x12"'), "wallet 1 address: an address is 0x and 40 hexadecimal digits"),
        (an_entry() + an_entry(address=f'"{"z" * 42}"'), "wallet 2 address"),
        (an_entry(source=""), "wallet 1 source"),
        (an_entry(as_of=""), "wallet 1 as_of"),
        (an_entry(label='"\\u200b\\u202e"'), "wallet 1 label"),
        (an_entry(kind='"bank"'), "wallet 1 kind"),
        (an_entry(colour='"red"'), "wallet 1 colour"),
        ("\n".join(an_entry(address=f'"{an_address(n)}"') for n in range(100)), "too many"),
    ],
)
def test_a_faulty_file_is_refused_and_each_fault_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadWallets) as fault:
        wallets.load(a_file(tmp_path, text))
    assert said in str(fault.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadWallets, match="nowhere"):
        wallets.load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("piece", PIECES)
def test_a_hostile_label_is_one_short_line_of_visible_characters(piece: str) -> None:
    made = wallets.cleaned(f"a{piece}b{piece * 40}")
    assert made.isprintable()
    assert len(made) <= wallets.LABEL_LENGTH
    assert made == wallets.cleaned(made)


def test_a_history_may_be_replaced_in_parts() -> None:
    made = a_history([a_row(AT, OTHER, ME, 150)])
    assert features(replace(made, exchanges=frozenset({OTHER})))[NAMES.index("exchange_count")] == 1
