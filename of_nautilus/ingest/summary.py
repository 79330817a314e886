"""What an ingest did, for people and for programs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from of_nautilus.ingest.columns import DeltaColumns, DepthColumns, QuoteColumns, TradeColumns
from of_nautilus.ingest.writer import WriteCounts

Progress = Callable[[int, int], None]
"""Called now and then with the bytes of input read and their total."""


@dataclass(slots=True)
class IngestSummary:
    """Counts of one ingest; times are `ts_init` in nanoseconds UTC, 0 where nothing was written."""

    format: str
    instrument_id: str
    catalog: str
    files: int = 0
    trades: int = 0
    quotes: int = 0
    deltas: int = 0
    depths: int = 0
    depth_messages: int = 0
    """Messages of book changes that went into `deltas`."""
    snapshots: int = 0
    sequence_breaks: int = 0
    """Messages of book changes that do not follow the one before."""
    duplicates: int = 0
    """Trades dropped because they were there already."""
    off_grid: int = 0
    """Prices or sizes that are no multiple of the increment; written as they are."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Records left out, by reason."""
    kept: Counter[str] = field(default_factory=Counter)
    """Records written although they are odd, by what is odd."""
    recorder_delay_ms: float | None = None
    """Median of local receive time less event time, where both are recorded."""
    first: int = 0
    last: int = 0
    seconds: float = 0.0

    def take(self, counts: WriteCounts) -> None:
        """Add what the writer counted, once it has ended."""
        self.trades += counts.rows[TradeColumns.FOLDER]
        self.quotes += counts.rows[QuoteColumns.FOLDER]
        self.deltas += counts.rows[DeltaColumns.FOLDER]
        self.depths += counts.rows[DepthColumns.FOLDER]
        self.duplicates += counts.duplicates
        self.off_grid += counts.off_grid
        for reason, number in (
            ("size not above zero", counts.not_positive),
            ("not later than the catalog's data", counts.already_there),
        ):
            if number:
                self.skipped[reason] += number
        self.first = counts.first or 0
        self.last = counts.last or 0

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        counters = {"skipped": self.skipped, "kept": self.kept}
        return asdict(self) | {name: dict(sorted(c.items())) for name, c in counters.items()}
