"""The desk as the surface sees it: with its chats, its shadow desks and its views."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.shadows import Shadows
from trading.desk import Desk
from trading.events import Event
from trading.market.series import Series
from trading.messages import AddShadow, Command, RemoveShadow
from trading.model import Symbol
from trading.playbook import Playbook
from trading.settings import Alter
from trading.status import Capability, DeskStatus, ExposureView, MarketView, RegimeLine, SettingLine, ShadowDeskView
from trading.viewing import Viewing


class Front:
    def __init__(
        self, desk: Desk, *, chats: Callable[[], tuple[Capability, ...]], shadows: Shadows, viewing: Viewing
    ) -> None:
        self._desk = desk
        self._chats = chats
        self._shadows = shadows
        self._viewing = viewing

    @property
    def mode(self) -> str:
        """ "PAPER" or "LIVE": whose money it is."""
        return self._desk.mode

    @property
    def playbook(self) -> Playbook:
        return self._desk.playbook

    def status(self) -> DeskStatus:
        status = self._desk.status()
        return replace(status, capabilities=(*status.capabilities, *self._chats()))

    def now(self) -> datetime:
        return self._desk.now()

    def market(self, symbol: Symbol) -> MarketView:
        return self._viewing.of_market(symbol)

    def candles(self, symbol: Symbol, bars: int) -> Series:
        return self._viewing.of_candles(symbol, bars)

    def settings(self) -> tuple[SettingLine, ...]:
        return self._desk.settings()

    def regimes(self) -> tuple[RegimeLine, ...]:
        return self._viewing.of_regimes()

    def exposure(self) -> ExposureView:
        return self._viewing.of_exposure()

    async def shadows(self) -> tuple[ShadowDeskView, ...]:
        return await self._shadows.views()

    def changes(self, command: Alter) -> tuple[tuple[str, str, str], ...]:
        return self._desk.changes(command)

    async def obey(self, command: Command) -> str:
        if isinstance(command, AddShadow | RemoveShadow):
            return await self._shadows.obey(command)
        return await self._desk.obey(command)

    async def tell(self, *events: Event) -> None:
        await self._desk.tell(*events)
