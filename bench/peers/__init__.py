"""What other gateways cost beside the sidecar, in one run: `python -m bench.peers`."""
