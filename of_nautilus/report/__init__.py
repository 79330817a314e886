"""Charts of footprints, profiles and trades, and the report of a run as one page."""

from of_nautilus.report.bars import Bars, Readings, read_bars, read_cells
from of_nautilus.report.exports import export, footprint_table, profile_table
from of_nautilus.report.footprint import footprint_chart
from of_nautilus.report.heatmap import book_heatmap
from of_nautilus.report.page import write_report
from of_nautilus.report.picture import footprint_png
from of_nautilus.report.profile import ProfileReading, profile_chart, read_profile
from of_nautilus.report.tearsheet import register_charts

__all__ = [
    "Bars",
    "ProfileReading",
    "Readings",
    "book_heatmap",
    "export",
    "footprint_chart",
    "footprint_png",
    "footprint_table",
    "profile_chart",
    "profile_table",
    "read_bars",
    "read_cells",
    "read_profile",
    "register_charts",
    "write_report",
]
