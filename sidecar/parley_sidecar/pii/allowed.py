"""What stays as it is though it looks like personal data: values, domains and networks. Used by `finder`."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from parley_sidecar.pii.kinds import Kind

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GROUPED: Final = frozenset(
    {"PHONE_NUMBER", "CREDIT_CARD", "IBAN", "US_SSN", "NATIONAL_ID", "ISBN", "MAC_ADDRESS", "ZIP_CODE"}
)
"""Kinds whose values are the same with other separators or none."""
_SEPARATORS: Final = re.compile(r"[\s().,:/+\u2010-\u2015-]+")
_DOMAIN: Final = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]*[^\W_]")
_OCTETS: Final = re.compile(r"[0-9]{1,3}")
_DEFANGED: Final = re.compile(r"[0-9]{1,3}(?:[^0-9:]{1,9}[0-9]{1,3}){3}")


class Allowed:
    """The entries of one component's list, each read as all that it may be."""

    def __init__(self, entries: Iterable[str]) -> None:
        texts = [entry.strip() for entry in entries]
        self._exact = frozenset(texts)
        self._folded = frozenset(text.casefold() for text in texts if "@" in text or _DOMAIN.fullmatch(text))
        self._domains = tuple(text.casefold() for text in texts if _DOMAIN.fullmatch(text))
        self._grouped = frozenset(packed for text in texts if any(map(str.isdigit, packed := _packed(text))))
        self._networks = tuple(network for text in texts if (network := _network(text)) is not None)

    def __bool__(self) -> bool:
        return bool(self._exact)

    def __call__(self, kind: Kind, value: str) -> bool:
        """Say whether a value of this kind stays."""
        if value in self._exact:
            return True
        if kind in _GROUPED:
            return _packed(value) in self._grouped
        if kind == "IP":
            return bool(self._networks) and self._holds(value)
        return kind != "SECRET" and (value.casefold() in self._folded or self._is_within(value.casefold()))

    def _is_within(self, value: str) -> bool:
        """Say whether an address or a host belongs to an allowed domain."""
        host = value.rpartition("@")[2]
        return any(host == domain or host.endswith(f".{domain}") for domain in self._domains)

    def _holds(self, value: str) -> bool:
        address = _address(value)
        return address is not None and any(address in network for network in self._networks)


def _packed(text: str) -> str:
    """Return a number without what separates its groups, in one case and in plain digits."""
    return _SEPARATORS.sub("", text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _address(value: str) -> Address | None:
    """Read an address as it was found: also a defanged one, and an IPv4 address within IPv6."""
    text = unicodedata.normalize("NFKC", value)
    if _DEFANGED.fullmatch(text):
        text = ".".join(str(int(octet)) for octet in _OCTETS.findall(text))
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
