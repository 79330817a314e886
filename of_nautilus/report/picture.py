"""A footprint chart as a PNG without a browser: for alerts and messages.

Drawn with Pillow: one wheel without system libraries, that brings a font of its own. Plotly needs a
browser to make a picture.
"""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from of_nautilus.report.bars import (
    BUY_FLAG,
    BUY_STACK,
    SELL_FLAG,
    SELL_STACK,
    Bars,
    read_cells,
)
from of_nautilus.report.footprint import cell_digits, display_rule, row_factor
from of_nautilus.report.style import BUY, SELL, Theme, decimals_of, theme
from of_nautilus.report.tables import clock

MARGIN, AXIS, PANE = 12, 76, 64
_Color = tuple[int, int, int]


def footprint_png(
    bars: "Bars | Iterable[Any]",
    *,
    instrument_id: str = "",
    tick: float | None = None,
    lot: float | None = None,
    last: int = 12,
    width: int = 1200,
    height: int = 800,
    dark: bool = False,
    title: str = "",
    mark: tuple[float, str] | None = None,
) -> bytes:
    """Return the last bars' footprint as the bytes of a PNG.

    Parameters
    ----------
    bars : Bars, or items of FootprintBar or ClosedBar
        What to draw; the last `last` of them.
    instrument_id, tick, lot : str, float, float
        Needed for `ClosedBar` items alone, which do not say what a tick and a lot are worth.
    last : int
        How many bars, >= 1.
    width, height : int
        Pixels, >= 200.
    dark : bool
        Whether the background is dark.
    title : str
        What stands above it; instrument and time if empty.
    mark : tuple of (price, text), optional
        A line across the picture, such as a signal's price.

    Raises
    ------
    ValueError
        If a number is out of its range, or there is no bar.
    """
    for name, value, least in (("last", last, 1), ("width", width, 200), ("height", height, 200)):
        if value < least:
            raise ValueError(f"`{name}` must be >= {least}, was {value}")
    shown = _as_bars(bars, instrument_id, tick, lot)
    shown = shown.part(max(0, len(shown) - last), len(shown))
    if not len(shown):
        raise ValueError("`bars` must hold at least one bar, was empty")
    picture = _Picture(shown, width, height, theme(dark))
    picture.draw_all(title, mark)
    buffer = io.BytesIO()
    picture.image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _as_bars(bars: Any, instrument_id: str, tick: float | None, lot: float | None) -> Bars:
    if isinstance(bars, Bars):
        return bars
    items = list(bars)
    if not items:
        raise ValueError("`bars` must hold at least one bar, was empty")
    tick = tick or getattr(items[-1], "tick", None)
    lot = lot or getattr(items[-1], "lot", None)
    if not tick or not lot:
        raise ValueError(f"`tick` and `lot` must be > 0, were {tick} and {lot}")
    name = instrument_id or str(getattr(items[-1], "instrument_id", ""))
    return Bars.of(items, name, float(tick), float(lot))


class _Picture:
    def __init__(self, bars: Bars, width: int, height: int, colors: Theme) -> None:
        room = height - 3 * MARGIN - 60 - PANE
        self.fine = bars
        self.bars = bars.coarser(row_factor(bars, most_rows=max(4, room // 16)))
        self.colors = colors
        self.image = Image.new("RGB", (width, height), colors.paper)
        self.pen = ImageDraw.Draw(self.image)
        self.top, self.bottom = MARGIN + 42, MARGIN + 42 + room
        self.left, self.right = MARGIN, width - AXIS
        low, high = int(self.bars.low_row.min()), int(self.bars.high_row.max())
        self.low_row, self.row_px = low, room / (high - low + 1)
        self.bar_px = (self.right - self.left) / len(bars)
        self.height = height

    def draw_all(self, title: str, mark: tuple[float, str] | None) -> None:
        bars = self.fine
        form = "%Y-%m-%d %H:%M:%S"
        said = title or f"{bars.instrument_id}  {clock(bars.close_ts[-1], form)} UTC"
        self._text((self.left, MARGIN), said, 17)
        self._prices()
        self._cells()
        self._deltas()
        if mark is not None:
            self._mark(*mark)

    def _row_y(self, row: float) -> float:
        """The lower edge of a row."""
        return self.bottom - (row - self.low_row) * self.row_px

    def _text(
        self, at: tuple[float, float], text: str, size: float, color: Any = None, anchor: str = "la"
    ) -> None:
        font = ImageFont.load_default(size)
        self.pen.text(at, text, fill=color or self.colors.ink, font=font, anchor=anchor)

    def _prices(self) -> None:
        bars = self.bars
        digits = decimals_of(bars.tick)
        high = int(bars.high_row.max())
        every = max(1, round(24 / self.row_px))
        for row in range(self.low_row, high + 1, every):
            y = self._row_y(row) - self.row_px / 2
            self.pen.line((self.left, y, self.right, y), fill=self.colors.grid)
            price = float(bars.row_price(np.array([row]))[0])
            self._text((self.right + 6, y), f"{price:.{digits}f}", 12, self.colors.muted, "lm")

    def _cells(self) -> None:
        bars, starts = self.bars, self.bars.starts
        reading = read_cells(bars, display_rule(bars))
        digits = cell_digits(bars)
        delta = bars.cells[:, 1] - bars.cells[:, 0]
        strong = max(float(np.percentile(np.abs(delta), 97)), 1.0)
        letters = 2 * (digits + 2 if digits else 3) + 3
        size = min(15.0, self.row_px - 3, self.bar_px * 0.88 / (letters * 0.58))
        for i in range(len(bars)):
            x0 = self.left + i * self.bar_px
            self._spine(i, x0)
            for k in range(starts[i], starts[i + 1]):
                row = int(bars.low_row[i]) + k - int(starts[i])
                self._cell(x0, row, k, float(delta[k]) / strong, size, digits, reading.flags[k])
            self._box(x0, int(bars.low_row[i] + reading.poc[i]), self.colors.ink, 1)
            for unfinished, row in (
                (reading.unfinished_high[i], bars.high_row[i] + 1.5),
                (reading.unfinished_low[i], bars.low_row[i] - 0.5),
            ):
                if unfinished:
                    x, y = x0 + self.bar_px / 2, self._row_y(float(row))
                    self.pen.ellipse((x - 4, y - 4, x + 4, y + 4), outline=self.colors.ink)

    def _spine(self, i: int, x: float) -> None:
        bars, height = self.fine, self.bars.ticks_per_row

        def y(ticks: int) -> float:
            return self._row_y((ticks + 0.5) / height)

        x += 2
        color = BUY if bars.close[i] >= bars.open[i] else SELL
        self.pen.line((x, y(bars.low[i]), x, y(bars.high[i])), fill=self.colors.muted)
        ends = sorted((y(bars.open[i]), y(bars.close[i])))
        self.pen.rectangle((x - 2, ends[0], x + 2, ends[1]), fill=color)

    def _cell(
        self, x0: float, row: int, k: int, share: float, size: float, digits: int, flag: int
    ) -> None:
        bars = self.bars
        y0, y1 = self._row_y(row + 1), self._row_y(row)
        box = (x0 + 7, y0, x0 + self.bar_px - 3, y1 - 1)
        self.pen.rectangle(box, fill=self._shade(share))
        if flag & (BUY_STACK | SELL_STACK):
            self.pen.rectangle(box, outline=BUY if flag & BUY_STACK else SELL, width=2)
        if size < 7:
            return
        sold, bought = (f"{bars.cells[k, c] * bars.lot:.{digits}f}" for c in (0, 1))
        middle, y = (box[0] + box[2]) / 2, (y0 + y1) / 2
        gap = size * 0.5
        self._text((middle - gap, y), sold, size, anchor="rm")
        self._text((middle, y), "x", size * 0.8, self.colors.muted, "mm")
        self._text((middle + gap, y), bought, size, anchor="lm")
        reach = max(3.0, min(6.0, self.row_px / 3))
        if flag & SELL_FLAG:
            left = box[0] + 1
            points = [(left, y), (left + reach, y - reach), (left + reach, y + reach)]
            self.pen.polygon(points, fill=SELL)
        if flag & BUY_FLAG:
            right = box[2] - 1
            points = [(right, y), (right - reach, y - reach), (right - reach, y + reach)]
            self.pen.polygon(points, fill=BUY)

    def _box(self, x0: float, row: int, color: str, width: int) -> None:
        box = (x0 + 6, self._row_y(row + 1), x0 + self.bar_px - 2, self._row_y(row))
        self.pen.rectangle(box, outline=color, width=width)

    def _shade(self, share: float) -> _Color:
        even, full = (
            ImageColor.getrgb(name)
            for name in (
                self.colors.even_cell,
                self.colors.buy_cell if share > 0 else self.colors.sell_cell,
            )
        )
        part = min(abs(share), 1.0)
        red, green, blue = (round(a + (b - a) * part) for a, b in zip(even, full, strict=True))
        return red, green, blue

    def _deltas(self) -> None:
        bars = self.fine
        delta = bars.delta * bars.lot
        strong = float(np.abs(delta).max()) or 1.0
        zero = self.bottom + MARGIN + PANE / 2
        self.pen.line((self.left, zero, self.right, zero), fill=self.colors.muted)
        digits = cell_digits(self.bars)
        for i, value in enumerate(delta.tolist()):
            x0 = self.left + i * self.bar_px
            y = zero - value / strong * (PANE / 2 - 10)
            box = (x0 + 8, min(y, zero), x0 + self.bar_px - 4, max(y, zero))
            self.pen.rectangle(box, fill=BUY if value >= 0 else SELL)
            middle = x0 + self.bar_px / 2
            above = value >= 0
            at = (middle, y - 2 if above else y + 2)
            self._text(at, f"{value:+.{digits}f}", 10, anchor="mb" if above else "mt")
            when = clock(bars.open_ts[i], "%H:%M:%S" if bars.length % 60_000_000_000 else "%H:%M")
            self._text((middle, self.height - 3), when, 11, self.colors.muted, "mb")
        self._text((self.right + 6, zero), "delta", 12, self.colors.muted, "lm")

    def _mark(self, price: float, text: str) -> None:
        y = self._row_y((price / self.fine.tick + 0.5) / self.bars.ticks_per_row)
        y = min(max(y, self.top), self.bottom)
        self.pen.line((self.left, y, self.right, y), fill=self.colors.ink, width=2)
        self._text((self.left + 12, y - 3), text, 13, anchor="lb")
