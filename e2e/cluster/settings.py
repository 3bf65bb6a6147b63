"""The test cluster's settings, read once from the environment; every other module is handed them."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from e2e.cluster.errors import ClusterError

Choice = Literal["auto", "binaries", "existing", "kind"]
Kind = Literal["control-plane", "kubelet"]
Proxy = Literal["iptables", "nftables"]

MODULES = Path(__file__).resolve().parent / "modules"
DEFAULT_KUBERNETES = "1.36"  # a directory below modules/; also the one whose pins helm, etcd, kwok and CoreDNS have


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the cluster keeps its files and which one is wanted."""

    cache: Path
    run: Path
    kubernetes: str = DEFAULT_KUBERNETES
    choice: Choice = "auto"


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read PARLEY_E2E, PARLEY_E2E_CACHE, PARLEY_E2E_RUN and PARLEY_E2E_KUBERNETES.

    Raises:
        ClusterError: when a value is none of those allowed.
    """
    caches = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Settings(
        cache=Path(environment.get("PARLEY_E2E_CACHE") or caches / "parley" / "cluster"),
        run=Path(environment.get("PARLEY_E2E_RUN") or Path(tempfile.gettempdir()) / "parley-e2e"),
        kubernetes=_kubernetes(environment.get("PARLEY_E2E_KUBERNETES") or DEFAULT_KUBERNETES),
        choice=_choice(environment.get("PARLEY_E2E") or "auto"),
    )


def _kubernetes(version: str) -> str:
    known = sorted(path.name for path in MODULES.glob("[0-9]*"))
    if version not in known:
        raise ClusterError(f"PARLEY_E2E_KUBERNETES is {version!r}, pinned are {', '.join(known)}")
    return version


def _choice(word: str) -> Choice:
    for choice in get_args(Choice):
        if choice == word:
            return choice  # type: ignore[no-any-return]  # get_args is typed as Any
    raise ClusterError(f"PARLEY_E2E is {word!r}, not one of {', '.join(get_args(Choice))}")
