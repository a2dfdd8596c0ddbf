"""Numbers from tables: critical temperatures, their power laws, and reports.

Nothing here knows how a table was made. Drawing and pages live in
`analysis.critical_temperature.figures` and `analysis.report.page`, which are imported when they
are needed.
"""

from analysis.critical_temperature.study import analyse_scaling
from analysis.estimates import Estimate
from analysis.fits.collapse import fit_collapse
from analysis.locating.located import fit_power_law
from analysis.locating.threshold import locate_critical_temperatures
from analysis.table import MeasurementTable, ReadTableError

__all__ = [
    "Estimate",
    "MeasurementTable",
    "ReadTableError",
    "analyse_scaling",
    "fit_collapse",
    "fit_power_law",
    "locate_critical_temperatures",
]
