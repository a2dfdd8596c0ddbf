"""The study `large-batch-noise`: noise added to large batches."""
