"""Benchmarks: vrrpd and keepalived in turn on the same nodes (`python -m tests.bench`; docs/benchmarks.md)."""
