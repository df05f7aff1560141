"""All wording of the surface: an event or a view becomes a Card. Pure."""

from bot.render.alerts import render_event
from bot.render.figures import performance_json, render_summary
from bot.render.words import RenderContext, card, dressed

__all__ = ["RenderContext", "card", "dressed", "performance_json", "render_event", "render_summary"]
