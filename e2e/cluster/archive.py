"""Write container images as OCI archives: one layer, one manifest, no daemon and no registry."""

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from pathlib import Path

MEDIA = "application/vnd.oci.image"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NOBODY = "65532:65532"


def one_program(program: Path, reference: str, out: Path) -> None:
    """Write the image of one static program."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        root.chmod(0o755)
        shutil.copy(program, root / "program")
        (root / "program").chmod(0o755)
        write_image(root, reference, {"Entrypoint": ["/program"], "User": NOBODY}, out)


def write_image(root: Path, reference: str, config: dict[str, object], out: Path) -> None:
    """Write the tree under `root` as an image named `reference`; `config` is the OCI image's `config` object."""
    layer, plain_digest = _layer(root)
    blobs = _Blobs()
    layer_descriptor = blobs.add(layer, f"{MEDIA}.layer.v1.tar+gzip")
    image = {
        "os": "linux",
        "architecture": ARCHITECTURES[platform.machine()],
        "config": config,
        "history": [{"created_by": "e2e.cluster"}],  # one a layer, or buildah finds the image broken
        "rootfs": {"type": "layers", "diff_ids": [plain_digest]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": blobs.add(_json(image), f"{MEDIA}.config.v1+json"),
        "layers": [layer_descriptor],
    }
    names = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    named = blobs.add(_json(manifest), f"{MEDIA}.manifest.v1+json") | {"annotations": names}
    with tarfile.open(out, "w") as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", _json({"schemaVersion": 2, "manifests": [named]}))
        for path, content in blobs.files.items():
            _add(archive, path, content)


class _Blobs:
    """The archive's files, each named by its content's digest."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, content: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _layer(root: Path) -> tuple[bytes, str]:
    """Pack the tree; return it compressed, and the digest of the same without compression."""
    with tempfile.TemporaryFile() as plain:
        with tarfile.open(fileobj=plain, mode="w") as archive:
            archive.add(root, arcname=".", filter=_owned_by_root)
        plain.seek(0)
        digest = hashlib.file_digest(plain, "sha256").hexdigest()
        plain.seek(0)
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as stream:
            shutil.copyfileobj(plain, stream)
    return packed.getvalue(), f"sha256:{digest}"


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    return entry.replace(uid=0, gid=0, uname="", gname="", deep=False)


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _json(document: object) -> bytes:
    return json.dumps(document).encode()
