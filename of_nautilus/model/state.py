"""What the computer of features remembers of an instrument, beside its book."""

from typing import NamedTuple

from of_nautilus.core.book_measures import READING
from of_nautilus.core.footprint import BAR
from of_nautilus.core.impact import AMIHUD, KYLE
from of_nautilus.core.large_trades import SIZE_QUANTILE
from of_nautilus.core.microprice import MICRO, STATES
from of_nautilus.core.profile import PROFILE
from of_nautilus.core.record import FLOAT, INT, Ints, State, record
from of_nautilus.core.vpin import VPIN
from of_nautilus.core.vwap import VWAP
from of_nautilus.core.windows import WINDOW_SUMS, WINDOWS
from of_nautilus.model.seconds import SECONDS

LARGE_WINDOW, KYLE_POINTS, AMIHUD_BARS, STACK_BARS = 1000, 30, 5, 5

FEATURES = record(
    ("tick", FLOAT),
    ("lot", FLOAT),
    ("sample", INT),
    ("now", INT),  # time of the last event, never falling
    ("next_grid", INT),
    ("next_due", INT),
    ("written", INT),
    ("holding", INT),  # 1 while a snapshot is held back, 2 while it is taken
    ("session_start", INT),
    ("session_end", INT),
    ("cvd", INT),
    ("parent_ts", INT),
    ("parent_side", INT),
    ("parent_lots", INT),
    ("parent_price", INT),
    ("large_lots", INT),  # sum of the last LARGE_WINDOW market orders
    ("big_ts", INT),  # the last one of more than twice their mean
    ("on_vpin", INT),
    ("bars_closed", INT),
    ("poc", FLOAT),
    ("vah", FLOAT),
    ("val", FLOAT),
    ("bias", FLOAT),
    ("imbalances", FLOAT),
    ("divergence", FLOAT),
    ("reading", READING),
    ("sums", WINDOW_SUMS),
    ("seconds", SECONDS),
    ("bar", BAR),
    ("vwap", VWAP),
    ("profile", PROFILE),
    ("tape", WINDOWS),
    ("parents", WINDOWS),
    ("large", SIZE_QUANTILE),
    ("vpin", VPIN),
    ("kyle", KYLE),
    ("amihud", AMIHUD),
    ("micro", MICRO),
    ("stacked", INT, (STACK_BARS,)),
    ("large_ring", INT, (2, LARGE_WINDOW)),
    ("large_top", INT, (2, LARGE_WINDOW + 1)),
    ("kyle_ring", FLOAT, (4, KYLE_POINTS)),
    ("amihud_ring", FLOAT, (AMIHUD_BARS,)),
    ("micro_table", FLOAT, (STATES,)),
    ("norms", FLOAT, (64,)),
    ("norm_ts", INT, (64,)),
    ("cvds", INT, (512,)),
    ("cvd_ts", INT, (512,)),
)


class TradeArrays(NamedTuple):
    """What trades fill beside the record, as one argument of the compiled code."""

    tape: State
    tape_tails: State
    parents: State
    parent_tails: State
    hist: Ints
    cells: State
    buckets: Ints
