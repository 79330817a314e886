"""Queries of positions and fills whose failure is told.

Where the venue refuses such a query (too many requests, a clock that is off, a server's error), the
host's clients log that and answer with an empty list. The engine takes that for a flat account,
closes the position in its books, and the stop of a position that is still there would be canceled.
Its engine is made for clients that raise: then it leaves everything as it is and asks again.
"""

from collections.abc import Awaitable, Callable
from typing import Any

type Query = Callable[..., Awaitable[Any]]


def tell_binance_failures(client: Any) -> None:
    """Let a Binance execution client raise what its queries of positions and fills meet."""
    failed: list[Exception] = []

    def noting(query: Query) -> Query:
        async def noted(*args: Any, **kwargs: Any) -> Any:
            try:
                return await query(*args, **kwargs)
            except Exception as error:
                failed.append(error)
                raise

        return noted

    positions = noting(client._get_binance_position_status_reports)
    client._get_binance_position_status_reports = positions
    client._http_account.query_user_trades = noting(client._http_account.query_user_trades)
    for name in ("generate_position_status_reports", "generate_fill_reports"):
        setattr(client, name, _raising(getattr(client, name), failed))


def tell_bybit_failures(client: Any) -> None:
    """Let a Bybit execution client raise what its queries of positions and fills meet."""
    failed: list[BaseException] = []
    log = client._log_report_error

    def noted(error: BaseException, name: str) -> None:
        failed.append(error)
        log(error, name)

    client._log_report_error = noted
    for name in ("generate_position_status_reports", "generate_fill_reports"):
        setattr(client, name, _raising(getattr(client, name), failed))


def _raising(query: Query, failed: list[Any]) -> Query:
    """Return a query that raises what `failed` got to hold meanwhile.

    Of two queries at once, one may raise what the other met: then both are asked again.
    """

    async def raising(command: Any) -> Any:
        failed.clear()
        reports = await query(command)
        if failed:
            raise failed[-1]
        return reports

    return raising
