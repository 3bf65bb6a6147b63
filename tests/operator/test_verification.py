"""What is wrong with a certificate that somebody else made: real keys, of another kind, and a passed clock."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from parley_operator.certificates import make_authority, make_leaf
from parley_operator.verification import SENTENCES, Fault, fault, services
from tests.operator.issuer import Issuer

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
NAMES = ("parley-operator.parley-system.svc", "parley-injector.parley-system.svc")
ROOT = Issuer("root", NOW, key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
BETWEEN = Issuer("between", NOW, above=ROOT)
GIVEN = ROOT.secret(NAMES)
CHAINED = BETWEEN.secret(NAMES)
OTHERS = ROOT.secret(NAMES)
BRIEF = Issuer("brief", NOW, timedelta(days=1))


@pytest.mark.parametrize("given", [GIVEN, CHAINED, ROOT.secret(["*.parley-system.svc"])], ids=["plain", "chain", "any"])
def test_what_a_client_would_accept_is_good(given: Mapping[str, str]) -> None:
    """Signed at one remove or at two, by name or by a wildcard, until its last second, and for nobody else."""
    assert fault(given, ROOT.pem, NAMES, NOW) is None
    assert fault(given, ROOT.pem, NAMES, NOW + timedelta(days=7)) is None
    assert "names" == fault(given, ROOT.pem, [*NAMES, "parley-operator.elsewhere.svc"], NOW)


def test_what_the_keeper_makes_is_good() -> None:
    """The same look is taken at it."""
    authority = make_authority(NOW)
    leaf = make_leaf(authority, NAMES, NOW)

    assert fault({"tls.crt": leaf.certificate, "tls.key": leaf.key}, authority.certificate, NAMES, NOW) is None


@pytest.mark.parametrize(
    ("given", "trusted", "after", "expected"),
    [
        ({}, ROOT.pem, timedelta(0), "incomplete"),
        ({**GIVEN, "tls.key": ""}, ROOT.pem, timedelta(0), "incomplete"),
        (GIVEN, "", timedelta(0), "incomplete"),
        ({**GIVEN, "tls.crt": "garbage"}, ROOT.pem, timedelta(0), "unreadable"),
        ({**GIVEN, "tls.key": "garbage"}, ROOT.pem, timedelta(0), "unreadable"),
        (GIVEN, "garbage", timedelta(0), "unreadable"),
        ({**GIVEN, "tls.key": OTHERS["tls.key"]}, ROOT.pem, timedelta(0), "key"),
        (GIVEN, ROOT.pem, timedelta(days=7, seconds=1), "expired"),
        (GIVEN, ROOT.pem, timedelta(seconds=-1), "expired"),
        (GIVEN, Issuer("other", NOW).pem, timedelta(0), "authority"),
        (BRIEF.secret(NAMES), BRIEF.pem, timedelta(days=2), "authority"),
        ({**CHAINED, "tls.crt": CHAINED["tls.crt"].replace(BETWEEN.pem, "")}, ROOT.pem, timedelta(0), "authority"),
    ],
)
def test_each_fault_has_its_reason(given: Mapping[str, str], trusted: str, after: timedelta, expected: Fault) -> None:
    """A person reads a sentence for it; a metric has it as its label."""
    assert expected == fault(given, trusted, NAMES, NOW + after)
    assert SENTENCES[expected]


def test_a_certificate_names_the_services_it_is_for() -> None:
    """Not what is no Service, nor what stands for several; one without names is for nobody."""
    told = ROOT.secret([*NAMES, "*.parley-system.svc", "localhost", f"{NAMES[0]}.cluster.local"])
    leaf, authority = (x509.load_pem_x509_certificate(text.encode()) for text in (told["tls.crt"], ROOT.pem))

    assert (NAMES, ()) == (services(leaf), services(authority))
