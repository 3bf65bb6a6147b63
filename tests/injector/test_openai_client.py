"""An unchanged OpenAI client, with the environment that the injector gives it, at a real sidecar."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.injector.world import ENABLED, injected, pod, variables
from tests.sidecar.processes import examples, parley_run

PROGRAM = """
from openai import OpenAI
question = {"role": "user", "content": "hello"}
print(OpenAI().chat.completions.create(model="echo", messages=[question]).choices[0].message.content)
"""
TOKEN = "open sesame"


@pytest.mark.parametrize("secret", [{}, {"parley.dev/api-token-secret": "calls"}], ids=["no token", "token"])
def test_a_client_that_names_neither_address_nor_key_is_answered(secret: dict[str, str], tmp_path: Path) -> None:
    """With a token it is let in by it, and without one it starts at all."""
    token = {"DAPR_API_TOKEN": TOKEN} if secret else {}
    with parley_run(tmp_path, "--components", str(examples(tmp_path)), environ=token) as parley:
        parley.until_up()
        annotations = {**ENABLED, **secret, "parley.dev/openai-env": "true"}
        document = pod({**annotations, "parley.dev/http-port": str(parley.http_port)})
        told = variables(injected(document)["spec"]["containers"][0])
        environ = {name: TOKEN if isinstance(value, dict) else value for name, value in told.items()}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=False)

        assert ("hello\n", "") == (done.stdout, done.stderr)
