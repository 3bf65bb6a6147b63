"""Reviews of tokens, on a real API server: how often it is asked, and what an answer is worth later."""

import json
from collections.abc import AsyncIterator, Mapping

import pytest

from parley_crds import names
from parley_operator import authentication
from parley_operator.authentication import (
    BAD_FOR_S,
    GOOD_FOR_S,
    Account,
    Authenticator,
    Clocks,
    NotAdmitted,
    Unauthenticated,
)
from parley_operator.kube import CALL_LIMIT_S, NO_QUERY, TOKEN_REVIEWS, Kube, Object
from parley_operator.metrics import Metrics
from tests.conftest import until
from tests.operator.serving import Clock
from tests.operator.world import Plant

pytestmark = pytest.mark.control_plane


class CountingKube(Kube):
    """Our client, counting the reviews that it asks for."""

    reviews = 0

    async def create(
        self, path: str, body: Object, limit_s: float = CALL_LIMIT_S, query: Mapping[str, str] = NO_QUERY
    ) -> Object:
        """Count, and ask."""
        self.reviews += path == TOKEN_REVIEWS
        return await super().create(path, body, limit_s, query)


@pytest.fixture
async def counting(bare: Plant, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingKube]:
    """A counting client of the administrator."""
    monkeypatch.setenv("KUBECONFIG", str(bare.cluster.kubeconfig))
    api = await CountingKube.connect()
    assert isinstance(api, CountingKube)
    yield api
    await api.aclose()


def sidecar_token(plant: Plant, pod: str) -> str:
    """Return the header of a sidecar in a new pod of this name."""
    plant.pod(pod, "shop")
    return f"Bearer {plant.token('default', names.STREAM_AUDIENCE, pod)}"


async def test_a_good_review_is_believed_for_a_minute(bare: Plant, counting: CountingKube) -> None:
    """A sidecar that comes back costs no second one, until then."""
    clock = Clock()
    authenticator = Authenticator(counting, Metrics(), Clocks(clock))
    header = sidecar_token(bare, "believed")
    asked = []
    for clock.now in (0.0, GOOD_FOR_S - 1, GOOD_FOR_S):
        identity = await authenticator.sidecar(header)
        asked.append(counting.reviews)

    assert [1, 1, 2] == asked
    assert (bare.namespace, "believed", "shop") == (identity.namespace, identity.pod, identity.app_id)


async def test_a_bad_review_is_believed_for_a_few_seconds(bare: Plant, counting: CountingKube) -> None:
    """A storm of bad tokens costs the API server little."""
    clock = Clock()
    authenticator = Authenticator(counting, Metrics(), Clocks(clock))
    for clock.now in (0.0, BAD_FOR_S - 1, BAD_FOR_S):
        with pytest.raises(Unauthenticated, match="not accepted"):
            await authenticator.sidecar("Bearer e30.e30.forged")

    assert 2 == counting.reviews


async def test_a_token_is_not_believed_for_longer_than_it_lives(bare: Plant, counting: CountingKube) -> None:
    """Beyond its own end it is asked about again."""
    authenticator = Authenticator(counting, Metrics(), Clocks(Clock(), lambda: 1e11))
    header = sidecar_token(bare, "ended")
    await authenticator.sidecar(header)
    await authenticator.sidecar(header)

    assert 2 == counting.reviews


async def test_a_believed_token_of_a_deleted_pod_is_refused(bare: Plant, counting: CountingKube) -> None:
    """The pod is looked at each time; another one of the same name does not have its uid."""
    authenticator = Authenticator(counting, Metrics(), Clocks(Clock()))
    header = sidecar_token(bare, "deleted")
    await authenticator.sidecar(header)
    bare.kubectl("delete", "pod", "deleted", "--grace-period=0", "--force")
    with pytest.raises(NotAdmitted, match="is gone"):
        await authenticator.sidecar(header)
    sidecar_token(bare, "deleted")
    with pytest.raises(NotAdmitted, match="is gone"):
        await authenticator.sidecar(header)

    assert 1 == counting.reviews


async def test_what_is_remembered_is_bounded(bare: Plant, counting: CountingKube) -> None:
    """What has ended goes first; only a flood of living ones empties it."""
    clock = Clock()
    authenticator = Authenticator(counting, Metrics(), Clocks(clock))
    living = sidecar_token(bare, "living")
    with pytest.raises(Unauthenticated):
        await authenticator.sidecar("Bearer e30.e30.dead")
    await authenticator.sidecar(living)
    clock.now = BAD_FOR_S
    template = next(iter(authenticator._known.values()))
    missing = authentication.MAX_KNOWN - len(authenticator._known)
    authenticator._known |= {("filler", number.to_bytes(4)): template for number in range(missing)}
    with pytest.raises(Unauthenticated):
        await authenticator.sidecar("Bearer e30.e30.another")

    assert 2 == len(authenticator._known)
    await authenticator.sidecar(living)
    assert 3 == counting.reviews
    lasting = authenticator._known[next(iter(authenticator._known))]
    missing = authentication.MAX_KNOWN - len(authenticator._known)
    authenticator._known |= {("filler", number.to_bytes(4)): lasting for number in range(missing)}
    with pytest.raises(Unauthenticated):
        await authenticator.sidecar("Bearer e30.e30.more")
    assert 1 == len(authenticator._known)


async def test_a_peer_has_the_operators_own_account(bare: Plant, real_api: Kube) -> None:
    """Not merely one of its namespace: the injector's pods have one too."""
    bare.kubectl("create", "serviceaccount", "bare-operator")
    bare.kubectl("create", "serviceaccount", "bare-injector")
    operator = Account(bare.namespace, "bare-operator")
    authenticator = Authenticator(real_api, Metrics())
    await authenticator.peer(f"Bearer {bare.token('bare-operator', names.PEER_AUDIENCE)}", operator)

    with pytest.raises(NotAdmitted, match="not an operator's"):
        await authenticator.peer(f"Bearer {bare.token('bare-injector', names.PEER_AUDIENCE)}", operator)
    with pytest.raises(Unauthenticated):
        await authenticator.peer(f"Bearer {bare.token('bare-operator', names.STREAM_AUDIENCE)}", operator)


async def test_a_pod_of_a_namespace_that_is_not_served_is_not_admitted(
    bare: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rights for some namespaces only, the operator cannot read the others' pods: that is no fault of the API."""
    bare.kubectl("create", "serviceaccount", "limited")
    rule = [{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}]
    name = f"{bare.namespace}-limited"
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rule}
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "limited", "namespace": bare.namespace}],
    }
    bare.cluster.kubectl(
        "apply", "-f", "-", feed=json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]})
    )
    may = ("auth", "can-i", "create", "tokenreviews", "--as", f"system:serviceaccount:{bare.namespace}:limited")
    until("the right is there", lambda: bare.cluster.kubectl(*may, check=False).startswith("yes"))
    header = sidecar_token(bare, "unserved")
    monkeypatch.setenv("KUBECONFIG", str(bare.kubeconfig("limited")))
    api = await Kube.connect()

    with pytest.raises(NotAdmitted, match="does not serve"):
        await Authenticator(api, Metrics()).sidecar(header)
    await api.aclose()
