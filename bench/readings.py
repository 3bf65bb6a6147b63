"""What figures are read from: the samples of `bench` and of `bench.peers` have these in common."""

from typing import Protocol


class Measured(Protocol):
    """One kind of request in one round."""

    @property
    def p50_us(self) -> float:
        """The median latency."""
        ...

    @property
    def p99_us(self) -> float:
        """The 99th percentile."""
        ...

    @property
    def per_s(self) -> float:
        """Requests per second."""
        ...

    @property
    def cpu_us(self) -> float:
        """CPU time per request."""
        ...


def p50(sample: Measured) -> float:
    """Read the median latency."""
    return sample.p50_us


def p99(sample: Measured) -> float:
    """Read the 99th percentile."""
    return sample.p99_us


def rate(sample: Measured) -> float:
    """Read the requests per second."""
    return sample.per_s


def cpu(sample: Measured) -> float:
    """Read the CPU time per request."""
    return sample.cpu_us
