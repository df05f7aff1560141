"""Who reads the bytes of which provider, live and in a replay alike."""

from trading.llm.gemini_heard import hear_gemini
from trading.llm.openai_heard import hear_openai
from trading.llm.provider import Hear

HEAR: dict[str, Hear] = {"gemini": hear_gemini, "openrouter": hear_openai, "own": hear_openai}
