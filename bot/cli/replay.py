"""`gavel replay`: recorded decisions worked out again, offline, from the record and the raw answers beside it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bot.cli.journal import DATABASE
from bot.cli.options import DATA_DIR, FAILED, STOPPED, guarded, settings

if TYPE_CHECKING:
    from bot.rejudging import Basis
    from storage.queries import Queries
    from trading.decision import Decision
    from trading.playbook import Playbook
    from trading.rereading import Reread

MISSING = 2
BATCH = 100  # records at a time, with the bytes behind them
SHOWN = 20  # differences that are told one by one; all of them with --json


@click.command()
@click.argument("decision", required=False, default="", metavar="[ID]")
@click.option("--all", "every", is_flag=True, help="Every decision of the journal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each decision.")
@DATA_DIR
def replay(decision: str, every: bool, as_json: bool, data_dir: Path | None) -> None:
    """Work decisions out again from their records and the raw answers of models, without asking anybody.

    ID is that of a decision, or its beginning. Exit code 0: all the same, to the last bit; 1: something differs, and
    the decision and the first field are named; 2: there is no such decision, or no journal.
    """
    if bool(decision) is every:
        raise click.UsageError("name a decision, or give --all")

    def look() -> int:
        directory = data_dir or settings().data_dir
        if not (directory / DATABASE).is_file():
            click.echo(f"no journal in {directory}", err=True)
            return MISSING
        return asyncio.run(_replay(directory, decision, _Told(as_json=as_json, every=every)))

    sys.exit(guarded(look))


async def _replay(directory: Path, decision: str, told: "_Told") -> int:
    from storage.database import Database
    from storage.queries import Queries

    databases = [await Database.look(path) for path in _ledgers(directory)]
    try:
        queries = Queries(databases[0])
        again = _Replay(queries, databases, directory)
        return await (_every(again, queries, told) if told.every else _one(again, queries, decision, told))
    finally:
        for database in databases:
            await database.close()


def _ledgers(directory: Path) -> Iterator[Path]:
    """Whose bytes may be behind the records: a shadow desk's voices are those of the live desk it ran beside."""
    yield directory / DATABASE
    live = directory.resolve().parent
    if live.name == "shadow" and (live.parent / DATABASE).is_file():
        yield live.parent / DATABASE


async def _one(again: "_Replay", queries: "Queries", decision: str, told: "_Told") -> int:
    try:
        found = await queries.decision(decision)
    except LookupError as ambiguous:
        click.echo(str(ambiguous), err=True)
        return MISSING
    if found is None:
        click.echo(f"no decision {decision}", err=True)
        return MISSING
    again.learn(await queries.settings_of(found))
    async for line in again.lines([found]):
        told.tell(line)
    return told.code


async def _every(again: "_Replay", queries: "Queries", told: "_Told") -> int:
    """A batch at a time: what is in memory does not grow with the journal."""
    from storage.queries import SETTLED
    from trading.events import DecisionMade

    kinds, after = {kind.__name__ for kind in (DecisionMade, *SETTLED)}, 0
    with _progress(await queries.journal_size(), shown=sys.stderr.isatty()) as bar:
        while batch := await queries.records(kinds, after_seq=after, limit=BATCH):
            made = []
            for recorded in batch:
                if isinstance(recorded.event, DecisionMade):
                    made.append(recorded.event.decision)
                elif isinstance(recorded.event, SETTLED):
                    again.learn(recorded.event.settings)
            async for line in again.lines(made):
                told.tell(line)
            bar.update(batch[-1].seq - after)
            after = batch[-1].seq
    told.sum_up()
    return told.code


def _progress(length: int, *, shown: bool) -> Any:
    return click.progressbar(length=length, label="replay", file=sys.stderr, hidden=not shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One decision worked out again."""

    id: str
    reread: "Reread"
    then: bool  # by the settings of then

    @property
    def json(self) -> dict[str, Any]:
        found = self.reread
        differs = found.difference
        return {
            "decision": self.id,
            "same": found.same,
            "first": found.first,
            "field": differs.field if differs else None,
            "then": differs.then if differs else None,
            "now": differs.now if differs else None,
            "spoilt": list(found.spoilt),
            "read": list(found.read),
            "gone": list(found.gone),
            "settings": "then" if self.then else "other",
        }


class _Replay:
    """The settings that the journal has named so far, and the bytes."""

    def __init__(self, queries: "Queries", databases: Sequence[Any], directory: Path) -> None:
        from bot.library import Library
        from storage.spending import SqlLedger

        self._queries = queries
        self._ledgers = [SqlLedger(database) for database in databases]
        self._library = Library(directory)
        self._texts: dict[str, str] = {}  # by hash
        self._found: dict[str, Basis] = {}
        self._shipped: list[Playbook] | None = None

    def learn(self, text: str | None) -> None:
        from trading.playbook import hash_of

        if text:
            self._texts[hash_of(text)] = text

    async def lines(self, decisions: Sequence["Decision"]) -> AsyncIterator[_Line]:
        from trading.llm.hearing import HEAR
        from trading.rereading import reread, shas_of

        bodies = await self._bodies([key for decision in decisions for key in shas_of(decision)])
        for decision in decisions:
            by = self._basis(decision)
            yield _Line(id=decision.id, reread=reread(decision, bodies, by.playbook, HEAR), then=by.same)

    async def _bodies(self, shas: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for ledger in self._ledgers:
            if missing := [key for key in shas if key not in found]:
                found |= await ledger.as_kept(missing)
        return found

    def _basis(self, decision: "Decision") -> "Basis":
        """Of the settings of then where they are at hand, in the journal or in a file; once for each of them."""
        from bot.rejudging import basis

        key = f"{decision.playbook} {decision.playbook_hash}"
        if key not in self._found or (not self._found[key].same and decision.playbook_hash in self._texts):
            text = self._texts.get(decision.playbook_hash)
            self._found[key] = basis(decision, self._files(), text)
        return self._found[key]

    def _files(self) -> "list[Playbook]":
        from trading.errors import BadPlaybook

        if self._shipped is None:
            self._shipped = []
            for name in self._library.names():
                try:
                    self._shipped.append(self._library.load(name))
                except BadPlaybook:
                    continue  # a faulty file is nobody's settings
        return self._shipped


@dataclass(slots=True, kw_only=True)
class _Told:
    """What is said of it, and what it comes to."""

    as_json: bool
    every: bool
    seen: int = 0
    differ: int = 0
    raw: int = 0  # with words that were read again from their bytes
    gone: int = 0

    @property
    def code(self) -> int:
        return FAILED if self.differ else STOPPED

    def tell(self, line: _Line) -> None:
        found = line.reread
        self.seen += 1
        self.differ += not found.same
        self.raw += bool(found.read)
        self.gone += bool(found.gone)
        if self.as_json:
            click.echo(json.dumps(line.json, ensure_ascii=False))
        elif not found.same and self.differ <= SHOWN:
            click.echo(f"{line.id}: {found.first}{'' if line.then else ' (not by the settings of then)'}")
        elif found.same and not self.every:
            click.echo(f"{line.id}: the same, bit for bit")
            self._explain(found)

    def _explain(self, found: "Reread") -> None:
        if found.read:
            click.echo(f"read again from raw answers: {', '.join(found.read)}")
        if found.gone:
            click.echo(f"judged from the parsed votes; no longer kept: the raw answer of {', '.join(found.gone)}")

    def sum_up(self) -> None:
        if self.as_json:
            return
        if self.differ > SHOWN:
            click.echo(f"and {self.differ - SHOWN} more; --json names them all")
        came = f"{self.differ} differ" if self.differ else "all the same, bit for bit"
        click.echo(f"{self.seen} decisions: {came}; {self.raw} with raw answers read again, {self.gone} without them")
