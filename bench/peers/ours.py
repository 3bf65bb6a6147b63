"""What the sidecar takes where it is installed: its packages, and all that they need."""

from importlib.metadata import Distribution, distribution
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.machine import ROOT
from bench.peers.installs import bytes_of

SOURCES: Final = ("crds/parley_crds", "sidecar/parley_sidecar")
"""Installed for development they stand where they are written."""


def runtime_bytes() -> int:
    """Return what the sidecar's packages take, compiled modules left out: they are made where it runs."""
    files = (found for name in needed("parley", "sidecar") for found in _files(distribution(name)))
    return sum(files) + sum(bytes_of(ROOT / source) for source in SOURCES)


def needed(package: str, extra: str) -> set[str]:
    """Return the names of all packages that one needs with an extra, itself left out."""
    found: set[str] = set()
    left = _requirements(package, {extra})
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            left += _requirements(name, requirement.extras)
    return found


def _requirements(package: str, extras: set[str]) -> list[Requirement]:
    requirements = map(Requirement, distribution(package).requires or ())
    return [one for one in requirements if any(_applies(one, extra) for extra in extras or {""})]


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _files(package: Distribution) -> list[int]:
    return [path.size for path in package.files or () if path.size is not None]
