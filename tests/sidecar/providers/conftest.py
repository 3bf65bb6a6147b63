"""The fixtures of the providers' tests: a client, and each vendor in turn."""

from collections.abc import AsyncIterator

import pytest

from parley_sidecar.http_client import HttpClient
from tests.conftest import Vendors
from tests.sidecar.providers.asking import ALL, VENDORS, Asked


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client that is closed after the test."""
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture(params=ALL)
def asked(request: pytest.FixtureRequest, vendors: Vendors, http: HttpClient) -> Asked:
    """Every provider in turn."""
    return Asked(str(request.param), vendors, http)


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, vendors: Vendors, http: HttpClient) -> Asked:
    """Every provider that has a vendor, in turn."""
    return Asked(str(request.param), vendors, http)
