"""Queries of orders, positions and fills whose failure is told.

Where the venue refuses such a query (too many requests, a clock that is off, a server's error), the
host's clients log that and answer with an empty list, or with the orders that they did get. The
engine takes that for a flat account, closes the position in its books, and the stop of a position
that is still there would be canceled; or the stop is taken for gone, and rests on unknown. Its
engine is made for clients that raise: then it leaves everything as it is and asks again.

And where the fills that a venue tells do not add up to the position (it was opened before the time
that is asked for, or changed without a fill), the engine puts one fill in their place, and forgets
the orders that rest: the position's own stop among them.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

type Query = Callable[..., Awaitable[Any]]

_QUERIES = (
    "generate_order_status_reports",
    "generate_position_status_reports",
    "generate_fill_reports",
)
# What the query at hand has met: each runs in a context of its own.
_failed: ContextVar[list[Exception]] = ContextVar("failed")


def keep_working_orders(engine: Any) -> None:
    """Let the execution engine keep what rests, whatever the fills come to.

    Later hosts than 1.231 do so by themselves.
    """
    adjust = getattr(engine, "_adjust_mass_status_fills", None)
    if adjust is None:
        return

    def adjusting(status: Any) -> None:
        resting = {
            name: report
            for name, report in status._order_reports.items()
            if report.is_open and report.filled_qty == 0
        }
        adjust(status)
        status._order_reports = resting | status._order_reports

    engine._adjust_mass_status_fills = adjusting


def tell_binance_failures(client: Any) -> None:
    """Let a Binance execution client raise what its queries meet."""
    http = client._http_account
    for owner, name in (
        (client, "_get_binance_position_status_reports"),
        (client, "_build_active_symbols"),
        (client, "_generate_algo_order_status_reports"),
        (http, "query_all_orders"),
        (http, "query_user_trades"),
    ):
        setattr(owner, name, _noting(getattr(owner, name)))
    _raise_what_is_noted(client)


def tell_bybit_failures(client: Any) -> None:
    """Let a Bybit execution client raise what its queries meet."""
    client._http_client = _NotingHttp(client._http_client)
    _raise_what_is_noted(client)


class _NotingHttp:
    """Bybit's HTTP client, with its reports' failures noted: its own attributes cannot be set."""

    def __init__(self, http: Any) -> None:
        self._http = http
        self.request_order_status_reports = _noting(http.request_order_status_reports)
        self.request_position_status_reports = _noting(http.request_position_status_reports)
        self.request_fill_reports = _noting(http.request_fill_reports)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)


def _noting(query: Query) -> Query:
    """Return a query that notes what it raises."""

    async def noting(*args: Any, **kwargs: Any) -> Any:
        try:
            return await query(*args, **kwargs)
        except Exception as error:
            _failed.get([]).append(error)
            raise

    return noting


def _raise_what_is_noted(client: Any) -> None:
    for name in _QUERIES:
        setattr(client, name, _raising(getattr(client, name)))


def _raising(query: Query) -> Query:
    """Return a query that raises what was noted meanwhile."""

    async def raising(command: Any) -> Any:
        failed: list[Exception] = []
        before = _failed.set(failed)
        try:
            reports = await query(command)
        finally:
            _failed.reset(before)
        if failed:
            raise failed[-1]
        return reports

    return raising
