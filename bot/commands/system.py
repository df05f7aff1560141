"""The desk about itself."""

from bot.catalogue import COMMANDS, Context, command, nearest
from bot.render.views import health_card
from bot.render.words import card
from bot.surface import Card, Role
from trading.errors import Misuse


@command("health", help="What is armed, degraded or off, and why", usage="/health", role=Role.VIEWER, example="/health")
async def health(context: Context, _: str) -> Card:
    return health_card(context.desk.status(), await context.records.journal_size(), context.desk.playbook)


@command("help", help="The commands", usage="/help [command]", role=Role.VIEWER, example="/help close")
async def help_(context: Context, args: str) -> Card:
    mine = {name: entry for name, entry in COMMANDS.items() if entry.role <= context.role}
    if not args:
        return card(f"{len(mine)} commands", *(f"{e.usage}: {e.help}" for e in mine.values()))
    name = args.lower().removeprefix("/")
    if name not in mine:
        close = nearest(name, mine)
        raise Misuse(f"no command /{name[:20]}" + (f"; did you mean /{close}?" if close else ""))
    entry = mine[name]
    return card(
        f"/{name}: {entry.help}",
        f"Usage: {entry.usage}",
        f"Example: {entry.example}",
        f"For {entry.role.name.lower()}s",
    )


@command("version", help="Which Gavel this is", usage="/version", role=Role.VIEWER, example="/version")
async def version(context: Context, _: str) -> Card:
    now = context.desk.status()
    return card(f"Gavel {context.tools.version}", f"{now.mode} on {now.market}, playbook {now.playbook}")
