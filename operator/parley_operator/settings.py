"""What the operator's process is told by its environment, read once. The chart's Deployment sets it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """One replica's settings; nothing in it is secret."""

    namespace: str
    """The operator's own namespace: its Secrets, its Lease, its peers."""
    identity: str
    """This replica, as the Lease names its holder."""
    fullname: str
    """What the chart's objects begin with."""
    watch_namespaces: tuple[str, ...] = ()
    """The namespaces that are served; empty: all."""
    webhook_name: str = ""
    """The MutatingWebhookConfiguration whose caBundle the leader keeps."""
    host: str = ""
    """The address to listen on; empty: all."""
    port: int = 8443
    metrics_port: int = 9464
    peers: tuple[str, ...] = ()
    """HOST:PORT of every replica where there is no EndpointSlice to find them by: tests."""
    peer_token_file: str = ""
    store_url: str = ""
    """The shared store without its credentials; empty: there is none."""
    store_secret: str = ""
    """The Secret with the store's `password`, and optionally `username` and `ca.crt`."""
    extra_sans: tuple[str, ...] = ()
    """Names and addresses beside the Services' that the serving certificate is good for: tests."""
    log_level: str = "info"

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read PARLEY_*; a variable that is missing has the value that a release named parley would give it."""
        fullname = environ.get("PARLEY_FULLNAME") or "parley"
        return cls(
            namespace=environ.get("PARLEY_NAMESPACE") or "parley-system",
            identity=environ.get("PARLEY_POD_NAME") or os.uname().nodename,
            fullname=fullname,
            watch_namespaces=_words(environ.get("PARLEY_WATCH_NAMESPACES")),
            webhook_name=environ.get("PARLEY_WEBHOOK_NAME") or f"{fullname}-injector",
            host=environ.get("PARLEY_HOST", ""),
            port=int(environ.get("PARLEY_PORT") or 8443),
            metrics_port=int(environ.get("PARLEY_METRICS_PORT") or 9464),
            peers=_words(environ.get("PARLEY_PEERS")),
            peer_token_file=environ.get("PARLEY_PEER_TOKEN_FILE", ""),
            store_url=environ.get("PARLEY_STORE_URL", ""),
            store_secret=environ.get("PARLEY_STORE_SECRET", f"{fullname}-store"),
            extra_sans=_words(environ.get("PARLEY_EXTRA_SANS")),
            log_level=environ.get("PARLEY_LOG_LEVEL") or "info",
        )


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word for part in (text or "").split(",") if (word := part.strip()))
