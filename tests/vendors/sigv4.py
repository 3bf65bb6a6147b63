"""Signature Version 4 as the server verifies it, computed anew from what came over the wire.

Source: AWS's IAM user guide, "Create a signed AWS API request".
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from starlette.requests import Request

MAX_SKEW_S = 900


class BadSignatureError(Exception):
    """The request is not signed as it must be."""


@dataclass(frozen=True, slots=True)
class Account:
    """What AWS knows of an access key."""

    secret: str
    session_token: str | None


def verify(request: Request, body: bytes, accounts: Mapping[str, Account], scope: str) -> None:
    """Raise BadSignatureError unless the request is signed with a known secret; `scope` is region/service/end."""
    kind, _, rest = request.headers.get("authorization", "").partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if kind != "AWS4-HMAC-SHA256" or set(fields) != {"Credential", "SignedHeaders", "Signature"}:
        raise BadSignatureError("Missing Authentication Token")
    key_id, _, signed_scope = fields["Credential"].partition("/")
    account = accounts.get(key_id)
    stamp = request.headers.get("x-amz-date", "")
    if account is None:
        raise BadSignatureError("The security token included in the request is invalid.")
    if request.headers.get("x-amz-security-token") != account.session_token:
        raise BadSignatureError("The security token included in the request is invalid.")
    if signed_scope != f"{stamp[:8]}/{scope}":
        raise BadSignatureError("Credential should be scoped to a valid region.")
    age = datetime.now(UTC) - datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(age.total_seconds()) > MAX_SKEW_S:
        raise BadSignatureError("Signature expired")
    signed = fields["SignedHeaders"].split(";")
    if not {"host", "x-amz-date"}.issubset(signed) or (account.session_token and "x-amz-security-token" not in signed):
        raise BadSignatureError("a header that must be signed is not")
    text = "\n".join(
        ("AWS4-HMAC-SHA256", stamp, signed_scope, hashlib.sha256(_canonical(request, body, signed)).hexdigest())
    )
    expected = hmac.new(_signing_key(account.secret, stamp[:8], scope), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, fields["Signature"]):
        raise BadSignatureError("The request signature we calculated does not match the signature you provided.")


def _canonical(request: Request, body: bytes, signed: list[str]) -> bytes:
    raw_path = request.scope["raw_path"].decode("ascii")
    query = "&".join(
        sorted(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in parse_qsl(request.url.query)
        )
    )
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed)
    parts = (request.method, quote(raw_path, safe="/-_.~"), query, headers, ";".join(signed))
    return "\n".join((*parts, hashlib.sha256(body).hexdigest())).encode()


def _signing_key(secret: str, day: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, *scope.split("/")):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
