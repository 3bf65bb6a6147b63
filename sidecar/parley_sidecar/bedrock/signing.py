"""AWS credentials and signatures: what botocore does better than anybody, without its HTTP client.

`providers.aws_bedrock` signs each request here. Reading credentials may ask a metadata service or STS and blocks, so
that happens in a thread, once for all requests that wait for it, and ahead of time where old ones still hold.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
    ReadOnlyCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from parley_sidecar.errors import InvalidComponent, ParleyError, ProviderRefused, ProviderUnavailable

SIGNING_NAME: Final = "bedrock"
"""The service in a signature's scope. Source: the service model of Bedrock Runtime."""
ROLE_SESSION_NAME: Final = "parley"
"""How an assumed role shows in CloudTrail."""
PAUSE_S: Final = 5.0
"""After credentials were asked for, in vain or not, nobody asks again before this."""
EXPIRY_MARGIN_S: Final = 60
"""Credentials that last shorter than this are not used any more."""

for _name in ("botocore", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # at debug they print tokens and whole requests


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials that do not change."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


class Signer:
    """Signs the requests of one component."""

    def __init__(self, region: str, keys: Keys | None, role_arn: str | None, pause_s: float = PAUSE_S) -> None:
        """Read nothing yet. Without `keys`, credentials come from the default chain: environment, profile, web
        identity, container, instance metadata; with `role_arn`, they are used to assume that role.
        """  # noqa: D205 - one thought
        self._region = region
        self._keys = keys
        self._role_arn = role_arn
        self._pause_s = pause_s
        self._source: Credentials | None = None
        self._held: ReadOnlyCredentials | None = None
        self._renewal: asyncio.Task[ReadOnlyCredentials | ParleyError] | None = None
        self._next_try_s = 0.0

    async def headers(self, url: str, body: bytes) -> dict[str, str]:
        """Return the headers of a POST of JSON, its signature among them; `url` must go out exactly as it is here.

        Raises:
            InvalidComponent: when there are no credentials anywhere.
            ProviderRefused: when AWS refuses to hand them out.
            ProviderUnavailable: when they cannot be had now.
        """
        request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
        SigV4Auth(await self._credentials(), SIGNING_NAME, self._region).add_auth(request)
        return dict(request.headers.items())

    async def _credentials(self) -> ReadOnlyCredentials:
        held = self._held
        if held is None or self._end_within(EXPIRY_MARGIN_S):
            outcome = await asyncio.shield(self._renewed())
            if isinstance(outcome, ParleyError):
                raise type(outcome)(outcome.message)  # of its own for each request: a traceback holds on to its frames
            return outcome
        if self._end_within(None):
            self._renewed()
        return held

    def _end_within(self, seconds: int | None) -> bool:
        """Say whether the credentials end so soon; None is the time ahead that botocore renews them."""
        return isinstance(self._source, RefreshableCredentials) and bool(self._source.refresh_needed(seconds))

    def _renewed(self) -> asyncio.Task[ReadOnlyCredentials | ParleyError]:
        """Return the renewal that is under way or just over, whatever came of it, or else begin one."""
        now_s = asyncio.get_running_loop().time()
        if self._renewal is None or (self._renewal.done() and now_s >= self._next_try_s):
            self._renewal = asyncio.create_task(self._renew())
        return self._renewal

    async def _renew(self) -> ReadOnlyCredentials | ParleyError:
        """Return new credentials, or why there are none; nobody may be waiting, while old ones hold."""
        try:
            outcome = self._held = await asyncio.to_thread(self._read)
        except ParleyError as error:
            return error
        else:
            return outcome
        finally:
            self._next_try_s = asyncio.get_running_loop().time() + self._pause_s

    def _read(self) -> ReadOnlyCredentials:
        """Return credentials that are fresh; blocks. Foreign exceptions become ours here and nowhere else."""
        try:
            if self._source is None:
                self._source = self._found()
            return self._source.get_frozen_credentials()
        except ClientError as error:
            raise ProviderRefused("AWS refused to hand out credentials") from error
        except (BotoCoreError, OSError, ValueError, RuntimeError) as error:
            raise ProviderUnavailable("the AWS credentials could not be read") from error

    def _found(self) -> Credentials:
        session = Session()
        session.set_config_variable("region", self._region)
        keys = self._keys
        own = Credentials(keys.access_key, keys.secret_key, keys.session_token, method="component") if keys else None
        found = own or session.get_credentials()
        if found is None:
            raise InvalidComponent("there are no AWS credentials: neither in the component nor in the default chain")
        if self._role_arn is None:
            return found
        extra = {"RoleSessionName": ROLE_SESSION_NAME}
        fetcher = AssumeRoleCredentialFetcher(session.create_client, found, self._role_arn, extra_args=extra)
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
