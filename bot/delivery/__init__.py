"""Outbox -> chats: in order, at each chat's pace, nothing lost or told twice."""

from bot.delivery.line import DestinationHealth
from bot.delivery.post import Delivery
from bot.render.digest import REPEAT

__all__ = ["REPEAT", "Delivery", "DestinationHealth"]
