"""Which training comes next."""
