"""Laws through numbers: power laws, their straightness, collapses."""
