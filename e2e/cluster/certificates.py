"""The cluster's certificate authority, made anew for each run with openssl, and the kubeconfig files it signs."""

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.errors import ClusterError

LIFETIME_DAYS = "30"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_LEAF = "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a directory: ca.crt, NAME.crt and NAME.key, and the service accounts' key pair."""

    directory: Path

    def create(self) -> None:
        """Make the authority and the key pair that signs service accounts' tokens (sa.key, sa.pub)."""
        self.directory.mkdir(mode=0o700)
        self._openssl("genrsa", "-out", "sa.key", "2048")
        self._openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")
        usage = "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
        subject = ("-subj", "/CN=parley-e2e-ca", "-addext", usage, "-days", LIFETIME_DAYS)
        self._openssl("req", "-x509", *_NEW_KEY, "-keyout", "ca.key", "-out", "ca.crt", *subject)

    def issue(self, name: str, subject: str, names: Sequence[str] = ()) -> None:
        """Sign a certificate that serves both ways, for these DNS names and addresses."""
        self._openssl("req", *_NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(_LEAF + alternative_names(names), encoding="utf-8")
        signer = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", LIFETIME_DAYS)
        leaf = ("-in", f"{name}.csr", "-extfile", extensions.name, "-out", f"{name}.crt")
        self._openssl("x509", "-req", *leaf, *signer)

    def kubeconfig(self, user: str, server: str, path: Path) -> Path:
        """Write a kubeconfig (JSON is YAML) with the user's certificate in it, readable by the owner alone."""
        name = "parley-e2e"
        cluster = {"server": server, "certificate-authority-data": self._encoded("ca.crt")}
        keys = {
            "client-certificate-data": self._encoded(f"{user}.crt"),
            "client-key-data": self._encoded(f"{user}.key"),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": user, "user": keys}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def _encoded(self, name: str) -> str:
        return base64.b64encode((self.directory / name).read_bytes()).decode()

    def _openssl(self, *arguments: str) -> None:
        command = ["openssl", *arguments]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"openssl {arguments[0]}: {done.stderr.strip()}")


def alternative_names(names: Sequence[str]) -> str:
    """Write the extension's line, empty without names; what starts with a digit is an address."""
    if not names:
        return ""
    return "subjectAltName=" + ",".join(("IP:" if name[0].isdigit() else "DNS:") + name for name in names) + "\n"
