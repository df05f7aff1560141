"""The venue's wallet beside the desk's books, and a person's word that the venue is right."""

from decimal import Decimal

from bot.arguments import Amount
from bot.catalogue import Effect, command
from bot.reach import Context
from bot.render.mode import wallet_card, wallet_lines
from bot.render.words import card, money
from bot.surface import Button, Card, Role
from trading.errors import Misuse
from trading.messages import AcceptWallet

_SHOW = Button(label="Wallet", data="do:/wallet")


@command(
    "wallet",
    help="The venue's wallet beside the desk's books",
    role=Role.VIEWER,
    effect=Effect.READS,
    example="/wallet",
)
async def wallet(context: Context) -> Card:
    return wallet_card(context.desk.status(), context.about.zone)


@command(
    "wallet accept",
    help="After a deposit, a withdrawal or a fee in another coin: the venue's wallet is the desk's from now on",
    role=Role.ADMIN,
    effect=Effect.ASKS,
    example="/wallet accept",
    args=(Amount(name="difference", help="The difference that is meant; without it the one there is"),),
)
async def accept(context: Context, difference: Decimal | None = None) -> Card:
    now = context.desk.status()
    found = now.wallets
    if context.confirmed:
        done = await context.desk.obey(AcceptWallet(by=context.by, difference=difference))
        return card("wallet accepted", done, "It is no profit and no loss.", buttons=(_SHOW,))
    if found is None or now.unacceptable:
        raise Misuse(now.unacceptable)
    return await context.ask(
        f"/wallet accept {found.difference:f}",  # so that what is accepted is what was shown
        f"accept {money(found.difference)} in the wallet?",
        *wallet_lines(found, now.at, context.about.zone),
        f"Changes: the desk's wallet {found.desk:,f} -> {found.venue:,f}",
        "It is no profit and no loss: results and the day's loss stay as they are, sizes follow the new equity.",
        "Only where you know where it comes from: a deposit, a withdrawal, a fee in another coin.",
    )
