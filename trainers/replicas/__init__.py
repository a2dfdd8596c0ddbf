"""Many replicas in one set of torch tensors."""
