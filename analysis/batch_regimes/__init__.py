"""The study `batch-regimes`: the batch size B* up to which only T matters."""
