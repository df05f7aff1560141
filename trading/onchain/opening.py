"""A chain reader from what the settings say, or one that is off and says why. Nothing here stops a start."""

import asyncio
from pathlib import Path

from trading.errors import BadWallets, BadWhaleModel
from trading.onchain import classifier, wallets
from trading.onchain.etherscan import BASE_URL, Etherscan
from trading.onchain.reader import Off, Reader
from trading.ports import ChainCache, Clock, Ledger


async def opened(
    key: str | None,
    *,
    base_url: str | None = None,
    own_wallets: Path | None = None,
    model: Path | None = None,
    cache: ChainCache,
    ledger: Ledger,
    wall: Clock,
) -> Reader | Off:
    if not key:
        return Off("no key (ETHERSCAN_API_KEY)")
    try:
        known = wallets.load(own_wallets)
        judge = await asyncio.to_thread(classifier.load, model) if model else classifier.Rules()
    except (BadWallets, BadWhaleModel) as fault:
        return Off(str(fault))
    client = Etherscan(key, base_url=base_url or BASE_URL, wall=wall)
    return Reader(client, known, judge, cache, ledger, wall=wall)
