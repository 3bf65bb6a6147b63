"""The two processes of the image, as they are started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from parley_crds import __version__
from parley_operator.__main__ import main


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own."""
    return subprocess.run(
        [sys.executable, "-c", program], env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_the_injector_knows_no_api_server() -> None:
    """Its process imports neither kopf nor the Kubernetes client: what it does not have it cannot misuse."""
    program = """
import sys
from parley_operator.__main__ import main
from parley_operator.injector import webhook
print({name.split('.')[0] for name in sys.modules} & {'kopf', 'kubernetes', 'uvloop', 'aiohttp'} - {'uvloop'})
"""

    assert "set()\n" == python(program).stdout


def test_the_injector_is_started_by_its_name(tmp_path: Path) -> None:
    """Without its mounted settings it ends with a sentence that names them."""
    ended = subprocess.run(
        [sys.executable, "-m", "parley_operator", "injector"],
        env=os.environ | {"PARLEY_INJECTOR_SETTINGS": str(tmp_path / "absent.json")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 0 != ended.returncode
    assert "Traceback" not in ended.stderr


def test_an_unknown_process_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The two are named."""
    with pytest.raises(SystemExit) as caught:
        main(["both"])

    assert 2 == caught.value.code
    assert "'operator', 'injector'" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """As every command does."""
    with pytest.raises(SystemExit):
        main(["--version"])

    assert f"{__version__}\n" == capsys.readouterr().out


def test_an_operator_outside_of_a_cluster_says_so() -> None:
    """Without a service account and without KUBECONFIG there is nobody to ask: a sentence, no traceback."""
    bare = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    command = [sys.executable, "-m", "parley_operator", "operator"]
    ended = subprocess.run(command, env=bare, capture_output=True, text=True, check=False, timeout=60)

    assert 1 == ended.returncode
    assert "the API server cannot be found: not in a pod, and no KUBECONFIG\n" == ended.stderr
