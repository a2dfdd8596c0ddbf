"""Commands of ``thermometer`` that stand on their own; `studies.cli` adds them."""
