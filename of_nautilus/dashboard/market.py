"""One instrument's market in memory: what a source tells and the server reads. Bounded, and pure."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import numpy as np

from of_nautilus.core.footprint import BarKind
from of_nautilus.core.large_trades import new_size_quantile, step_size_quantile
from of_nautilus.core.record import Ints
from of_nautilus.core.ticks import MarketScale
from of_nautilus.dashboard.bars import BarBook
from of_nautilus.dashboard.story import Stories
from of_nautilus.data import LIVE, FeedStatus, FootprintBar, PatternSignal, SessionRoll
from of_nautilus.engine.config import BarType, FlowConfig

PRINTS, BOOKS, SESSIONS = 5_000, 300, 30
BOOK_EVERY = 500_000_000  # ns between the books that are kept
LARGE, LARGE_OF = 0.99, 1_000  # a print is large above this quantile of so many before it


@dataclass(frozen=True)
class Facts:
    """What is fixed about an instrument, and about the bars that its flow is read in.

    `tick` and `lot` are exact; `bar_length` is that of a TIME bar, ns, and 1 for other kinds.
    """

    symbol: str
    tick: Decimal
    lot: Decimal
    price_digits: int
    size_digits: int
    currency: str
    bar_kind: BarKind = BarKind.TIME
    bar_length: int = 60_000_000_000
    row_ticks: int = 1
    cvd_reset: str = "session"

    @classmethod
    def of(cls, instrument: Any, flow: FlowConfig) -> "Facts":
        """Return the facts of a Nautilus instrument whose flow is read as `flow` says."""
        scale = MarketScale(
            instrument.price_increment.as_decimal(), instrument.size_increment.as_decimal()
        )
        return cls(
            symbol=str(instrument.id),
            tick=scale.tick,
            lot=scale.lot,
            price_digits=int(instrument.price_precision),
            size_digits=int(instrument.size_precision),
            currency=str(instrument.quote_currency),
            bar_kind=BarKind[flow.bar.name],
            # What closes another kind of bar is the engine's business: here it is only told of.
            bar_length=round(flow.bar_size * 1e9) if flow.bar is BarType.TIME else 1,
            row_ticks=flow.ticks_per_row,
            cvd_reset=str(flow.cvd_reset),
        )

    def price(self, ticks: float) -> float:
        """Return the price of a tick."""
        return round(ticks * float(self.tick), self.price_digits)

    def between(self, ticks: float) -> float:
        """Return a price that may lie between ticks: one more digit."""
        return round(ticks * float(self.tick), self.price_digits + 1)

    def size(self, lots: int) -> float:
        """Return the size of so many lots."""
        return round(lots * float(self.lot), self.size_digits)


class Print(NamedTuple):
    """A trade of the market: ns UTC, ticks, lots, +1, -1 or 0."""

    ts: int
    price: int
    size: int
    side: int
    trade_id: str
    large: bool


class BookPicture(NamedTuple):
    """The best levels of a book: rows of ticks and lots, best first."""

    ts: int
    bids: Ints
    asks: Ints


@dataclass
class Session:
    """A session of the market, in ns UTC; `rows` is the height that suits its profile, ticks."""

    start: int
    end: int
    rows: int
    complete: bool = True


class Market:
    """What is known of one instrument; a source tells it, the server reads it."""

    def __init__(self, about: Facts) -> None:
        self.about = about
        self.reset()

    def reset(self) -> None:
        """Forget everything, as before the first trade."""
        about = self.about
        self.bars = BarBook(about.bar_kind, about.bar_length, about.row_ticks, about.cvd_reset)
        self.stories = Stories(about)
        self.prints: deque[Print] = deque(maxlen=PRINTS)
        self.books: deque[BookPicture] = deque(maxlen=BOOKS)
        self.newest_book: BookPicture | None = None
        self.sessions: deque[Session] = deque(maxlen=SESSIONS)
        self.trade_count = self.book_count = self.signal_count = 0
        self.missed = 0  # what a source could not tell, because it was late
        self.last_ts = 0
        self.lag_ns: int | None = None
        self.feed = FeedStatus(state=LIVE)
        self.facts: list[dict[str, Any]] = []  # of the microstructure, as `/api/microstructure`
        self._large = new_size_quantile(LARGE, LARGE_OF)

    def trade(self, ts_ns: int, price: int, size: int, side: int, trade_id: str) -> None:
        """Take a trade: ns UTC, ticks, lots, +1 / -1 / 0."""
        self.past_trade(ts_ns, price, size, side, trade_id)
        if size > 0:
            self.bars.trade((ts_ns + 500) // 1000 * 1000, price, size, side)

    def past_trade(self, ts_ns: int, price: int, size: int, side: int, trade_id: str) -> None:
        """Take a trade of a bar that has been told of already."""
        above = step_size_quantile(*self._large, size)
        self.prints.append(Print(ts_ns, price, size, side, trade_id, bool(size > above)))
        self.trade_count += 1
        self.last_ts = max(self.last_ts, ts_ns)

    def book(self, ts_ns: int, bids: Ints, asks: Ints) -> None:
        """Take a picture of the book: int64 rows of ticks and lots, best first."""
        self.newest_book = picture = BookPicture(ts_ns, bids, asks)
        self.book_count += 1
        self.last_ts = max(self.last_ts, ts_ns)
        if not self.books or ts_ns - self.books[-1].ts >= BOOK_EVERY:
            self.books.append(picture)

    def event(self, data: Any) -> None:
        """Take something that flow, strategies or guards of the feed have published."""
        if isinstance(data, FootprintBar):
            self.bars.close(data.bar())
            self.stories.r1 = data.r1
        elif isinstance(data, SessionRoll):
            self._roll(data)
        elif isinstance(data, FeedStatus):
            self.feed = data
        else:
            self.signal_count += isinstance(data, PatternSignal)
            self.stories.hear(data)

    def _roll(self, roll: SessionRoll) -> None:
        rows = roll.ticks_per_row if roll.finished_end else self._usual_rows()
        if self.sessions and roll.finished_end:
            finished = self.sessions[-1]
            finished.end, finished.complete, finished.rows = roll.finished_end, roll.complete, rows
        self.sessions.append(Session(roll.start, roll.end, rows))
        self.stories.has_frame |= bool(roll.finished_end)
        self.bars.roll()

    def _usual_rows(self) -> int:
        return self.sessions[-1].rows if self.sessions else 10 * self.about.row_ticks

    @property
    def last(self) -> int | None:
        """The newest price, ticks."""
        if self.prints:
            return self.prints[-1].price
        return self.bars.closed[-1].close if self.bars.closed else None

    @property
    def large_size(self) -> float | None:
        """Above this a print is large, lots; None before there are enough."""
        value = float(self._large[0][0].value)
        return value if np.isfinite(value) else None


class Markets(Mapping[str, Market]):
    """All instruments that a server shows, by their symbol.

    `epoch` changes when a source begins anew, as after a seek: what was told before is void.
    """

    def __init__(self, abouts: "list[Facts]") -> None:
        self._markets = {about.symbol: Market(about) for about in abouts}
        self.epoch = 0

    def __getitem__(self, symbol: str) -> Market:
        return self._markets[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._markets)

    def __len__(self) -> int:
        return len(self._markets)

    @property
    def now(self) -> int:
        """The time of the newest data of any market, ns UTC."""
        return max((market.last_ts for market in self._markets.values()), default=0)

    def add(self, about: Facts) -> Market:
        """Return the market of an instrument, which is made if it is not known."""
        if about.symbol not in self._markets:
            self._markets[about.symbol] = Market(about)
        return self._markets[about.symbol]


class Source(Protocol):
    """Where markets come from. `kind` is "live", "replay" or "demo"; `commands`: it takes them."""

    kind: str
    name: str
    commands: bool

    async def run(self, markets: Markets) -> None:
        """Tell `markets` what happens, until cancelled."""

    async def command(self, action: str, symbol: str) -> None:
        """Pause, resume or flatten an instrument, or all ("*"). Raises ValueError if it cannot."""
