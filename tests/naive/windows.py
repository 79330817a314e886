"""Sums over a right-closed time window, from all trades each time."""


def window(rows, span, now=None):
    """Trades of (ts, price, size, side) in (now - span, now]; now is the last one's."""
    now = rows[-1][0] if now is None else now
    return [row for row in rows if now - span < row[0] <= now]


def sums(rows, span, now=None):
    """What the window holds."""
    inside = window(rows, span, now)
    return {
        "trades": len(inside),
        "buy": sum(row[2] for row in inside if row[3] > 0),
        "sell": sum(row[2] for row in inside if row[3] < 0),
        "unclassified": sum(row[2] for row in inside if row[3] == 0),
    }


def delta(rows, span):
    """Rolling delta after each trade."""
    result = []
    for i in range(len(rows)):
        held = sums(rows[: i + 1], span)
        result.append(held["buy"] - held["sell"])
    return result
