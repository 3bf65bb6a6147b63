"""What the operator's process is told by its environment, read once. The chart's Deployment sets it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

Certificates = Literal["builtin", "certManager", "external"]


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
    service_account: str = ""
    """The account of every replica, by which they know each other; empty: `<fullname>-operator`."""
    store_url: str = ""
    """The shared store without its credentials; empty: there is none."""
    store_secret: str = ""
    """The Secret with the store's `password`, and optionally `username` and `ca.crt`."""
    own_redis: bool = False
    """Whether the store is the chart's own Redis, whose users the leader makes."""
    certificates: Certificates = "builtin"
    """Who makes the serving certificate."""
    tls_secret: str = ""
    """The Secret with the serving certificate: `tls.crt`, `tls.key` and the authority that signed it, `ca.crt`."""
    read_dapr_components: bool = False
    """Whether Dapr's own components of type conversation.* are read too."""
    evict_missed: bool = False
    """Whether pods that were created without their sidecar are evicted, so that their owners make them anew."""
    restart_outdated: bool = False
    """Whether owners of pods with an outdated sidecar are restarted, one after the other."""
    sidecar_revision: str = ""
    """What the injector stamps on pods now; empty: nobody knows, and nothing counts as outdated."""
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
            service_account=environ.get("PARLEY_SERVICE_ACCOUNT", ""),
            store_url=environ.get("PARLEY_STORE_URL", ""),
            store_secret=environ.get("PARLEY_STORE_SECRET", f"{fullname}-store"),
            own_redis=_is_on(environ.get("PARLEY_OWN_REDIS")),
            certificates=cast("Certificates", environ.get("PARLEY_CERTIFICATES") or "builtin"),
            tls_secret=environ.get("PARLEY_TLS_SECRET") or f"{fullname}-tls",
            read_dapr_components=_is_on(environ.get("PARLEY_READ_DAPR_COMPONENTS")),
            evict_missed=_is_on(environ.get("PARLEY_EVICT_MISSED")),
            restart_outdated=_is_on(environ.get("PARLEY_RESTART_OUTDATED")),
            sidecar_revision=environ.get("PARLEY_SIDECAR_REVISION", ""),
            extra_sans=_words(environ.get("PARLEY_EXTRA_SANS")),
            log_level=environ.get("PARLEY_LOG_LEVEL") or "info",
        )


def _is_on(text: str | None) -> bool:
    return text == "true"


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word for part in (text or "").split(",") if (word := part.strip()))
