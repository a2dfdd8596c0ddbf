"""Draw the README's figure from the table of the default study; ``make figures`` runs it."""

from pathlib import Path

import matplotlib

from analysis import MeasurementTable, analyse_scaling
from analysis.critical_temperature.figures import plot_critical_temperatures
from analysis.report.style import STYLE

ROOT = Path(__file__).resolve().parents[1]

table = MeasurementTable.read_csv(ROOT / "runs" / "critical-temperature" / "table.csv")
law = analyse_scaling(table).laws[0]
with matplotlib.rc_context(STYLE):
    plot_critical_temperatures(law).savefig(
        ROOT / "docs" / "figures" / "critical-temperature.svg", metadata={"Date": None}
    )
