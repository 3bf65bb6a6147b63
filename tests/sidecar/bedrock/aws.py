"""What hands out credentials in AWS, on a port of its own: STS, a container's endpoint and an instance's metadata.

Each answers with the temporary access key that the vendor's stand-in knows. Source: the API reference of STS; the user
guides of EKS ("Pod Identity") and EC2 ("Instance metadata").
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.vendors.bedrock import ACCOUNTS

TEMPORARY = "ASIAVENDORTEMP"
TOKEN = str(ACCOUNTS[TEMPORARY].session_token)
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass
class Credentials:
    """The server's state: what it hands out, and what it was asked."""

    url: str
    lifetime_s: float = 3600.0
    refuses: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    """Of each request its path, its Authorization and the fields of its form."""

    def expiry(self) -> str:
        """Return when credentials that are handed out now end."""
        return (datetime.now(UTC) + timedelta(seconds=self.lifetime_s)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def fields(self) -> dict[str, str]:
        """Return the credentials as metadata services have them."""
        secret = ACCOUNTS[TEMPORARY].secret
        keys = {"AccessKeyId": TEMPORARY, "SecretAccessKey": secret, "Token": TOKEN}
        return {"Code": "Success", **keys, "Expiration": self.expiry()}

    def xml(self, action: str) -> str:
        """Return the credentials as STS has them."""
        secret = ACCOUNTS[TEMPORARY].secret
        keys = f"<AccessKeyId>{TEMPORARY}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
        ends = f"<SessionToken>{TOKEN}</SessionToken><Expiration>{self.expiry()}</Expiration>"
        arn = "<AssumedRoleId>A:p</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/p</Arn>"
        user = f"<AssumedRoleUser>{arn}</AssumedRoleUser>"
        result = f"<{action}Result><Credentials>{keys}{ends}</Credentials>{user}</{action}Result>"
        return f'<{action}Response xmlns="{STS_NAMESPACE}">{result}</{action}Response>'


@contextmanager
def handing_out() -> Iterator[Credentials]:
    """Serve inside the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        state = Credentials(f"http://127.0.0.1:{server.server_port}")
        _Handler.states[server.server_port] = state
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    states: dict[int, Credentials] = {}  # noqa: RUF012 - by port, for the server makes its handlers itself

    def do_PUT(self) -> None:
        """Hand out the token that an instance's metadata want."""
        self._answer("imds-token", "text/plain")

    def do_GET(self) -> None:
        """Answer as a container's endpoint, or as an instance's metadata."""
        state = self._noted({})
        if state.refuses:
            self.send_error(404)
        elif self.path.endswith("/security-credentials/"):
            self._answer("the-role", "text/plain")
        else:
            self._answer(json.dumps(state.fields()), "application/json")

    def do_POST(self) -> None:
        """Answer as STS."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        state = self._noted({name: values[0] for name, values in form.items()})
        if state.refuses:
            error = "<Error><Code>AccessDenied</Code><Message>no secret words</Message></Error>"
            self._answer(f'<ErrorResponse xmlns="{STS_NAMESPACE}">{error}</ErrorResponse>', "text/xml", 403)
        else:
            self._answer(state.xml(form["Action"][0]), "text/xml")

    def _noted(self, form: dict[str, str]) -> Credentials:
        assert isinstance(self.server, ThreadingHTTPServer)
        state = self.states[self.server.server_port]
        state.asked.append({"path": self.path, "authorization": self.headers.get("Authorization", ""), **form})
        return state

    def _answer(self, text: str, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the name is the base's
        """Say nothing."""
