"""A house with its way out: what the desk journals goes through the real delivery to real chats, on fakes of their
platforms, and people talk back there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.catalogue import COMMANDS
from bot.chats.discord import Discord
from bot.chats.telegram import Telegram
from bot.delivery import Delivery
from bot.gate import Surface
from bot.illustrations import Illustrator
from bot.reach import Tools
from bot.render.words import RenderContext
from bot.surface import Card
from bot.talking import Chats, teller
from tests.chat import discord_stage
from tests.chat.drivers import FAST, QUICK, until
from tests.chat.house import IDS, House, Recorder
from tests.fakes import discord_api, telegram_api
from tests.fakes.discord_api import DESK, DiscordApi
from tests.fakes.telegram_api import Flood, TelegramApi
from trading.status import Armed

ANN = int(IDS["ann"])
PHONE, CHANNEL = f"telegram:{ANN}", f"discord:{DESK}"
NOTHING: Mapping[str, Any] = {}
_UNPACED = Flood(every=0.001, burst=500)


@dataclass
class Phones:
    """What stands around a house: one process's chats, and the platforms."""

    house: House
    telegram_api: TelegramApi
    discord_api: DiscordApi
    chats: Chats
    delivery: Delivery = field(init=False)
    jobs: list[asyncio.Task[None]] = field(default_factory=list)

    async def die(self) -> None:
        """The process ends where it stands; the platforms live on."""
        while self.jobs:
            self.jobs[-1].cancel()
            await asyncio.gather(self.jobs.pop(), return_exceptions=True)
        while self.chats.running:
            await self.chats.running.pop().close()

    @property
    def telegram(self) -> Telegram:
        return next(chat for chat in self.chats.running if isinstance(chat, Telegram))

    @property
    def discord(self) -> Discord:
        return next(chat for chat in self.chats.running if isinstance(chat, Discord))

    # --- people -----------------------------------------------------------------------------------------------------

    async def say(
        self, text: str, who: str = "ann", *, chat: int = 0, topic: int | None = None
    ) -> telegram_api.Message:
        """Something typed on Telegram, and the message that answers it."""
        chat = chat or int(IDS[who])
        return await self._on_telegram(
            chat, lambda: self.telegram_api.person(int(IDS[who])).type(text, chat=chat, topic=topic)
        )

    async def tap(self, on: telegram_api.Message, label: str, who: str = "ann") -> telegram_api.Message:
        return await self._on_telegram(on.chat, lambda: self.telegram_api.person(int(IDS[who])).tap(on, label))

    async def _on_telegram(self, chat: int, act: Callable[[], object]) -> telegram_api.Message:
        heard, before = len(self.house.service.said), {m.id: m.text for m in self.telegram_api.inbox(chat)}
        act()
        await until(lambda: len(self.house.service.said) > heard, "an answer")

        def fresh() -> list[telegram_api.Message]:
            return [
                m
                for m in self.telegram_api.inbox(chat)
                if before.get(m.id) != m.text and m.text.startswith(self.answered.title)
            ]

        await until(fresh, f"{self.answered.title!r} on the phone")
        return fresh()[-1]

    async def slash(self, name: str, who: str = "ann", **options: Any) -> discord_api.Message:
        """A command called on Discord, and the message that answers it."""
        person = self.discord_api.person(int(IDS[who]))
        return await self._on_discord(person, lambda: person.slash(name, **options))

    async def press(self, on: discord_api.Message, label: str, who: str = "ann") -> discord_api.Message:
        person = self.discord_api.person(int(IDS[who]))
        return await self._on_discord(person, lambda: person.tap(on, label))

    async def submit(self, on: discord_api.Message, label: str, typed: str, who: str = "ann") -> discord_api.Message:
        """A button pressed, and the form that it opens filled in."""
        person = self.discord_api.person(int(IDS[who]))
        tapped = person.tap(on, label)
        await until(lambda: tapped.form, "a form")
        return await self._on_discord(person, lambda: person.fill_in(tapped, typed))

    async def _on_discord(
        self, person: discord_api.Person, act: Callable[[], discord_api.Interaction]
    ) -> discord_api.Message:
        heard = len(self.house.service.said)
        await act().over()

        def there() -> list[discord_api.Message]:
            shown = self.discord_api.inbox(reader=person.id)
            return [m for m in shown if m.text.startswith(self.answered.title)]

        await until(lambda: len(self.house.service.said) > heard and there(), "an answer on Discord")
        return there()[-1]

    @property
    def answered(self) -> Card:
        """The last card that was an answer."""
        return next(card for _, card in reversed(self.house.service.said) if card is not None)

    # --- what they were told ----------------------------------------------------------------------------------------

    def alerts(self, chat: int = ANN) -> list[telegram_api.Message]:
        """What nobody asked for, oldest first."""
        answers = {card.title for _, card in self.house.service.said if card is not None}
        return [m for m in self.telegram_api.inbox(chat) if _title(m.text) not in answers]

    def titles(self, chat: int = ANN) -> list[str]:
        return [_title(m.text) for m in self.alerts(chat)]

    def channel(self) -> list[str]:
        """What was told in the channel on Discord: first lines."""
        return [_title(text) for text in self.discord_api.texts()]

    async def delivered(self, *, but: str = "console:main") -> None:
        """Everything that is due has gone."""
        async with asyncio.timeout(10):
            while await self._bundles_due() or set(await self.house.outbox.depth()) - {but}:  # noqa: ASYNC110 - a database
                await asyncio.sleep(0.002)

    async def tick(self) -> None:
        """What is done every second or two, and what comes of it."""
        await self.delivery.tick()
        await self.delivered()

    async def _bundles_due(self) -> bool:
        now, wishes, owner = self.house.wall.now(), self.house.wishes, self.house.routing.owner_of
        return any(
            now >= (wishes.digest_at(owner(b.destination), b.oldest) if b.bundle == "digest" else b.due_at)
            for b in await self.house.outbox.held()
        )


def _title(text: str) -> str:
    return text.partition("\n")[0]


def about(house: House) -> Callable[[str], RenderContext]:
    def dressed(destination: str) -> RenderContext:
        return RenderContext(market="a test", zone=house.wishes.zone(house.routing.owner_of(destination)))

    return dressed


def tools(house: House) -> Tools:
    return house.service.surface._tools


def a_delivery(house: House, chats: Chats, **others: Any) -> Delivery:
    """As bot.bootstrap wires it; its pauses are short."""
    figures, records = tools(house).figures, house.queries
    usual: dict[str, Any] = {
        "outbox": house.outbox,
        "chats": chats.by_platform(),
        "about": about(house),
        "wishes": house.wishes,
        "owner": house.routing.owner_of,
        "illustrate": Illustrator(records, figures, house.desk),
        "wall": house.wall,
        "first_pause": timedelta(milliseconds=20),
        "longest_pause": timedelta(milliseconds=100),
        "grace": timedelta(seconds=0.2),
    }
    delivery = Delivery(**{**usual, **others})
    house.bench.journal.mail[:] = [delivery.hear]
    house.bench.journal.claim = delivery.claims
    return delivery


def a_telegram(house: House, api: TelegramApi, **others: Any) -> Telegram:
    usual: dict[str, Any] = {"limits": FAST, "timing": QUICK}
    return Telegram(
        token=telegram_api.TOKEN, service=house.service, clock=house.wall, url=api.url, **{**usual, **others}
    )


def a_discord(house: House, api: DiscordApi, **others: Any) -> Discord:
    usual: dict[str, Any] = {"commands": COMMANDS, "clock": house.wall, "channel": DESK}
    return discord_stage.a_discord(api, house.service, **{**usual, **others})  # type: ignore[arg-type]


@asynccontextmanager
async def phones(
    house: House,
    *,
    discord: bool = False,
    flood: Flood = _UNPACED,
    down: bool = False,
    telegram: Mapping[str, Any] = NOTHING,
    on: Phones | None = None,
    **delivery: Any,
) -> AsyncIterator[Phones]:
    """Telegram, and Discord where it is wanted, up and listening.

    `down`: Telegram cannot be reached. `telegram`, `delivery`: what is to be otherwise there. `on`: the platforms of
    others, which stay as they are: the next process.
    """
    async with AsyncExitStack() as opened:
        made = Phones(house, TelegramApi(flood=flood), DiscordApi(), Chats())
        if on is not None:
            made.telegram_api, made.discord_api = on.telegram_api, on.discord_api
        else:
            made.telegram_api.down = down
            await opened.enter_async_context(made.telegram_api)
            if discord:
                await opened.enter_async_context(made.discord_api)
        _move_in(made, discord=discord, telegram=telegram)
        opened.push_async_callback(made.die)
        made.delivery = a_delivery(house, made.chats, **delivery)
        made.jobs = [asyncio.create_task(made.delivery.run())]
        made.jobs += [asyncio.create_task(chat.run()) for chat in made.chats.running]
        await until(lambda: down or made.telegram_api.polling, "Telegram")
        await until(lambda: not discord or made.discord.state.state is Armed.ARMED, "Discord")
        await until(lambda: not discord or made.discord_api.commands, "the commands on Discord")
        yield made


def _move_in(made: Phones, *, discord: bool, telegram: Mapping[str, Any]) -> None:
    """As bot.bootstrap wires it."""
    house = made.house
    house.service = Recorder(Surface(tools(house), trouble=made.chats.distrust))
    house.routing.remove("console:main")
    for name, id in IDS.items():
        made.telegram_api.person(int(id), name.capitalize())
        made.discord_api.person(int(id), name.capitalize())
    tell = teller(house.bench.desk)
    made.chats.running.append(a_telegram(house, made.telegram_api, on_trouble=tell("telegram"), **telegram))
    if discord:
        house.routing.add(CHANNEL)
        made.chats.running.append(a_discord(house, made.discord_api, on_trouble=tell("discord")))
