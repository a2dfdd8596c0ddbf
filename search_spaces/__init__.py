"""What can be varied: points, axes, spaces and the windows in which trainings are stable."""

from search_spaces.axes import ListAxis, LogAxis, parse_axis
from search_spaces.choices import InvalidSettingError
from search_spaces.point import Point, Seeds
from search_spaces.space import SearchSpace
from search_spaces.windows import presentation_budget, temperature_window

__all__ = [
    "InvalidSettingError",
    "ListAxis",
    "LogAxis",
    "Point",
    "SearchSpace",
    "Seeds",
    "parse_axis",
    "presentation_budget",
    "temperature_window",
]
