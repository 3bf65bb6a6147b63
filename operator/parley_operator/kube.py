"""The API server: the only module that knows the Kubernetes client. Objects go in and out as plain JSON.

Plain, because typed models drop the fields that they do not know. Foreign exceptions become ours here and nowhere else.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import aiohttp
import msgspec
from kubernetes.aio import client, config

from parley_crds import names
from parley_operator.errors import (
    ApiUnavailable,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OperatorError,
    TooManyRequests,
)

Object = dict[str, Any]
"""A Kubernetes object, or a list of them, as JSON."""

CALL_LIMIT_S: Final = 10.0
"""How long one call may take."""
JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
NO_QUERY: Final[Mapping[str, str]] = MappingProxyType({})
PAGE: Final = 500
"""Objects of one page of a list."""
REFUSALS: Final[Mapping[int, type[OperatorError]]] = MappingProxyType(
    {0: ApiUnavailable, 401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict, 429: TooManyRequests}
)
"""What a status stands for; 0: there was none."""


@dataclass(frozen=True, slots=True)
class Call:
    """What one call sends, and how long it may take, in seconds."""

    body: Any = field(default=None, repr=False)
    kind: str = JSON
    query: Mapping[str, str] = field(default_factory=dict)
    limit_s: float = CALL_LIMIT_S
    accept: str = JSON


class Kube:
    """A connection to the API server. Every method raises one of `errors.OperatorError`."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    @classmethod
    async def connect(cls) -> "Kube":
        """Connect with KUBECONFIG where it is set, else as the pod's service account."""
        settings = client.Configuration()
        settings.client_session_kwargs = {"trust_env": False}  # else it reads netrc in a thread at every call
        path = os.environ.get("KUBECONFIG")
        try:
            if path:
                await config.load_kube_config(config_file=path, client_configuration=settings)  # type: ignore[no-untyped-call]
            else:
                config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            place = f"KUBECONFIG {path}" if path else "not in a pod, and no KUBECONFIG"
            raise Invalid(f"the API server cannot be found: {place}") from error
        return cls(client.ApiClient(settings))

    async def get(self, path: str, query: Mapping[str, str] = NO_QUERY) -> Object:
        """Read one object, or one page of a list."""
        return await self._call("GET", path, Call(query=query))

    async def list_all(self, path: str, query: Mapping[str, str] = NO_QUERY) -> list[Object]:
        """Read all objects of a list, page by page."""
        items: list[Object] = []
        async for page in self.pages(path, query, JSON):
            items += _decoded(f"GET {path}", page).get("items") or []
        return items

    async def pages(
        self, path: str, query: Mapping[str, str] = NO_QUERY, accept: str = METADATA_ONLY
    ) -> AsyncIterator[bytes]:
        """Yield a list's pages as bytes; unless told otherwise, JSON that holds the metadata of each object alone."""
        page: Mapping[str, str] = {}
        while True:
            call = Call(query={"limit": str(PAGE), **query, **page}, accept=accept)
            data = await self._bytes("GET", path, call)
            yield data
            token = _next(f"GET {path}", data)
            if not token:
                return
            page = {"continue": token}

    async def create(
        self, path: str, body: Object, limit_s: float = CALL_LIMIT_S, query: Mapping[str, str] = NO_QUERY
    ) -> Object:
        """Create an object, or ask a review."""
        return await self._call("POST", path, Call(body, query=query, limit_s=limit_s))

    async def replace(self, path: str, body: Object, limit_s: float = CALL_LIMIT_S) -> Object:
        """Replace an object; its resourceVersion makes it a compare-and-set."""
        return await self._call("PUT", path, Call(body, limit_s=limit_s))

    async def apply(self, path: str, body: Object, manager: str, limit_s: float = CALL_LIMIT_S) -> Object:
        """Own the fields of `body` in an object, by server-side apply."""
        query = {"fieldManager": manager, "force": "true"}
        return await self._call("PATCH", path, Call(body, APPLY, query, limit_s))

    async def patch(self, path: str, operations: list[Object], limit_s: float = CALL_LIMIT_S) -> Object:
        """Apply a JSON patch."""
        return await self._call("PATCH", path, Call(operations, JSON_PATCH, limit_s=limit_s))

    async def delete(self, path: str, limit_s: float = CALL_LIMIT_S) -> Object:
        """Delete an object."""
        return await self._call("DELETE", path, Call(limit_s=limit_s))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def _call(self, verb: str, path: str, call: Call) -> Object:
        return _decoded(f"{verb} {path}", await self._bytes(verb, path, call))

    async def _bytes(self, verb: str, path: str, call: Call) -> bytes:
        if call.limit_s <= 0:  # the client takes 0 for five minutes
            raise ApiUnavailable(f"{verb} {path}: no time left for it")
        headers = {"Accept": call.accept, "Content-Type": call.kind}
        try:
            request = await self._api.param_serialize(
                verb, path, query_params=list(call.query.items()), header_params=headers, body=call.body,
                auth_settings=["BearerToken"],
            )  # fmt: skip
            reply = await self._api.call_api(*request, _request_timeout=call.limit_s)
            data: bytes = await reply.read()  # type: ignore[no-untyped-call]
        except client.ApiException as error:
            raise refused(f"{verb} {path}", error.status or 0) from None  # its text holds the whole answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiUnavailable(f"{verb} {path}: no answer from the API server") from error
        if not 200 <= reply.status < 300:  # noqa: PLR2004 - success
            raise refused(f"{verb} {path}", reply.status)
        return data


class _Next(msgspec.Struct, frozen=True):
    token: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, frozen=True):
    metadata: _Next


def _next(call: str, data: bytes) -> str:
    """Return what names the next page; all else of a page, a megabyte, is passed over unread."""
    try:
        return msgspec.json.decode(data, type=_Page).metadata.token
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiUnavailable(f"{call}: the answer is not a list") from None  # its text may quote the list


def _decoded(call: str, data: bytes) -> Object:
    try:
        answer: Object = json.loads(data)
    except ValueError as error:  # something between us and the API server answers for it
        raise ApiUnavailable(f"{call}: the answer is not JSON") from error
    return answer


def refused(call: str, status: int) -> OperatorError:
    """Return the error that a status other than success stands for."""
    otherwise = ApiUnavailable if status >= 500 else Invalid  # noqa: PLR2004 - a server's fault
    return REFUSALS.get(status, otherwise)(f"{call}: status {status}")


TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path


def components(namespace: str | None = None) -> str:
    """Return the path of the components of a namespace, or of all."""
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{names.API_VERSION}{place}/{names.PLURAL}"


def component(namespace: str, name: str) -> str:
    """Return the path of one component; its status is below `/status`."""
    return f"{components(namespace)}/{name}"


def secret(namespace: str, name: str) -> str:
    """Return the path of one Secret."""
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def pods(namespace: str | None = None) -> str:
    """Return the path of the pods of a namespace, or of all."""
    return f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"


def pod(namespace: str, name: str) -> str:
    """Return the path of one pod."""
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def lease(namespace: str, name: str = "") -> str:
    """Return the path of one Lease, or of the namespace's Leases."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases" + (f"/{name}" if name else "")


def endpoint_slices(namespace: str) -> str:
    """Return the path of a namespace's EndpointSlices."""
    return f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


def webhook_configuration(name: str) -> str:
    """Return the path of one MutatingWebhookConfiguration."""
    return f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{name}"


def eviction(namespace: str, pod_name: str) -> str:
    """Return the path that an Eviction of a pod is posted to."""
    return f"{pod(namespace, pod_name)}/eviction"


def events(namespace: str) -> str:
    """Return the path of a namespace's Events."""
    return f"/api/v1/namespaces/{namespace}/events"


def namespaces(name: str = "") -> str:
    """Return the path of all namespaces, or of one."""
    return "/api/v1/namespaces" + (f"/{name}" if name else "")


def owner(namespace: str, api_version: str, plural: str, name: str) -> str:
    """Return the path of an object that owns pods, such as a ReplicaSet: its apiVersion and plural name say which."""
    return f"/apis/{api_version}/namespaces/{namespace}/{plural}/{name}"


def dapr_components(namespace: str | None = None) -> str:
    """Return the path of Dapr's components of a namespace, or of all."""
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{names.DAPR_API_VERSION}{place}/components"
