"""The table of faults: what was broken, what a live node does, and the test that breaks it."""

import importlib
from pathlib import Path
from typing import NamedTuple

import pytest


class Row(NamedTuple):
    """A fault. `ends`: what is left at the venue; `test`: module and function."""

    broken: str
    does: str
    ends: str
    test: str


LIVE = "test_live_faults"
NODE = "test_venue_node_faults"
TABLE = [
    Row(
        "entry refused by the venue",
        "told, next signal may enter",
        "flat",
        LIVE + ".test_entry_refused",
    ),
    Row(
        "entry lost on its way",
        "asks for it, gives it up; nothing is entered until then",
        "flat",
        LIVE + ".test_entry_lost_on_its_way",
    ),
    Row(
        "entry's answer and acceptance lost",
        "the fill tells; stop and target are placed",
        "protected",
        LIVE + ".test_entry_without_an_answer",
    ),
    Row(
        "entry reaches the venue seconds late",
        "asks for it, protects or closes what fills",
        "protected or flat",
        LIVE + ".test_entry_that_comes_late",
    ),
    Row(
        "entry half filled, then the private stream is lost and the rest fills unheard",
        "learns of the rest, stop grows to the whole",
        "protected",
        LIVE + ".test_half_an_entry_then_the_private_stream_is_gone",
    ),
    Row(
        "a fill is never told",
        "learns of it by asking, places the stop",
        "protected",
        LIVE + ".test_fill_that_is_never_told",
    ),
    Row("a fill is told twice", "counted once", "protected", LIVE + ".test_fill_told_twice"),
    Row("stop refused", "closes at market", "flat", LIVE + ".test_stop_refused"),
    Row(
        "stop lost on its way",
        "asks for it, then closes at market",
        "flat",
        LIVE + ".test_stop_lost_on_its_way",
    ),
    Row(
        "stop's answer and acceptance lost",
        "asks for it, goes on",
        "protected",
        LIVE + ".test_stop_without_an_answer",
    ),
    Row(
        "the venue cancels the stop",
        "closes at market",
        "flat",
        LIVE + ".test_stop_canceled_by_the_venue",
    ),
    Row("target refused", "watches the target itself", "protected", LIVE + ".test_target_refused"),
    Row(
        "exit refused",
        "sends it again; the stop stays until then",
        "flat",
        LIVE + ".test_exit_refused",
    ),
    Row(
        "exit lost on its way",
        "asks for it, sends another; the stop stays until then",
        "flat",
        LIVE + ".test_exit_lost_on_its_way",
    ),
    Row(
        "position closed by somebody else",
        "cancels stop and target",
        "flat",
        LIVE + ".test_position_closed_from_outside",
    ),
    Row(
        "position reduced or grown by somebody else",
        "a stop of the new size, then the old one goes",
        "protected",
        LIVE + ".test_position_changed_from_outside",
    ),
    Row(
        "position turned by somebody else",
        "ends its trade, leaves the rest alone, enters nothing beside it, nor until the venue has"
        " been asked again; FLATTEN closes it",
        "flat",
        LIVE + ".test_position_turned_from_outside",
    ),
    Row(
        "position opened by hand while flat",
        "told, nothing is entered beside it; FLATTEN closes it",
        "flat",
        LIVE + ".test_position_opened_from_outside",
    ),
    Row(
        "private stream lost in a trade",
        "connects again; the stop rests",
        "protected",
        LIVE + ".test_private_stream_lost_in_a_trade",
    ),
    Row(
        "stop fills while the private stream is lost",
        "learns of it, cancels the target",
        "flat",
        LIVE + ".test_stop_filled_while_the_private_stream_is_lost",
    ),
    Row(
        "too many requests (429) while closing",
        "sends the exit again",
        "flat",
        LIVE + ".test_too_many_requests_while_closing",
    ),
    Row(
        "the venue refuses every query of the position",
        "takes it for no answer, not for a flat account",
        "protected",
        LIVE + ".test_queries_of_the_position_refused",
    ),
    Row(
        "the venue refuses every list of open orders",
        "takes it for no answer, not for orders that are gone",
        "protected",
        LIVE + ".test_lists_of_open_orders_refused",
    ),
    Row(
        "answers take seconds",
        "waits, then protects or closes",
        "protected or flat",
        LIVE + ".test_answers_that_take_seconds",
    ),
    Row(
        "the venue's clock is a minute ahead: signed requests refused",
        "the stop rests, state agrees afterwards",
        "protected",
        LIVE + ".test_venue_whose_clock_is_ahead",
    ),
    Row(
        "market streams lost in a trade",
        "feed suspended, book rebuilt, the stop rests",
        "protected",
        LIVE + ".test_market_streams_lost_in_a_trade",
    ),
    Row(
        "trades lost",
        "feed suspended, signals refused meanwhile",
        "flat",
        LIVE + ".test_trades_lost",
    ),
    Row("a trade comes twice", "feed suspended", "flat", LIVE + ".test_trade_that_comes_twice"),
    Row(
        "a falsified book: bid above ask",
        "feed suspended, the book asked for anew",
        "protected",
        LIVE + ".test_book_that_is_crossed",
    ),
    Row(
        "a change of the book is lost",
        "noticed by number (Binance) or by the crossed book (Bybit), and rebuilt",
        "protected",
        LIVE + ".test_change_of_the_book_lost",
    ),
    Row(
        "streams lost, and the book's new snapshot refused",
        "asks until it gets one",
        "flat",
        LIVE + ".test_snapshot_of_the_book_refused",
    ),
    Row(
        "feed silent, and meanwhile the venue cancels the stop and refuses the first exit",
        "a timer drives the node: the exit is sent again",
        "flat",
        LIVE + ".test_feed_that_falls_silent_while_the_stop_is_canceled",
    ),
    Row(
        "operator pauses; the stop is then canceled",
        "the open trade is managed on, nothing is entered",
        "flat",
        LIVE + ".test_pause_and_resume",
    ),
    Row(
        "Ctrl-C while an entry is on its way",
        "stops only when it has filled and its stop rests",
        "protected",
        LIVE + ".test_stopped_while_an_entry_is_on_its_way",
    ),
    Row(
        "`kill -9` at ten random moments of a trade",
        "takes up state, orders and position at the next start",
        "protected or flat",
        LIVE + ".test_kill_at_ten_moments_of_a_trade",
    ),
    Row(
        "killed in a trade, and its stop fills before the next start",
        "books the trade as it ended, cancels the target",
        "flat",
        LIVE + ".test_stop_that_fills_while_the_node_is_down",
    ),
    Row(
        "`kill -9` in a trade with Redis, and the state file is gone",
        "takes up the state from Redis, orders and position too, none of them twice",
        "protected",
        LIVE + ".test_kill_with_a_database_and_the_state_file_lost",
    ),
    Row(
        "Redis is gone in a trade; then the venue cancels the stop",
        "trades on: closes at market, and enters again",
        "flat",
        LIVE + ".test_database_lost_in_a_trade",
    ),
    Row(
        "kicked sockets (adapters alone)",
        "trades go on, the book is whole again",
        "-",
        NODE + ".test_kicked_market_sockets_come_back_and_the_book_is_rebuilt",
    ),
    Row(
        "killed in a trade, without a state file",
        "adopts position and stop from the venue",
        "protected",
        LIVE + ".test_killed_in_a_trade_without_a_state",
    ),
]


def readme_rows() -> list[tuple[str, ...]]:
    """The rows of the README's table of faults, without the times."""
    lines = (Path(__file__).parents[1] / "README.md").read_text().splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("| What was broken |"))
    rows = []
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        broken, does, ends, _, test = (cell.strip() for cell in line.strip("|").split("|"))
        rows.append((broken, does, ends, test.strip("`")))
    return rows


def test_the_readme_tells_the_same() -> None:
    ours = [(row.broken, row.does, row.ends, row.test.partition(".")[2]) for row in TABLE]
    assert readme_rows() == ours


def test_it_is_long_enough() -> None:
    assert len({row.broken for row in TABLE}) >= 25
    assert len({row.test for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.broken)
def test_each_fault_has_its_test(row: Row) -> None:
    module, _, name = row.test.partition(".")
    test = getattr(importlib.import_module(f"tests.{module}"), name)
    assert callable(test)


def test_each_test_of_a_live_fault_is_in_the_table() -> None:
    names = {name for name in dir(importlib.import_module(f"tests.{LIVE}")) if name[:5] == "test_"}
    assert names == {row.test.removeprefix(f"{LIVE}.") for row in TABLE if LIVE in row.test}
