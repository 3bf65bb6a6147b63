"""Azure's OpenAI for identities, and what gives them tokens: Entra ID, and the endpoint of a managed identity.

`python tests/sidecar/sdk_transport/entra.py --port 8000 [--certificate PEM --key PEM]`; Entra ID itself wants TLS.
GET /asked says what tokens were asked for. Source: "Microsoft identity platform and the OAuth 2.0 client credentials
flow"; "How to use managed identities for App Service", its REST endpoint.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # started by its path, it still finds `tests`

from tests.vendors import chat_completions, openai_azure

SCOPE = "https://cognitiveservices.azure.com"
TOKEN = "entra-token"
IDENTITY_HEADER = "the-pods-header"
ASKED: list[dict[str, str]] = []


async def managed(request: Request) -> JSONResponse:
    """Answer a managed identity; one that is called `stranger` has no token."""
    asked = dict(request.query_params)
    ASKED.append(asked)
    good = request.headers.get("x-identity-header") == IDENTITY_HEADER and asked.get("resource") == SCOPE
    if not good or asked.get("client_id") == "stranger":
        return JSONResponse({"statusCode": 400, "message": "no secret words"}, 400)
    ends = int(time.time()) + 3600
    return JSONResponse({"access_token": TOKEN, "expires_on": str(ends), "resource": SCOPE, "token_type": "Bearer"})


async def token(request: Request) -> JSONResponse:
    """Answer as Entra ID: to a secret, or to the token of a Kubernetes service account."""
    form = dict(parse_qsl((await request.body()).decode()))
    ASKED.append(form | {"tenant": request.path_params["tenant"]})
    proof = form.get("client_secret") or form.get("client_assertion")
    if form.get("scope") != f"{SCOPE}/.default" or proof not in {"good-secret", "the-pods-token"}:
        return JSONResponse({"error": "invalid_client", "error_description": "no secret words"}, 401)
    return JSONResponse({"token_type": "Bearer", "expires_in": 3600, "access_token": TOKEN})


async def asked(_: Request) -> JSONResponse:
    """Say what tokens were asked for."""
    return JSONResponse(ASKED)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    given = parser.parse_args()
    rules = replace(openai_azure.RULES, key=TOKEN, key_header=("authorization", "Bearer "))
    routes = [
        Route("/asked", asked),
        Route("/msi/token", managed),
        Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
        Mount("/", chat_completions.app(rules)),
    ]
    uvicorn.run(
        Starlette(routes=routes),
        host="127.0.0.1",
        port=given.port,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ssl_certfile=given.certificate,
        ssl_keyfile=given.key,
    )


if __name__ == "__main__":
    main()
