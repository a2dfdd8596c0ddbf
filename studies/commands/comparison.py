"""``thermometer report A B ...``: several studies on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from search_spaces import InvalidSettingError


def study_names(sources: Sequence[Path]) -> list[str]:
    """Return a name for each study: its folder's or table's, with parents where these repeat."""
    short = [source.absolute().stem for source in sources]
    full = [str(source) for source in sources]
    if len({source.absolute() for source in sources}) < len(sources):
        raise InvalidSettingError("a study is named twice; a comparison needs different ones")
    return short if len(set(short)) == len(short) else full


def write_comparison(results: Mapping[str, Any], output: Path, command: str) -> Path:
    """Write the page that compares the results of several studies into a folder.

    Raises
    ------
    InvalidSettingError
        If one is not a result of the kind critical-temperature, or nothing can be compared.
    """
    from analysis.critical_temperature.comparison.report import comparison_content
    from analysis.critical_temperature.comparison.study import (
        CompareStudiesError,
        compare_scalings,
    )
    from analysis.critical_temperature.study import ScalingResult
    from analysis.report.content import ReportContext
    from analysis.report.page import write_report

    for name, result in results.items():
        if not isinstance(result, ScalingResult):
            raise InvalidSettingError(
                f"{name} is no study of the kind critical-temperature; only these are compared"
            )
    try:
        content = comparison_content(compare_scalings(results))
    except CompareStudiesError as error:
        raise InvalidSettingError(str(error)) from None
    context = ReportContext(
        study=" against ".join(results),
        question="Do these studies have the same critical temperatures and exponents?",
        command=command,
        data_sentence="the data of each study",
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    return write_report(content, output, context)
