"""What every detector returns: one signal, with every number that made it fire."""

import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Pattern(StrEnum):
    """The patterns and the confirmations a bar gives."""

    ABSORPTION = "absorption"
    INITIATIVE = "initiative"
    SWEEP = "sweep"
    EXHAUSTION = "exhaustion"
    DIVERGENCE = "divergence"
    STACKED_IMBALANCE = "stacked_imbalance"
    UNFINISHED_AUCTION = "unfinished_auction"
    IMBALANCE_STREAK = "imbalance_streak"


@dataclass(frozen=True, slots=True)
class Signal:
    """A pattern seen in the flow.

    Attributes
    ----------
    ts : int
        Event time, ns UTC: the bar's close, or the print or timer that completed the pattern.
    pattern : Pattern
        What was seen.
    side : int
        The side it suggests to trade: +1 buy, -1 sell.
    price : int
        Where, in ticks.
    strength : float
        0 to 100.
    reasons : dict
        Every number that made it fire, by name; lots, ticks or pure numbers.
    """

    ts: int
    pattern: Pattern
    side: int
    price: int
    strength: float
    reasons: dict[str, float]


def signals_digest(signals: Iterable[Signal]) -> str:
    """Return the SHA-256 over the signals in order: equal exactly if all of them are equal."""
    sha = hashlib.sha256()
    for signal in signals:
        sha.update(signal.pattern.encode())
        sha.update(struct.pack("<qqqd", signal.ts, signal.side, signal.price, signal.strength))
        sha.update(json.dumps(signal.reasons, sort_keys=True).encode())
    return sha.hexdigest()
