"""Groups that stay on one side, strata, balance, and the leaks that are left."""
