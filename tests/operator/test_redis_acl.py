"""The users of the chart's own Redis: who may do what, and what is due. Pure."""

from parley_operator.redis_acl import COMMANDS, due, file, made, password_of, user, users
from tests.sidecar.redis_servers import rights

ROOT = "the operator's"
LINES = ("user default off resetchannels -@all", "user operator on #00 -@all", "user parley-shop on #11 ~parley:shop:*")


def test_the_file_lets_the_operator_in_and_nobody_else() -> None:
    """By a hash; what it may do is making users."""
    default, operator = file(ROOT).splitlines()

    assert "user default off" == default
    assert operator.startswith("user operator on #")
    assert operator.endswith("resetkeys resetchannels -@all +acl|list +acl|setuser +acl|deluser")
    assert ROOT not in file(ROOT)


def test_a_namespaces_user_has_the_rights_that_the_docs_give() -> None:
    """The same commands, keys and channels; the password is a hash here too."""
    command = made("shop", ROOT)
    documented = rights("shop")

    assert ("ACL", "SETUSER", documented[0], "reset", "on") == command[:5]
    assert {word for word in documented[3:] if word != "resetkeys"} == set(command[6:])
    assert set(COMMANDS) == {word[1:] for word in documented if word.startswith("+")}
    assert password_of("shop", ROOT) not in " ".join(command)


def test_passwords_follow_from_the_operators_and_from_the_namespace() -> None:
    """Every replica computes the same; no namespace knows another's."""
    assert password_of("shop", ROOT) == password_of("shop", ROOT)
    assert 3 == len({password_of("shop", ROOT), password_of("bank", ROOT), password_of("shop", "another")})
    assert 43 == len(password_of("shop", ROOT))


def test_only_namespaces_users_are_ours_to_change() -> None:
    """What the file brings is not looked at."""
    assert {"parley-shop": LINES[2]} == users(LINES)


def test_what_is_due_is_what_differs() -> None:
    """A user that is missing, or not as it was made, is made; one of no namespace goes; the others rest."""
    present = users(LINES)
    set_again = [made("bank", ROOT), made("shop", ROOT)]

    assert [] == due(["shop"], ROOT, present, present)
    assert set_again == due(["shop", "bank"], ROOT, present, {})
    assert set_again == due(["shop", "bank"], ROOT, present, {"parley-shop": "user parley-shop on ~* +@all"})
    assert [("ACL", "DELUSER", user("shop"))] == due([], ROOT, present, present)
