"""Numbers and vaults: which value has which token, and what of it may come back."""

from parley_sidecar.pii.vault import Named, RequestNumbers, Vault


async def test_values_are_numbered_by_kind() -> None:
    """In order of appearance; a value keeps its first kind and number."""
    numbers = RequestNumbers()

    first = await numbers.assign([("IP", "10.8.9.1"), ("EMAIL_ADDRESS", "a@b.de"), ("IP", "10.8.9.2")])
    again = await numbers.assign([("PHONE_NUMBER", "10.8.9.1"), ("IP", "10.8.9.3")])

    assert [Named("IP", "10.8.9.1", 1), Named("EMAIL_ADDRESS", "a@b.de", 1), Named("IP", "10.8.9.2", 2)] == first
    assert [Named("IP", "10.8.9.1", 1), Named("IP", "10.8.9.3", 3)] == again
    assert () == await numbers.known() == numbers.repeats(["10.8.9.1"])


def test_a_vault_knows_what_may_come_back() -> None:
    """By number, and without one while there is no other of the kind; secrets never do, with or without their text."""
    vault = Vault([Named("IP", "10.8.9.1", 1), Named("SECRET", "", 1), Named("SECRET", "hunter22x", 2)])

    assert {"IP_1": "10.8.9.1", "IP": "10.8.9.1"} == vault.restored
    assert {"10.8.9.1": "<IP_1>", "hunter22x": "<SECRET_2>"} == vault.tokens
    assert 3 == vault.size


def test_what_is_added_twice_counts_once() -> None:
    """A second value of the kind takes the token without a number away for good."""
    vault = Vault([Named("IP", "10.8.9.1", 1)])

    vault.add([Named("IP", "10.8.9.1", 1)])
    once = dict(vault.restored)
    vault.add([Named("IP", "10.8.9.2", 2), Named("IP", "10.8.9.3", 3)])

    assert {"IP_1": "10.8.9.1", "IP": "10.8.9.1"} == once
    assert {"IP_1": "10.8.9.1", "IP_2": "10.8.9.2", "IP_3": "10.8.9.3"} == vault.restored


def test_a_vault_shows_no_value() -> None:
    """Not where somebody prints it."""
    assert "10.8.9.1" not in repr(Vault([Named("IP", "10.8.9.1", 1)]))
