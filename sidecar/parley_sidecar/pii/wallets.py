"""Addresses of crypto wallets: by checksum, or by a prefix and an alphabet of their own. Used by `tokens`."""

import re
from typing import Final

from parley_sidecar.pii.check_digits import base58_bytes, base58_check

_ETHEREUM: Final = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_BECH32: Final = re.compile(
    r"(?:(?:bc|tb|ltc|tltc|dgb|vtc|grs|btg)1[ac-hj-np-z02-9]{25,71}|addr1[ac-hj-np-z02-9]{50,110}"
    r"|stake1[ac-hj-np-z02-9]{50,60}|(?:cosmos|osmo|juno|terra|inj|sei|celestia|kava|akash)1[ac-hj-np-z02-9]{38,58})\Z",
    re.IGNORECASE,
)
_CASH: Final = re.compile(r"[qp][ac-hj-np-z02-9]{41}\Z")
_MONERO: Final = re.compile(r"[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}(?:[1-9A-HJ-NP-Za-km-z]{11})?\Z")
_STELLAR: Final = re.compile(r"G[A-Z2-7]{55}\Z")
_TON: Final = re.compile(r"(?:EQ|UQ|kQ|0Q)[A-Za-z0-9_-]{46}\Z")
_TEZOS: Final = re.compile(r"(?:tz[1-4]|KT1)[1-9A-HJ-NP-Za-km-z]{33}\Z")
_CHECKED: Final = range(26, 36)
"""Characters of 25 bytes in base 58."""
_SOLANA: Final = range(43, 45)
"""Characters of nearly all 32 bytes in base 58."""
_SS58: Final = range(46, 49)
_SOLANA_BYTES: Final = 32
_SS58_BYTES: Final = range(35, 37)
_PUBLIC_KEY: Final = re.compile(r"[1-9A-HJ-NP-Za-km-z]{43,48}\Z")


def is_wallet(token: str, before: str) -> bool:
    """Say whether a token is an address; `before` is the text that ends where it begins."""
    length = len(token)
    if token[0] == "0":
        return _ETHEREUM.match(token) is not None and len(set(token[2:])) > 4  # noqa: PLR2004 - 0x000... is nobody's
    if length in _CHECKED:
        return base58_check(token) or (token[0] == "r" and base58_check(token, ripple=True))
    if _BECH32.match(token) or _MONERO.match(token) or _STELLAR.match(token) or _TEZOS.match(token):
        return True
    if _CASH.match(token):
        return before.endswith("bitcoincash:")
    return _is_key(token, length) or (_TON.match(token) is not None and _mixed(token))


def _is_key(token: str, length: int) -> bool:
    """Say whether a token is a public key as Solana and Polkadot write it."""
    if not _PUBLIC_KEY.match(token) or not _mixed(token):
        return False
    raw = base58_bytes(token)
    return raw is not None and (
        (length in _SOLANA and len(raw) == _SOLANA_BYTES) or (length in _SS58 and len(raw) in _SS58_BYTES)
    )


def _mixed(token: str) -> bool:
    return not token.islower() and not token.isupper() and any(map(str.isdigit, token))
