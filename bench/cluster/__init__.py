"""Loads and faults at scale, on real clusters of this machine: `python -m bench.cluster`."""
