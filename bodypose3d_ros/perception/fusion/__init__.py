"""Several cameras, one truth: what views of the same people say together."""
