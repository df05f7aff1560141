"""`gavel doctor`: is everything there that a desk needs? 0 without an error (warnings may be there), 1 with one."""

import asyncio
import json
import sys
from pathlib import Path

import click

from bot.cli.options import DATA_DIR, FAILED, STOPPED, guarded, own_directory, quiet
from bot.cli.options import settings as read_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object on standard output.")
@DATA_DIR
def doctor(data_dir: Path | None, *, as_json: bool) -> None:
    """Check exchange, account, chats, models and database, and say how to mend what is wrong. It changes nothing and
    works while the desk runs. Exit code 0: no error, there may be warnings; 1: an error, with which live would not
    start."""
    sys.exit(guarded(lambda: asyncio.run(_doctor(data_dir, as_json=as_json))))


async def _doctor(data_dir: Path | None, *, as_json: bool) -> int:
    from bot.doctor_opening import doctor_alone
    from bot.render.doctor import doctor_json, doctor_lines, has_errors, verdict
    from trading import playbook as playbooks
    from trading.clock import SystemClock

    settings = read_settings()
    quiet(settings)
    directory = data_dir or own_directory(settings)
    async with doctor_alone(settings, playbooks.load(settings.playbook), directory, SystemClock()) as doctor:
        found = await doctor.look()
    if as_json:
        click.echo(json.dumps(doctor_json(found)))
    else:
        click.echo("\n".join((*doctor_lines(found), verdict(found))))
    return FAILED if has_errors(found) else STOPPED
