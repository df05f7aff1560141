"""Too much of one thing: asset, correlated group, sector, one side. Equity 10,000 at 10x: a budget of 100,000."""

from dataclasses import dataclass, field
from decimal import Decimal

from tests.borders.row import Family, Row
from trading.exit_plan import Rebalance
from trading.market.correlation import Correlations, Rho
from trading.model import Direction, Symbol
from trading.policies import RebalancePolicy
from trading.risk.portfolio import Exposure, Portfolio, Rule, asset_share, group_share, one_sided, sector_share
from trading.risk_policies import PortfolioLimits

D = Decimal
POLICY = PortfolioLimits()
ONE_SIDE = RebalancePolicy()
LEVERAGE_CAP = 10
EQUITY = D(10000)


def long(base: str, notional: int | str) -> Exposure:
    return Exposure(symbol=Symbol(f"{base}/USDT:USDT"), base=base, direction=Direction.LONG, notional=D(notional))


def short(base: str, notional: int | str) -> Exposure:
    return Exposure(symbol=Symbol(f"{base}/USDT:USDT"), base=base, direction=Direction.SHORT, notional=D(notional))


@dataclass(frozen=True)
class Entry:
    new: Exposure
    held: tuple[Exposure, ...] = ()
    policy: PortfolioLimits = POLICY
    rho: dict[str, str] = field(default_factory=dict)  # measured, by "BTC-SOL"
    equity: Decimal = EQUITY

    def portfolio(self) -> Portfolio:
        pairs = {}
        for names, rho in self.rho.items():
            a, b = names.split("-")
            pairs[a, b] = pairs[b, a] = Rho(value=D(rho), measured=True, returns=720)
        return Portfolio(
            equity=self.equity,
            exposures=self.held,
            leverage_cap=LEVERAGE_CAP,
            correlations=Correlations(policy=self.policy, pairs=pairs),
            policy=self.policy,
            rebalance=Rebalance(
                net=ONE_SIDE.net, positions=ONE_SIDE.positions, budget=self.policy.budget * LEVERAGE_CAP
            ),
        )


def is_denied(of: Rule, entry: Entry) -> bool:
    answer = of(entry.portfolio(), entry.new)
    assert answer is not None
    return not answer.passed


def cent(rule: Rule, border: str, base: str, most: int, *held: Exposure, setting: str = "") -> Row:
    """A long of this much just passes, one cent more does not."""
    over = D(most) + D("0.01")
    return Row(rule, border, Entry(long(base, str(over)), held), Entry(long(base, most), held), setting)


HALF = PortfolioLimits(budget=D("0.5"))
ALIKE = {"BTC-SOL": "0.7"}
LESS_ALIKE = {"BTC-SOL": "0.699999"}
NEAR = PortfolioLimits(otherwise=D("0.7"))
NOT_NEAR = PortfolioLimits(otherwise=D("0.699999"))
MOVED = PortfolioLimits(static={"SOL-LTC": D("0.7")})
TWO = (long("BTC", 30000), long("DOGE", 10000))

LIMITS = (
    cent(asset_share, "40 % of the budget", "BTC", 40000, setting="portfolio.asset"),
    cent(asset_share, "with what is open", "BTC", 10000, long("BTC", 30000)),
    cent(asset_share, "gross: a short does not offset", "BTC", 10000, short("BTC", 30000)),
    Row(asset_share, "of half the budget", Entry(long("BTC", "20000.01"), policy=HALF),
        Entry(long("BTC", 20000), policy=HALF), "portfolio.budget"),
    cent(group_share, "60 % of the budget", "ETH", 20000, long("BTC", 40000), setting="portfolio.group"),
    cent(group_share, "net: a short offsets", "ETH", 80000, short("BTC", 20000)),
    Row(group_share, "alike from rho 0.7", Entry(long("SOL", 30000), (long("BTC", 40000),), rho=ALIKE),
        Entry(long("SOL", 30000), (long("BTC", 40000),), rho=LESS_ALIKE), "portfolio.correlated"),
    Row(group_share, "by the table where nothing is measured", Entry(long("SOL", 30000), (long("LTC", 40000),), MOVED),
        Entry(long("SOL", 30000), (long("LTC", 40000),)), "portfolio.static"),
    Row(group_share, "pairs that no table names", Entry(long("SOL", 30000), (long("BTC", 40000),), NEAR),
        Entry(long("SOL", 30000), (long("BTC", 40000),), NOT_NEAR), "portfolio.otherwise"),
    cent(sector_share, "50 % of the budget", "ETH", 25000, long("BTC", 25000), setting="portfolio.sector"),
    cent(sector_share, "gross: a short does not offset", "ETH", 25000, short("BTC", 25000)),
    cent(sector_share, "unlisted assets are one sector", "WIF", 25000, long("PEPE", 25000)),
    Row(sector_share, "of the same sector", Entry(long("ADA", 20000), (long("SOL", 40000),)),
        Entry(long("LTC", 20000), (long("SOL", 40000),)), "portfolio.sectors"),
    cent(one_sided, "50 % net", "SOL", 10000, *TWO, setting="exits.rebalance.net"),
    cent(one_sided, "net: a short offsets", "SOL", 30000, long("BTC", 40000), short("ETH", 20000)),
    Row(one_sided, "with 3 positions", Entry(long("SOL", 20000), TWO), Entry(long("SOL", 30000), TWO[:1]),
        "exits.rebalance.positions"),
    *(
        Row(rule, "without equity there is no budget", Entry(long("BTC", "0.01"), equity=D(0)),
            Entry(long("BTC", "0.01"), equity=D("0.01")))
        for rule in (asset_share, group_share, sector_share, one_sided)
    ),
)  # fmt: skip

FAMILIES = (Family("portfolio", is_denied, LIMITS),)
