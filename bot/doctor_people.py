"""What the self-check asks of chats and of the models' providers: whether the keys are good, and who may speak."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.chats.rest import DISCORD, TELEGRAM
from bot.doctor_looks import Found, Look, all_of, error, fine, warning
from bot.memory import members_of
from bot.people import VARIABLE
from bot.settings import Settings
from bot.voices import providers_of
from trading.llm.provider import Provider, Unanswered
from trading.ports import Clock
from trading.voice import Lack

WITHIN = 8.0  # seconds for one answer
AGENT = "DiscordBot (https://discord.com, 1)"  # in the form that Discord asks for
TOKENS = {"Telegram": "TELEGRAM_BOT_TOKEN", "Discord": "DISCORD_BOT_TOKEN"}
KEYS = {"gemini": "GEMINI_API_KEY", "openrouter": "OPENROUTER_API_KEY", "own": "GAVEL_MODEL_URL and GAVEL_MODEL_KEY"}


def people_looks(settings: Settings, directory: Path, wall: Clock) -> Look:
    async def look() -> Found:
        there, off = providers_of(settings, wall)
        looks: dict[str, Look] = {
            "Telegram": partial(_telegram, settings, directory, wall),
            "Discord": partial(_discord, settings, directory, wall),
            **{f"models of {name}": partial(_models, name, provider) for name, provider in there.items()},
        }
        silent = tuple(fine(f"models of {name}", f"off: {why}") for name, why in off.items())
        return *await all_of(looks), *silent

    return look


async def _telegram(settings: Settings, directory: Path, wall: Clock) -> Found:
    name = "Telegram"
    if settings.telegram_token is None:
        return (fine(name, "off: no TELEGRAM_BOT_TOKEN"),)
    url = (settings.telegram_base_url or TELEGRAM).rstrip("/")
    asked = f"{url}{'' if url.endswith('/bot') else '/bot'}{_plain(settings.telegram_token)}/getMe"
    here = settings.telegram_base_url is not None

    def bot(answer: Any) -> str:
        return str(answer["result"]["username"])

    said = await _ask(name, asked, {}, bot, here=here)
    return await _with_people(said, name, settings.telegram_users, directory, wall)


async def _discord(settings: Settings, directory: Path, wall: Clock) -> Found:
    name = "Discord"
    if settings.discord_token is None:
        return (fine(name, "off: no DISCORD_BOT_TOKEN"),)
    url = (settings.discord_api_base or DISCORD).rstrip("/")
    headers = {"Authorization": f"Bot {_plain(settings.discord_token)}", "User-Agent": AGENT}
    here = settings.discord_api_base is not None
    said = await _ask(name, f"{url}/users/@me", headers, lambda answer: str(answer["username"]), here=here)
    if settings.discord_guild is None:
        said = (*said, error("server on Discord", "no DISCORD_GUILD_ID", "name the server that the bot stands on"))
    return await _with_people(said, name, settings.discord_users, directory, wall)


async def _ask(name: str, url: str, headers: dict[str, str], bot: Callable[[Any], str], *, here: bool) -> Found:
    """Who we are there. A chat that cannot be reached is no reason for a desk not to start."""
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs URLs, and Telegram's holds the token
    later = "look again; the bot comes back by itself"
    try:
        async with httpx.AsyncClient(timeout=WITHIN, trust_env=not here) as client:
            answer = await client.get(url, headers=headers)
    except httpx.HTTPError as failed:
        return (warning(name, f"could not be reached ({type(failed).__name__})", later),)
    if answer.status_code in (401, 403, 404):
        return (error(name, f"the token is refused ({answer.status_code})", f"check {TOKENS[name]}"),)
    try:
        return (fine(name, f"the token is good, the bot is {bot(answer.json())}"),)
    except (ValueError, KeyError, TypeError):
        return (warning(name, f"answers {answer.status_code}", later),)


async def _with_people(said: Found, name: str, named: tuple[int, ...], directory: Path, wall: Clock) -> Found:
    platform = name.lower()
    if named or await members_of(directory, platform, wall):
        return said
    nobody = error(f"people on {name}", "nobody may use the bot", f"set {VARIABLE[platform]}, see .env.example")
    return (*said, nobody)


async def _models(name: str, provider: Provider) -> Found:
    """A desk goes on without models, so none of this keeps it from starting."""
    line = f"models of {name}"
    try:
        listed = await provider.models()
    except Unanswered as failed:
        wrong = failed.lack is Lack.DENIED
        mend = f"check {KEYS[name]}" if wrong else "look again: personas that ask it abstain until then"
        return (warning(line, failed.reason or str(failed.lack), mend),)
    finally:
        await provider.close()
    return (fine(line, f"{len(listed)} models are listed"),)


def _plain(token: SecretStr) -> str:
    return token.get_secret_value()
