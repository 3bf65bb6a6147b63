"""Another mutating webhook of the cluster, as others run them: it changes new pods once, before ours or after."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from e2e.cluster import Cluster
from tests.conftest import until
from tests.injector.live import SHARED, Api, named, trust
from tests.injector.world import Authority

Change = Callable[[dict[str, Any]], list[dict[str, Any]]]
"""From a pod to JSON Patch operations."""
SEEN = "other.dev/seen"


class Webhook(BaseHTTPRequestHandler):
    """Answers reviews with what the server's `change` makes of the pod, unless it has changed it before."""

    def do_POST(self) -> None:
        """Answer."""
        server: Any = self.server
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))["request"]
        response = {"uid": request["uid"], "allowed": True}
        if SEEN not in request["object"]["metadata"].get("annotations", {}):
            patch = json.dumps([*server.change(request["object"]), *stamped(request["object"])]).encode()
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
        answer = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


def stamped(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the patch that leaves a trace."""
    annotations = {**pod["metadata"].get("annotations", {}), SEEN: "true"}
    return [{"op": "add", "path": "/metadata/annotations", "value": annotations}]


@contextmanager
def beside(cluster: Cluster, api: Api, directory: Path, name: str, change: Change) -> Iterator[None]:
    """Run one in the namespace that we share; configurations are asked in the order of their names."""
    authority = Authority()
    authority.issue(directory / "tls")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "tls/tls.crt", directory / "tls/tls.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        served: Any = server
        served.change = change
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        configured = configuration(name, server.server_port)
        trust(configured, authority)
        cluster.kubectl("apply", "-f", "-", feed=json.dumps(configured))
        try:
            until(f"the webhook {name}", lambda: SEEN in annotations_of(api, named("probe", {})))
            yield
        finally:
            cluster.kubectl("delete", "mutatingwebhookconfiguration", name)
            until(f"the end of {name}", lambda: SEEN not in annotations_of(api, named("probe", {})))
            server.shutdown()


def annotations_of(api: Api, pod: dict[str, Any]) -> dict[str, str]:
    """Return the annotations that a pod of the shared namespace would have."""
    return dict(api.create(SHARED, pod).document["metadata"].get("annotations", {}))


def configuration(name: str, port: int) -> dict[str, Any]:
    """Return the configuration of such a webhook, for the shared namespace alone."""
    entry = {
        "name": f"{name}.other.dev",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SHARED}},
        "failurePolicy": "Fail",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [entry],
    }
