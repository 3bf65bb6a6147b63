"""Every kind of store, for the suites that each must pass."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.sidecar.either_store import Either, either_store
from tests.sidecar.redis_servers import own_cluster


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis Cluster, where a script may touch keys of one slot only."""
    with own_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.url


@pytest.fixture(params=["memory", "redis", "cluster"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[Either]:
    """Each store in turn, empty."""
    fixtures = {"redis": "redis_url", "cluster": "cluster_url"}
    url = request.getfixturevalue(fixtures[request.param]) if request.param in fixtures else None
    async with either_store(url) as made:
        yield made
