"""Numbers from tables: critical temperatures, their power laws, and reports.

Nothing here knows how a table was made. Drawing and pages live in `analysis.figures` and
`analysis.report`, which are imported when they are needed.
"""

from analysis.collapse import fit_collapse
from analysis.critical_temperature import locate_critical_temperatures
from analysis.estimates import Estimate
from analysis.power_law import fit_power_law
from analysis.scaling import analyse_scaling
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
