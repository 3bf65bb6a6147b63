"""The served certificate follows its files."""

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from parley_operator.injector.certificate import ServedCertificate
from parley_operator.verification import SENTENCES, services
from tests.injector.world import Authority, mount
from tests.operator.issuer import Issuer

NOW = datetime.now(UTC)


def test_it_is_good_once_it_is_loaded_and_until_it_expires(tmp_path: Path) -> None:
    """Readiness and the metric hang on it."""
    authority, served = Authority(), ServedCertificate(tmp_path)
    authority.issue(tmp_path, lifetime=timedelta(hours=1))
    assert not served.is_good(NOW)

    assert served.refresh()
    assert served.is_good(NOW)
    assert not served.is_good(NOW + timedelta(hours=2))
    assert authority.pem == served.trust_anchors


def test_it_is_loaded_again_only_when_it_changed(tmp_path: Path) -> None:
    """A look at unchanged files costs nothing."""
    authority, served = Authority(), ServedCertificate(tmp_path)
    authority.issue(tmp_path)
    served.refresh()
    assert not served.refresh()

    authority.issue(tmp_path, lifetime=timedelta(hours=5))

    assert served.refresh()
    assert served.is_good(NOW + timedelta(hours=4))


@pytest.mark.parametrize("spoiled", ["tls.crt", "tls.key", "ca.crt"])
def test_files_that_do_not_fit_leave_what_was_loaded(
    spoiled: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong pair, a broken file or none at all is logged, and the old certificate goes on; later it heals."""
    authority, served = Authority(), ServedCertificate(tmp_path)
    authority.issue(tmp_path)
    served.refresh()
    expires = served.expires
    files = {name: (tmp_path / name).read_text() for name in ("tls.crt", "tls.key", "ca.crt")}

    mount(tmp_path, {**files, spoiled: "spoiled"})

    with caplog.at_level(logging.WARNING):
        assert not served.refresh()
    assert (expires, authority.pem) == (served.expires, served.trust_anchors)
    assert ["certificate not loaded"] == [record.getMessage() for record in caplog.records]

    authority.issue(tmp_path, lifetime=timedelta(hours=3))
    assert served.refresh()


def test_a_key_of_another_certificate_is_not_loaded(tmp_path: Path) -> None:
    """Otherwise every new connection would fail."""
    authority, served = Authority(), ServedCertificate(tmp_path)
    authority.issue(tmp_path)
    key = (tmp_path / "tls.key").read_text()
    authority.issue(tmp_path)
    others = {name: (tmp_path / name).read_text() for name in ("tls.crt", "ca.crt")}

    mount(tmp_path, {**others, "tls.key": key})

    assert not served.refresh()
    assert not served.is_good(NOW)


def test_a_successor_waits_until_its_authority_is_trusted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The API server may not know it before; with nothing good to serve it is taken as it is. It is told once."""
    old, new, served = Authority("old"), Authority("new"), ServedCertificate(tmp_path)
    old.issue(tmp_path)
    served.refresh()
    expires = served.expires

    new.issue(tmp_path, lifetime=timedelta(hours=3), bundle=old.pem)
    with caplog.at_level(logging.WARNING):
        waits = [served.refresh(), served.refresh()]
    files = {name: (tmp_path / name).read_text() for name in ("tls.crt", "tls.key")}

    assert ([False, False], expires) == (waits, served.expires)
    problems = [record.__dict__["problem"] for record in caplog.records]
    assert ["no authority that is trusted has signed the certificate"] == problems
    assert ServedCertificate(tmp_path).refresh()
    mount(tmp_path, {**files, "ca.crt": old.pem + new.pem})
    assert served.refresh()
    assert served.expires > expires


def test_a_successor_for_other_services_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The API server would refuse it: whoever made it has to make another one."""
    issuer, served = Issuer("issuer", NOW - timedelta(hours=1)), ServedCertificate(tmp_path)
    names = ["parley-injector.parley-system.svc", "parley-operator.parley-system.svc"]
    for offered in (names, names[1:], [*names, "more.parley-system.svc"]):
        mount(tmp_path, issuer.secret(offered))
        served.refresh()

    problems = [record.__dict__["problem"] for record in caplog.records if record.levelno == logging.WARNING]
    assert [SENTENCES["names"]] == problems
    assert 3 == len(services(x509.load_pem_x509_certificate((tmp_path / "tls.crt").read_bytes())))
    assert not served.refresh()


def test_no_files_yet(tmp_path: Path) -> None:
    """The leader may not have made them: it is not good, and nothing breaks."""
    served = ServedCertificate(tmp_path / "nowhere")

    assert not served.refresh()
    assert not served.is_good(NOW)


async def test_a_listener_serves_the_new_one_without_closing(tmp_path: Path) -> None:
    """New connections get it; one that is open already is not disturbed."""
    authority, served = Authority(), ServedCertificate(tmp_path)
    authority.issue(tmp_path)
    served.refresh()
    client = ssl.create_default_context(cadata=authority.pem)
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=served.context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        first = serial(writer)

        authority.issue(tmp_path)
        served.refresh()
        _, second_writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        writer.write(b"still here\n")

        assert b"still here\n" == await reader.readline()
        assert first != serial(second_writer)
        for opened in (writer, second_writer):
            opened.close()
            await opened.wait_closed()


def test_older_tls_is_refused(tmp_path: Path) -> None:
    """The API server speaks 1.3."""
    assert ssl.TLSVersion.TLSv1_3 == ServedCertificate(tmp_path).context.minimum_version


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each line with itself until the caller leaves."""
    while line := await reader.readline():
        writer.write(line)
    writer.close()
    await writer.wait_closed()


def serial(writer: asyncio.StreamWriter) -> int:
    """Return the serial number of the certificate that a connection got."""
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    der = found.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der).serial_number
