"""The commands, one function each, for every chat alike. Importing this package fills the catalogue."""

from bot.commands import control, insight, market, phases, playbooks, portfolio, risk, settings, system

__all__ = ["control", "insight", "market", "phases", "playbooks", "portfolio", "risk", "settings", "system"]
