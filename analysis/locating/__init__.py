"""Where a curve crosses a level, doubles, or is least."""
