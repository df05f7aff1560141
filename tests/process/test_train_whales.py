"""`gavel train-whales` as a person runs it: from labels and histories to a model that serves, and an honest report."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.whales import AT, BEHAVIOURS, EXCHANGES, an_address, write_labelled
from trading.chain import WalletClass
from trading.errors import BadWhaleModel
from trading.onchain import training
from trading.onchain.classifier import Sidecar, Trained, beside, load
from trading.onchain.features import NAMES, SCHEMA_HASH
from trading.onchain.training import Example

KINDS = tuple(BEHAVIOURS)


def gavel(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *map(str, args)], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    folder = tmp_path_factory.mktemp("whales")
    labels = write_labelled(folder)
    out = folder / "models" / "whales.cbm"
    done = gavel("train-whales", labels, "--histories", folder / "histories", "--out", out)
    assert done.returncode == 0, done.stderr
    return labels, out, done.stdout


def test_the_report_says_what_the_figures_are_measured_on(trained: tuple[Path, Path, str]) -> None:
    report = trained[2]
    assert "trained on 90 wallets (90 generated); measured on 30 wallets (30 generated) that it has not seen" in report
    assert "measured on generated wallets alone" in report
    assert "nothing about wallets on the chain" in report


def test_the_report_has_every_class_its_figures_and_a_confusion_that_adds_up(trained: tuple[Path, Path, str]) -> None:
    lines = trained[2].splitlines()
    for kind in KINDS:
        [figures] = [line.split() for line in lines if re.match(rf"{kind.value}\s+\d\.\d{{3}}\s", line)]
        assert figures[4] == "6"
        [counts] = [line.split()[1:] for line in lines if re.match(rf"{kind.value}(\s+\d+){{5}}$", line)]
        assert sum(map(int, counts)) == 6
    [macro] = [float(line.split()[-1]) for line in lines if line.startswith("macro F1")]
    assert 0.7 < macro < 1.0, "behaviours differ, and every third wallet has two of them"


async def test_what_was_trained_serves(trained: tuple[Path, Path, str]) -> None:
    labels, out, _ = trained
    model = load(out)
    given, without = training.examples(training.read_labels(labels), labels.parent / "histories", EXCHANGES)
    said = await model.classify([one.features for one in given])
    right = sum(kind is one.kind for (kind, _), one in zip(said, given, strict=True))
    assert right > 0.85 * len(given)
    assert all(0 <= confidence <= 1_000_000 for _, confidence in said)
    assert without == ()
    assert re.fullmatch(r"catboost [0-9a-f]{12}", model.name)


def test_the_sidecar_holds_names_order_hash_classes_and_date(trained: tuple[Path, Path, str]) -> None:
    sidecar = Sidecar.model_validate_json(beside(trained[1]).read_text())
    assert (sidecar.names, sidecar.schema_hash, sidecar.classes) == (NAMES, SCHEMA_HASH, KINDS)
    assert sidecar.examples == {"generated": 120}
    assert sidecar.trained_at.tzinfo is not None


async def test_the_same_labels_give_a_model_that_says_the_same(trained: tuple[Path, Path, str]) -> None:
    labels = trained[0]
    given, _ = training.examples(training.read_labels(labels), labels.parent / "histories", EXCHANGES)
    one, two = (training.train(given, at=AT) for _ in range(2))
    assert one.report == two.report
    rows = [example.features for example in given]
    assert await Trained(one.data, one.sidecar).classify(rows) == await Trained(two.data, two.sidecar).classify(rows)


def test_a_schema_that_has_changed_since_is_refused_with_both_hashes(
    trained: tuple[Path, Path, str], tmp_path: Path
) -> None:
    copy = tmp_path / "old.cbm"
    copy.write_bytes(trained[1].read_bytes())
    old = json.loads(beside(trained[1]).read_text()) | {"schema_hash": "0123" * 16}
    beside(copy).write_text(json.dumps(old))
    with pytest.raises(BadWhaleModel, match="0123" * 16) as said:
        load(copy)
    assert SCHEMA_HASH in str(said.value)


# --- real ones ----------------------------------------------------------------------------------------------------

BY_LABEL = {"mev-builder": WalletClass.MINER, "mining": WalletClass.MINER, "staking": WalletClass.STAKER}


def real_wallets(shared: Path, folder: Path) -> dict[str, WalletClass]:
    """Labelled addresses of which a history was recorded; writes those histories."""
    chain = shared / "data" / "onchain"
    if not (chain / "etherscan_v2_responses" / "MANIFEST.json").is_file():
        pytest.skip("no recorded answers of Etherscan are here: there is no real history to train on")
    kinds = {}
    for label, kind in BY_LABEL.items():
        with (chain / "etherscan_labels" / "accounts" / f"{label}.csv").open() as file:
            kinds |= {row["Address"].lower(): kind for row in csv.DictReader(file)}
    histories: dict[str, dict[str, Any]] = {}
    for line in json.loads((chain / "etherscan_v2_responses" / "MANIFEST.json").read_text()):
        params, path = line["params"], chain / "etherscan_v2_responses" / line["file"]
        address = params.get("address", "").lower()
        if params["action"] in ("txlist", "tokentx", "txlistinternal") and address in kinds and path.is_file():
            histories.setdefault(address, {})[params["action"]] = json.loads(path.read_text())
    found = {address: history for address, history in histories.items() if "txlist" in history}
    if not found:
        pytest.skip("no labelled address has a recorded history")
    for address, history in found.items():
        (folder / f"{address}.json").write_text(json.dumps(history))
    return {address: kinds[address] for address in found}


def test_real_wallets_are_counted_apart_and_the_report_does_not_pass_them_for_more(
    shared: Path, tmp_path: Path
) -> None:
    labels = write_labelled(tmp_path, 8)
    real = real_wallets(shared, tmp_path / "histories")
    with labels.open("a") as file:
        file.writelines(f"{address},{kind.value},real\n" for address, kind in real.items())
        file.write(f"{an_address(0xDEAD)},Miner,real\n")  # labelled, and without a history
    done = gavel("train-whales", labels, "--histories", tmp_path / "histories", "--out", tmp_path / "m.cbm")
    assert done.returncode == 0, done.stderr
    assert f"{len(real)} real)" in done.stdout
    assert "without a history, left out: 1" in done.stdout
    assert "The figures are measured on real wallets." not in done.stdout


# --- what it refuses ----------------------------------------------------------------------------------------------


def test_bad_labels_are_named_line_by_line_and_nothing_is_written(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    (tmp_path / "histories").mkdir()
    labels.write_text(
        f"address,class,origin\n0x12,Miner,real\n{an_address(1)},Bank,real\n{an_address(2)},Miner,rumour\n"
    )
    done = gavel("train-whales", labels, "--histories", tmp_path / "histories", "--out", tmp_path / "m.cbm")
    assert done.returncode == 1
    assert "line 2: no address" in done.stderr
    assert "line 3: the class is none of" in done.stderr
    assert "line 4: the origin is none of generated, real" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "m.cbm").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a first line address,class"),
        ("wallet,kind\n", "a first line address,class"),
        (f"address,class\n{an_address(1)},Unknown\n", "line 2: the class is none of"),
        (f"address,class\n{an_address(1)},Miner\n{an_address(1)},Staker\n", "twice"),
        ("address,class\n0x1\n", "line 2: no address"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(BadWhaleModel) as fault:
        training.read_labels(path)
    assert said in str(fault.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"txlist": 3}', '{"txlist": {"result": [{}]}}', '{"txlist": {}}'])
def test_a_history_that_is_none_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    address = an_address(1)
    (tmp_path / f"{address}.json").write_text(text)
    labels = (training.Labelled(address=address, kind=WalletClass.MINER, origin="real"),)
    with pytest.raises(BadWhaleModel, match=address):
        training.examples(labels, tmp_path, EXCHANGES)


def an_example(kind: WalletClass, origin: str = "real") -> Example:
    return Example(features=(0.0,) * 32, kind=kind, origin=origin)


def test_too_few_of_a_class_or_one_class_alone_cannot_be_trained() -> None:
    with pytest.raises(BadWhaleModel, match="two classes"):
        training.train([an_example(WalletClass.MINER)] * 9, at=AT)
    with pytest.raises(BadWhaleModel, match="Staker has 3"):
        training.train([an_example(WalletClass.MINER)] * 9 + [an_example(WalletClass.STAKER)] * 3, at=AT)


# --- the figures --------------------------------------------------------------------------------------------------


def test_precision_recall_and_f1_worked_out_by_hand() -> None:
    miner, staker = WalletClass.MINER, WalletClass.STAKER
    held = [an_example(miner)] * 4 + [an_example(staker, "generated")] * 2
    report = training.report((staker, miner), [], held, [miner, miner, miner, staker, staker, miner])
    of_staker, of_miner = report.scores
    assert (of_miner.precision, of_miner.recall, of_miner.f1, of_miner.support) == (3 / 4, 3 / 4, 3 / 4, 4)
    assert (of_staker.precision, of_staker.recall, of_staker.f1, of_staker.support) == (1 / 2, 1 / 2, 1 / 2, 2)
    assert report.macro_f1 == 5 / 8
    assert report.confusion == ((1, 1), (1, 3))
    assert report.right == {"generated": 1, "real": 3}


def test_a_class_that_was_never_said_has_no_precision() -> None:
    report = training.report(
        (WalletClass.STAKER, WalletClass.MINER), [], [an_example(WalletClass.STAKER)], [WalletClass.MINER]
    )
    assert [score.f1 for score in report.scores] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("held_out", "right", "said"),
    [
        ({"real": 4}, {"real": 3}, "The figures are measured on real wallets."),
        ({"real": 2, "generated": 2}, {"real": 1}, "of the real ones 1 of 2 were told right"),
        ({"generated": 2}, {}, "measured on generated wallets alone"),
        ({"not said": 3}, {}, "is not said of 3"),
        ({"not said": 3, "real": 1}, {}, "is not said of 3"),
    ],
)
def test_what_the_figures_can_be_taken_for(held_out: dict[str, int], right: dict[str, int], said: str) -> None:
    from bot.cli.train import measured_on

    report = training.Report(trained={}, held_out=held_out, scores=(), macro_f1=0.0, confusion=(), right=right)
    assert said in measured_on(report)
