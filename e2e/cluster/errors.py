"""What can go wrong with the test cluster; the command line prints the sentence and ends with 1.

ClusterError          the sentence says what to do
└── OccupiedError     another living run holds what this one wants
"""


class ClusterError(Exception):
    """Say in one sentence what is missing or broken, and what helps."""


class OccupiedError(ClusterError):
    """Another living run holds the cluster; waiting for it or another directory helps."""
