"""One instrument under the many names that brokers give it."""

import re
from collections.abc import Iterable, Iterator

from of_nautilus.ingest.errors import IngestError

SYMBOLS: dict[str, tuple[str, ...]] = {
    "NAS100": ("NAS100", "US100", "USTEC", "USTECH", "NDX100", "NQ100", "UT100", "NASDAQ", "NDX"),
    "US500": ("US500", "SPX500", "SP500", "USA500", "SPX"),
    "US30": ("US30", "DJ30", "WS30", "DOW30", "USA30", "DJI30", "YM30"),
    "US2000": ("US2000", "RUSS2000", "RTY2000", "USSMALLCAP2000"),
    "GER40": ("GER40", "DE40", "DAX40", "GER30", "DE30", "DAX"),
    "UK100": ("UK100", "FTSE100", "FTSE"),
    "JP225": ("JP225", "JPN225", "NIKKEI225", "NIKKEI", "NI225"),
    "XAUUSD": ("XAUUSD", "GOLD"),
    "XAGUSD": ("XAGUSD", "SILVER"),
    "XTIUSD": ("XTIUSD", "USOIL", "WTI", "CRUDEOIL", "OILUSD", "CL"),
    "XBRUSD": ("XBRUSD", "UKOIL", "BRENT"),
    "BTCUSD": ("BTCUSD", "BITCOIN", "XBTUSD"),
    "ETHUSD": ("ETHUSD", "ETHEREUM"),
}
"""Instruments under the names that brokers give them; currency pairs need no entry."""

_ENDING = re.compile(
    r"^(?P<name>[#.]?[A-Z0-9/]+?)"
    r"(?P<end>[._\-#+!](?:[a-z0-9]+)?|(?:m|c|z|r|i|pro|ecn|raw|std|micro|mini|cash|spot|sb))?$",
    re.IGNORECASE,
)


def find_symbol(wanted: str, offered: Iterable[str]) -> str:
    """The broker's own name for an instrument, out of the names it offers.

    Case, a prefix of `#` or `.`, a slash, and the usual endings (`m`, `.pro`, `_raw`, `.cash`, ...)
    do not count; the wanted name wins over its synonyms, a plain one over one with an ending.

    Parameters
    ----------
    wanted : str
        Such as "NAS100", "XAUUSD" or "EURUSD"; any of an instrument's names.
    offered : iterable of str
        The names that the broker lists.

    Raises
    ------
    IngestError
        If none fits.

    Examples
    --------
    >>> find_symbol("NAS100", ["EURUSDm", "USTECm", "XAUUSDm"])
    'USTECm'
    >>> find_symbol("GOLD", ["XAUUSD.pro", "XAUUSD", "XAGUSD"])
    'XAUUSD'

    """
    names = next((n for n in SYMBOLS.values() if wanted.upper() in n), (wanted.upper(),))
    best: tuple[tuple[bool, int, int, str], str] | None = None
    for offer in offered:
        for plain, ending in _readings(offer):
            if plain in names:
                other = plain != wanted.upper()
                rank = ((other, len(ending), names.index(plain), offer), offer)
                best = rank if best is None else min(best, rank)
    if best is None:
        raise IngestError(
            f"no symbol for {wanted} among those offered", todo=f"tried {', '.join(names)}"
        )
    return best[1]


def _readings(offer: str) -> Iterator[tuple[str, str]]:
    """A name without its prefix, and with and without what may be an ending."""
    plain = offer.strip().lstrip("#.").replace("/", "")
    yield plain.upper(), ""
    match = _ENDING.match(plain)
    if match is not None and match["end"]:
        yield match["name"].upper(), match["end"]
