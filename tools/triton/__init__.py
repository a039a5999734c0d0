"""Triton's own server on this machine, for tests, benchmarks and trying out."""
