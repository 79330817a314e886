"""The state of a live node: kept in one file as it changes, and taken up at the next start.

The file is written to a temporary one beside it that then takes its name, both flushed to the disk:
after a crash it holds one whole state, the last or the one before. It is encoded in the event loop,
where nothing else changes meanwhile, and written by a thread of its own, so a slow disk delays no
order. Of several changes in one turn of the loop, and of those during a write, the last is written.
What is open is safe before it is written: an order's id says what it is for, and the venue has it.

Where the host's cache has a database (Redis), each state goes there too; the later of the two is
taken up, so that a node whose disk is gone can go on elsewhere.
"""

import asyncio
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from nautilus_trader.common.actor import Actor
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.identifiers import InstrumentId

from of_nautilus.data import PAUSE, ExecutionTrouble, FootprintBar, OperatorCommand, data_type
from of_nautilus.errors import UserError
from of_nautilus.live.config import StateKeeperConfig

_FORMAT = 1
_SOURCE = "state"
_DATABASE_KEY = "of_nautilus.state"
# What is published by those whose state it is, whenever it changes.
_TOPICS = (
    "events.order.*",
    "events.position.*",
    "data.FootprintBar*",
    "data.SessionRoll*",
    "data.PatternSignal*",
    "data.EntryDecision*",
    "data.TradeTransition*",
    "data.LevelEvent*",
    "data.ClosedTrade*",
    "data.JournalNote*",
    "data.ExecutionTrouble*",
    "data.OperatorCommand*",
)


class SavedState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a state file holds: by component id, what each returned from `on_save`."""

    format: int
    ts: int
    trader_id: str
    components: dict[str, dict[str, bytes]]


def read_state(path: Path) -> SavedState | None:
    """Return what a state file holds, None if there is none.

    Raises
    ------
    UserError
        If it cannot be read: a trade may be open whose plan it holds, so it is not passed over.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{error.strerror}", path) from None
    return decode_state(raw, path)


def decode_state(raw: bytes, source: str | Path) -> SavedState:
    """Return an encoded state; `source` says in errors where it is from.

    Raises
    ------
    UserError
        If it is not whole, or of another format.
    """
    try:
        state = msgspec.msgpack.decode(raw, type=SavedState)
    except msgspec.DecodeError as error:
        raise UserError(f"no whole state ({error})", source, todo="move it away to start") from None
    if state.format != _FORMAT:
        raise UserError(f"of format {state.format}, not {_FORMAT}", source, todo="move it away")
    return state


def write_state(path: Path, state: SavedState) -> None:
    """Write a state so that a crash at any moment leaves it or the one before.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written to; the file is as it was.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(msgspec.msgpack.encode(state))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class StateKeeper(Actor):
    """Keeps the state of a node's components in a file.

    A state that cannot be written is told once as `ExecutionTrouble`, and entries are paused: a
    trade whose plan is not kept is not begun. What is open stays protected and managed.
    """

    def __init__(self, config: StateKeeperConfig) -> None:
        super().__init__(config)
        self.path = Path(config.path)
        self.writes = 0
        self._components: list[Any] = []
        self._flows: list[Any] = []
        self._markets: list[InstrumentId] = []
        self._engines: dict[str, dict[str, bytes]] = {}
        self._bars_closed = True
        self._due = self._failed = False
        self._writer = ThreadPoolExecutor(1, "state")
        self._writing: Future[None] | None = None
        self._waiting: SavedState | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def guard(self, strategies: list[Any], flows: list[Any]) -> None:
        """Take these under guard, before the node runs: each gets back what it had saved."""
        self._components = strategies
        self._flows = flows
        self._markets = [one.config.instrument_id for one in strategies]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        sources = {"file": read_state(self.path), "database": self._in_database()}
        found = {name: state for name, state in sources.items() if state is not None}
        if not found:
            return
        source, saved = max(found.items(), key=lambda one: one[1].ts)
        self.log.info(f"state taken up: from={source}")
        for component in [*strategies, *flows]:
            if (state := saved.components.get(str(component.id))) is not None:
                component.on_load(state)

    def on_start(self) -> None:
        """Listen to everything that tells of a change."""
        self._loop = asyncio.get_running_loop()
        for topic in _TOPICS:
            self.msgbus.subscribe(topic=topic, handler=self._changed)

    def on_stop(self) -> None:
        """Write the last state, and wait for it."""
        for topic in _TOPICS:
            self.msgbus.unsubscribe(topic=topic, handler=self._changed)
        self.save_now()

    def save_now(self) -> None:
        """Write the state and wait until it is on the disk."""
        if self._writing is not None:
            self._writing.exception()
        self._bars_closed = True
        state = self._state()
        self._to_database(state)
        try:
            self._writer.submit(write_state, self.path, state).result()
        except OSError as error:
            self._tell(error)

    def on_dispose(self) -> None:
        """Let the thread go."""
        self._writer.shutdown()

    def _changed(self, message: Any) -> None:
        self._bars_closed |= isinstance(message, FootprintBar)
        if not self._due and self._loop is not None:
            self._due = True
            # After everybody has handled what has just happened.
            self._loop.call_soon(self._save)

    def _save(self) -> None:
        self._due = False
        self._waiting = self._state()
        if self._writing is None:
            self._write()

    def _state(self) -> SavedState:
        if self._bars_closed or not all(flow.warm for flow in self._flows):
            # An engine changes with each trade; what came after its last bar is read again.
            self._engines = {str(flow.id): flow.on_save() for flow in self._flows}
            self._bars_closed = False
        return SavedState(
            format=_FORMAT,
            ts=self.clock.timestamp_ns(),
            trader_id=str(self.trader_id),
            components=self._engines | {str(one.id): one.on_save() for one in self._components},
        )

    def _write(self) -> None:
        assert self._loop is not None
        loop, state = self._loop, self._waiting
        assert state is not None
        self._waiting = None
        self._to_database(state)
        self._writing = self._writer.submit(write_state, self.path, state)
        self._writing.add_done_callback(lambda done: loop.call_soon_threadsafe(self._wrote, done))

    def _in_database(self) -> SavedState | None:
        raw = self.cache.get(_DATABASE_KEY) if self.cache.has_backing else None
        return None if raw is None else decode_state(raw, "the cache's database")

    def _to_database(self, state: SavedState) -> None:
        """Hand a state to the host's thread that writes to the database, if there is one."""
        if self.cache.has_backing:
            self.cache.add(_DATABASE_KEY, msgspec.msgpack.encode(state))

    def _wrote(self, done: "Future[None]") -> None:
        self._writing = None
        error = done.exception()
        if error is None:
            self.writes += 1
            self._failed = False
        else:
            self._tell(error)
        if self._waiting is not None:
            self._write()

    def _tell(self, error: BaseException) -> None:
        if self._failed:
            return
        self._failed = True
        reason = getattr(error, "strerror", None) or repr(error)
        self.log.error(f"state not saved: path={self.path} reason={reason}")
        if not self.is_running:
            return
        now = self.clock.timestamp_ns()
        for instrument_id in self._markets:
            position, protected = self._exposure(instrument_id)
            trouble = ExecutionTrouble(
                ts_event=now,
                ts_init=now,
                instrument_id=instrument_id,
                kind="state_not_saved",
                text=f"{self.path}: {reason}",
                position=position,
                protected=protected,
            )
            self.publish_data(data_type(ExecutionTrouble, instrument_id), trouble)
            pause = OperatorCommand(
                ts_event=now,
                ts_init=now,
                instrument_id=instrument_id,
                action=PAUSE,
                source=_SOURCE,
            )
            self.publish_data(data_type(OperatorCommand, instrument_id), pause)

    def _exposure(self, instrument_id: InstrumentId) -> tuple[int, bool]:
        """Return the position, signed lots, and whether it is flat or a stop of its size rests."""
        positions = self.cache.positions_open(instrument_id=instrument_id)
        held = sum((position.signed_decimal_qty() for position in positions), Decimal(0))
        orders = self.cache.orders_open(instrument_id=instrument_id)
        stops = sum(
            (o.leaves_qty.as_decimal() for o in orders if o.order_type == OrderType.STOP_MARKET),
            Decimal(0),
        )
        lot = self.cache.instrument(instrument_id).size_increment.as_decimal()
        return int(held / lot), stops >= abs(held)
