"""The shell's trainer of the wallet classifier: labels and recorded histories in, a model and an honest report out."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.options import STOPPED, guarded
from trading.clock import SystemClock

if TYPE_CHECKING:  # what it takes to train is imported when somebody trains
    from trading.onchain.training import Model, Report


@click.command(name="train-whales")
@click.argument("labels", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--histories",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="One ADDRESS.json each: Etherscan's txlist, tokentx and txlistinternal answers.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("whales.cbm"), help="The model's file."
)
@click.option(
    "--wallets",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Labelled wallets of your own, as in GAVEL_WALLETS_FILE.",
)
def train_whales(labels: Path, histories: Path, out: Path, wallets: Path | None) -> None:
    """Train the wallet classifier from LABELS (address,class[,origin]) and measure it on a held-out part."""

    def work() -> int:
        from trading.onchain import training
        from trading.onchain.wallets import load

        given, without = training.examples(training.read_labels(labels), histories, load(wallets).exchanges)
        model = training.train(given, at=SystemClock().now())
        training.write(model, out)
        for line in _report(model, without, out):
            click.echo(line)
        return STOPPED

    sys.exit(guarded(work))


def _report(model: "Model", without: tuple[str, ...], out: Path) -> Iterable[str]:
    report = model.report
    if without:
        yield f"without a history, left out: {len(without)}"
    yield f"trained on {_counted(report.trained)}; measured on {_counted(report.held_out)} that it has not seen"
    yield measured_on(report)
    yield ""
    yield f"{'class':14}{'precision':>10}{'recall':>10}{'F1':>10}{'support':>10}"
    for score in report.scores:
        yield (
            f"{score.kind.value:14}{score.precision:>10.3f}{score.recall:>10.3f}{score.f1:>10.3f}{score.support:>10}"
        )
    yield f"{'macro F1':34}{report.macro_f1:>10.3f}"
    yield from ("", "confusion (row: what it is, column: what was said)")
    yield " " * 14 + "".join(f"{score.kind.value:>14}" for score in report.scores)
    for score, row in zip(report.scores, report.confusion, strict=True):
        yield f"{score.kind.value:14}" + "".join(f"{count:>14}" for count in row)
    yield from ("", f"features {model.sidecar.schema_hash[:12]}, model {model.sidecar.model_sha[:12]}")
    yield f"wrote {out} and {out.name}.json; GAVEL_WHALE_MODEL={out} serves it"


def _counted(origins: dict[str, int]) -> str:
    parts = [
        f"{count} {'of an origin that is not said' if name == 'not said' else name}" for name, count in origins.items()
    ]
    return f"{sum(origins.values())} wallets" + (f" ({', '.join(parts)})" if parts else "")


def measured_on(report: "Report") -> str:
    """What the figures can be taken for, and what not."""
    real, every = report.held_out.get("real", 0), sum(report.held_out.values())
    right = f"of the real ones {report.right.get('real', 0)} of {real} were told right"
    if real == every:
        return "The figures are measured on real wallets."
    if "generated" not in report.held_out:
        return f"Where the wallets come from is not said of {every - real}: read the figures with that in mind."
    if not real:
        return (
            "The figures are measured on generated wallets alone: they say that the classes as they are described can "
            "be told apart, and nothing about wallets on the chain."
        )
    return f"The figures are measured on generated and real wallets together; {right}."
