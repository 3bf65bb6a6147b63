"""`parley check`: the lines for each kind of finding, and which of them fail."""

import io
from pathlib import Path

from parley_sidecar.checking import check_files

GOOD = """
apiVersion: parley.dev/v1alpha1
kind: ConversationComponent
metadata: {name: echo}
spec: {type: conversation.echo}
"""
GPT = GOOD.replace("echo", "gpt").replace("conversation.gpt", "conversation.openai")


def lines(*files: str, standard_input: str = "") -> list[tuple[str, bool]]:
    """Check files and return each line with whether it fails."""
    return list(check_files(files, io.StringIO(standard_input)))


def test_a_good_component_is_ok(tmp_path: Path) -> None:
    """Ours and Dapr's, each document by its number; a missing Secret is no fault of a file."""
    file = tmp_path / "a.yaml"
    dapr = GOOD.replace("parley.dev", "dapr.io").replace("ConversationComponent", "Component").replace("echo}", "d}", 1)
    key = GPT.replace("}\nspec: {", "}\nspec: {metadata: [{name: key, secretKeyRef: {name: s, key: k}}], ")
    file.write_text(f"{GOOD}---{dapr}---{key}")

    expected = [(f"{file}#1 echo: ok", False), (f"{file}#2 d: ok", False), (f"{file}#3 gpt: ok", False)]
    assert expected == lines(str(file))


def test_the_standard_input_is_read() -> None:
    """`-` stands for it."""
    assert [("-#1 echo: ok", False)] == lines("-", standard_input=GOOD)


def test_every_fault_is_a_line_that_fails() -> None:
    """Reason and sentence, all of them; where there is no name the place must do."""
    text = f"{GPT.replace('openai}', 'openai, version: v2}')}---\n- 1"

    assert [
        ("-#1 gpt: UnknownVersion: conversation.openai has no version v2, only v1", True),
        ("-#1 gpt: MissingSetting: conversation.openai needs key in spec.metadata", True),
        ("-#2: Malformed: not a Kubernetes object with apiVersion, kind and metadata.name", True),
    ] == lines("-", standard_input=text)


def test_a_warning_does_not_fail() -> None:
    """A misspelt setting, a name that is used twice, and a text without components are said and let pass."""
    misspelt = GPT.replace("{type", "{metadata: [{name: key, value: a}, {name: modle, value: b}], type")

    assert [
        ("-#1 gpt: warning: UnknownSetting: conversation.openai does not know modle", False),
        ("-#2 echo: ok", False),
        ("-#3 echo: warning: RepeatedName: -#2 has that name too", False),
    ] == lines("-", standard_input=f"{misspelt}---{GOOD}---{GOOD}")
    assert [("-: no component in it", False)] == lines("-", standard_input="{apiVersion: v1, kind: Secret}")


def test_a_file_that_cannot_be_read_fails(tmp_path: Path) -> None:
    """It is named with the system's reason, and the others are checked all the same."""
    (tmp_path / "bytes").write_bytes(b"\xff")
    files = [str(tmp_path / "none"), str(tmp_path / "bytes"), "-"]

    assert [
        (f"{tmp_path}/none: Unreadable: cannot be read: No such file or directory", True),
        (f"{tmp_path}/bytes: Unreadable: not UTF-8", True),
        ("-#1 echo: ok", False),
    ] == lines(*files, standard_input=GOOD)
