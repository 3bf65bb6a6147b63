"""A small HTTP server in the API server's place, for what a real one cannot be told: fall silent, refuse, talk garbage.

It keeps objects by path, checks resourceVersions on PUT, and serves as much discovery and watching as kopf asks for.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from parley_crds import names
from parley_operator import kube

Object = dict[str, Any]
GROUPS = {names.GROUP: names.VERSION, "dapr.io": "v1alpha1", "apiextensions.k8s.io": "v1"}
RESOURCES = {
    "/api/v1": {"namespaces": ("Namespace", False), "events": ("Event", True)},
    f"/apis/{names.API_VERSION}": {names.PLURAL: (names.KIND, True)},
    f"/apis/{names.DAPR_API_VERSION}": {"components": (names.DAPR_KIND, True)},
    "/apis/apiextensions.k8s.io/v1": {"customresourcedefinitions": ("CustomResourceDefinition", False)},
}


@dataclass(slots=True)
class SmallApi:
    """The server's state; tests change it while it runs."""

    objects: dict[str, Object] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    """Verb and path of every call."""
    status: int = 0
    """Answer everything with this status; 0: as usual."""
    refused: dict[str, int] = field(default_factory=dict)
    """Answer one path with a status."""
    silent: bool = False
    garbage: bool = False
    events: "asyncio.Queue[Object | str]" = field(default_factory=asyncio.Queue)
    """What a watch of our components sends next: events, or text that is none."""
    _versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def put(self, path: str, **fields: Any) -> Object:
        """Store an object; it gets name, namespace and uid from its path."""
        place = path.split("/")
        namespace = place[place.index("namespaces") + 1]
        metadata = {"name": place[-1], "namespace": namespace, "uid": f"uid-of-{place[-1]}", "generation": 1}
        metadata |= {"resourceVersion": str(next(self._versions))} | fields.pop("metadata", {})
        self.objects[path] = {"metadata": metadata, **fields}
        return self.objects[path]

    def component(self, namespace: str, name: str, **spec: Any) -> Object:
        """Store a component, of the echo provider unless told otherwise."""
        return self.put(kube.component(namespace, name), spec={"type": "conversation.echo", "version": "v1", **spec})

    def dapr_component(self, namespace: str, name: str, type_: str = "conversation.echo", **fields: Any) -> Object:
        """Store a component of Dapr's."""
        spec = {"type": type_, "version": "v1", "metadata": fields.pop("settings", [])}
        kind = {"apiVersion": names.DAPR_API_VERSION, "kind": names.DAPR_KIND}
        return self.put(dapr_path(namespace, name), spec=spec, **kind, **fields)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        self.calls.append(f"{request.method} {request.path}")
        if self.silent:
            await asyncio.Event().wait()
        if self.garbage:
            return web.Response(text="<html>not the API server</html>")
        if status := self.status or self.refused.get(request.path, 0):
            return _refusal(status)
        match request.method:
            case "GET":
                return await self._read(request)
            case "PATCH":
                return await self._apply(request)
            case _:
                return await self._write(request)

    async def _read(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            return await self._watch(request)
        if request.path in self.objects:
            return web.json_response(self.objects[request.path])
        if found := _discovery(request.path):
            return web.json_response(found)
        group, plural = request.path.split("/namespaces/")[0].split("/")[2], request.path.rsplit("/", 1)[-1]
        if plural not in {names.PLURAL, "components"}:
            return _refusal(404)
        of_kind = (path for path in self.objects if path.startswith(f"/apis/{group}/") and f"/{plural}/" in path)
        items = [self.objects[path] for path in of_kind]
        return web.json_response({"metadata": {"resourceVersion": str(next(self._versions))}, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        while not self.status and request.transport and not request.transport.is_closing():
            with contextlib.suppress(TimeoutError):
                event = await asyncio.wait_for(self._next(request.path), 0.05)
                await reply.write((event if isinstance(event, str) else json.dumps(event)).encode() + b"\n")
        return reply

    async def _next(self, path: str) -> Object | str:
        return await (self.events.get() if path.endswith(names.PLURAL) else asyncio.Future())

    async def _apply(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removesuffix("/status")
        if path not in self.objects:
            return _refusal(404)
        self.objects[path]["status"] = (await request.json())["status"]
        return web.json_response(self.objects[path])

    async def _write(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        path = request.path if request.method == "PUT" else f"{request.path}/{body['metadata']['name']}"
        present = self.objects.get(path, body)
        if present["metadata"].get("resourceVersion") != body["metadata"].get("resourceVersion"):
            return _refusal(409)
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[path] = body
        return web.json_response(body)


def dapr_path(namespace: str, name: str) -> str:
    """Return the path of one of Dapr's components."""
    return f"{kube.dapr_components(namespace)}/{name}"


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[SmallApi, Path]]:
    """Serve inside the block; yield the server's state and a kubeconfig for it."""
    api = SmallApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    path = directory / "small-api.kubeconfig"
    path.write_text(json.dumps(_kubeconfig(f"http://127.0.0.1:{runner.addresses[0][1]}")))
    try:
        yield api, path
    finally:
        await runner.cleanup()


def _refusal(status: int) -> web.Response:
    return web.json_response({"kind": "Status", "code": status, "message": "hush"}, status=status)


def _discovery(path: str) -> Object | None:
    if path == "/api":
        return {"versions": ["v1"]}
    if path == "/apis":
        groups = [(name, {"version": version}) for name, version in GROUPS.items()]
        return {"groups": [{"name": name, "preferredVersion": only, "versions": [only]} for name, only in groups]}
    if path not in RESOURCES:
        return None
    verbs = ["get", "list", "watch"]
    resources = [
        {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs}
        for plural, (kind, namespaced) in RESOURCES[path].items()
    ]
    return {"resources": resources}


def _kubeconfig(server: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "small",
        "clusters": [{"name": "small", "cluster": {"server": server}}],
        "users": [{"name": "small", "user": {"token": "made-up"}}],
        "contexts": [{"name": "small", "context": {"cluster": "small", "user": "small"}}],
    }
