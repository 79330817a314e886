"""The engine: one instrument's market goes in, closed bars, signals and profiles come out.

The engine is pure. It knows no clock but the time of its events, does no I/O, and holds its state
in flat records. Three things drive it, with bit-identical results: an Actor, one event at a time; a
scan over arrays; a test.
"""

from of_nautilus.engine.config import BarType, BookConfig, CvdResets, FlowConfig, VpinConfig
from of_nautilus.engine.events import BarClosed, Event, SessionClosed, SessionStarted
from of_nautilus.engine.flow import FlowEngine, signals_of

__all__ = [
    "BarClosed",
    "BarType",
    "BookConfig",
    "CvdResets",
    "Event",
    "FlowConfig",
    "FlowEngine",
    "SessionClosed",
    "SessionStarted",
    "VpinConfig",
    "signals_of",
]
