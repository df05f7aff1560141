"""The shell's look at playbooks: which there are, all of what one says, what is wrong with a file."""

import sys
from pathlib import Path

import click

from bot.cli.options import DATA_DIR, STOPPED, guarded, settings
from bot.library import Library
from bot.playbook_file import as_toml, remarks
from trading import playbook as playbooks
from trading.errors import BadPlaybook


@click.group()
def playbook() -> None:
    """Look at playbooks."""


def _library(data_dir: Path | None) -> Library:
    return Library(data_dir or settings().data_dir)


@playbook.command(name="list")
@DATA_DIR
def list_(data_dir: Path | None) -> None:
    """The shipped playbooks, and those in the data directory's folder "playbooks"."""

    def look() -> int:
        library = _library(data_dir)
        for name in library.names():
            click.echo(f"{name:10} {_title(library, name)}")
        return STOPPED

    sys.exit(guarded(look))


def _title(library: Library, name: str) -> str:
    try:
        return library.load(name).title
    except BadPlaybook as fault:
        return f"faulty: {' '.join(str(fault).split())}"


@playbook.command()
@click.argument("name")
@DATA_DIR
def show(name: str, data_dir: Path | None) -> None:
    """Every part of a playbook with its numbers, defaults included. In a pipe it is a file to begin one's own with."""

    def look() -> int:
        found = playbooks.load(name) if name.endswith(".toml") else _library(data_dir).load(name)
        for line in as_toml(found):
            click.secho(line, bold=line.startswith("["), dim=line.startswith("#"))
        return STOPPED

    sys.exit(guarded(look))


@playbook.command()
@click.argument("file")
def check(file: str) -> None:
    """Name each fault of a playbook file."""

    def look() -> int:
        found = playbooks.load(file)
        click.echo(f"{found.name}: fits the schema (settings {found.hash})")
        for remark in remarks(found):
            click.echo(f"note: {remark}", err=True)
        return STOPPED

    sys.exit(guarded(look))
