"""What ``thermometer`` says with its exit code."""

from __future__ import annotations

DONE, USAGE, INCOMPLETE, FAILED, INTERRUPTED = 0, 2, 3, 4, 130
