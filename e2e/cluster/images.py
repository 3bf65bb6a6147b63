"""The project's images and those that only the tests use, as archives in the cache.

With buildah the base images are made of Debian packages, so nothing is pulled; with docker or podman the Dockerfiles'
default bases are. An image is built again when something that goes into it changes.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from e2e.cluster import packages
from e2e.cluster.buildah import Buildah, output
from e2e.cluster.debian import download_wheels, write_debian_image
from e2e.cluster.errors import ClusterError
from e2e.cluster.locks import waited_for
from e2e.cluster.settings import settings
from e2e.cluster.sweep import unmount_below

ImageName = Literal["sidecar", "operator", "redis", "app"]
IMAGE_NAMES: tuple[ImageName, ...] = get_args(ImageName)

ROOT = Path(__file__).resolve().parents[2]
KEPT_ARCHIVES = 3  # a name: another checkout may still load an older one

# Paths from the repository's root that go into an image, its Dockerfile first.
SOURCES: Mapping[ImageName, tuple[str, ...]] = {
    "sidecar": ("sidecar/Dockerfile", "requirements/sidecar.txt", "crds/parley_crds", "sidecar/parley_sidecar"),
    "operator": ("operator/Dockerfile", "requirements/operator.txt", "crds/parley_crds", "operator/parley_operator"),
    "redis": ("e2e/images/redis.Dockerfile",),
    "app": ("e2e/images/app.Dockerfile", "requirements/sidecar.txt"),
}
BASES = {"BASE": "build", "RUNTIME": "runtime"}  # build argument: base image
RUNTIME = ("python3", "ca-certificates", "libstdc++6")  # the last for grpcio; the Dockerfiles' default bases have it
DEBIAN: Mapping[str, tuple[str, ...]] = {
    "runtime": RUNTIME,
    "build": (*RUNTIME, "python3-venv", "python3-pip", "dash", "coreutils"),
    "redis": ("redis-server",),
    "app": (*RUNTIME, "dash", "coreutils", "curl"),
}
REDIS = ("redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "")


def references(names: Iterable[ImageName], environment: Mapping[str, str] = os.environ) -> dict[ImageName, str]:
    """Return the images' references: PARLEY_E2E_IMAGE_SIDECAR and so on, or what `build_images` names them."""
    return {name: environment.get(f"PARLEY_E2E_IMAGE_{name.upper()}") or local_reference(name) for name in names}


def local_reference(name: str) -> str:
    """Return the reference that an image is built under."""
    return f"localhost/parley-{name}:dev"


def build_images(names: Sequence[ImageName] = IMAGE_NAMES, cache: Path | None = None) -> dict[ImageName, Path]:
    """Build what the cache lacks and return each image's archive.

    Raises:
        ClusterError: when there is neither buildah (as root, with apt) nor docker nor podman, or a build fails.
    """
    directory = (cache or settings().cache) / "images"
    tool = builder()
    archives = {name: directory / f"{name}-{input_key(name, tool)}.tar" for name in names}
    if not all(archive.exists() for archive in archives.values()):
        with waited_for(directory / "build.lock", f"the image cache {directory}"):
            for name, archive in archives.items():
                if not archive.exists():
                    print(f"building image {local_reference(name)} with {tool} ...", file=sys.stderr, flush=True)
                    _build(name, tool, archive)
    return archives


def builder() -> str:
    """Choose the program that builds images, and install it where that is possible.

    Raises:
        ClusterError: when there is none.
    """
    if not os.geteuid() and all(map(shutil.which, ("apt-get", "dpkg-deb"))):
        packages.install(packages.IMAGES)
        return "buildah"
    for engine in ("docker", "podman"):
        if shutil.which(engine) and subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0:
            return engine
    raise ClusterError("no image builder: install buildah (as root on Debian), docker or podman")


def input_key(name: ImageName, tool: str, root: Path = ROOT) -> str:
    """Hash everything that goes into an image, this package's way of making it included."""
    digest = hashlib.sha256(f"{tool} {DEBIAN}".encode())
    here = Path(__file__)
    for path in (
        *_files(name, root),
        *(here.with_name(f"{part}.py") for part in ("archive", "buildah", "debian", "images")),
    ):
        digest.update(f"\0{path.relative_to(root) if path.is_relative_to(root) else path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _files(name: ImageName, root: Path) -> list[Path]:
    found = []
    for source in SOURCES[name]:
        path = root / source
        found += [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sorted(file for file in found if "__pycache__" not in file.parts)


def _build(name: ImageName, tool: str, archive: Path) -> None:
    partial = archive.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    if tool != "buildah":
        _build_with_engine(name, tool, partial)
    elif name in DEBIAN:
        _debian_image(name, partial)
    else:
        _build_with_buildah(name, partial)
    _publish(partial, archive)


def _publish(partial: Path, archive: Path) -> None:
    """Give a finished archive its name and drop the oldest with the same beginning."""
    partial.rename(archive)
    beginning = archive.stem.rpartition("-")[0]
    same = archive.parent.glob(f"{beginning}-*.tar")
    for path in sorted(same, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_ARCHIVES:]:
        path.unlink()


def _build_with_engine(name: ImageName, engine: str, out: Path) -> None:
    dockerfile, reference = str(ROOT / SOURCES[name][0]), local_reference(name)
    output(engine, "build", "--file", dockerfile, "--tag", reference, str(ROOT))
    output(engine, "save", "--output", str(out), reference)


def _debian_image(name: str, out: Path) -> None:
    config: dict[str, object] = {"Reference": local_reference(name)}
    if name == "redis":
        config |= {"Entrypoint": list(REDIS), "WorkingDir": "/tmp"}
    wheels = ROOT / "requirements/sidecar.txt" if name == "app" else None
    write_debian_image(DEBIAN[name], wheels, config, out)


def _build_with_buildah(name: ImageName, out: Path) -> None:
    dockerfile, requirements, *_ = SOURCES[name]
    bases = {argument: _base_archive(base, out.parent) for argument, base in BASES.items()}
    key = hashlib.sha256((ROOT / requirements).read_bytes() + repr(bases).encode()).hexdigest()[:12]
    kept = out.parent / f"{name}-build" / key
    if not (kept / "wheels").exists():  # other dependencies or bases: nothing of the former storage is of use
        unmount_below(kept.parent)
        shutil.rmtree(kept.parent, ignore_errors=True)
        partial = kept / "partial"
        download_wheels(ROOT / requirements, partial)
        partial.rename(kept / "wheels")
    with tempfile.TemporaryDirectory(dir=out.parent) as directory, contextlib.ExitStack() as leaving:
        context = Path(directory)
        _stage(name, context)
        shutil.copytree(kept / "wheels", context / "wheels")
        buildah = Buildah(kept)
        leaving.callback(buildah.release)
        arguments = {"WHEELS": "wheels", "PIP_NO_INDEX": "1"}
        for argument, archive in bases.items():
            arguments[argument] = local_reference(archive.stem)
            buildah.pull(archive, arguments[argument])
        buildah.build(context, dockerfile, local_reference(name), arguments)
        buildah.save(local_reference(name), out)


def _base_archive(base: str, directory: Path) -> Path:
    digest = hashlib.sha256(repr(DEBIAN[base]).encode())
    for part in ("archive", "debian"):
        digest.update(Path(__file__).with_name(f"{part}.py").read_bytes())
    archive = directory / f"python-{base}-{digest.hexdigest()[:12]}.tar"
    if not archive.exists():
        partial = archive.with_suffix(".partial")
        write_debian_image(DEBIAN[base], None, {"Reference": local_reference(f"python-{base}"), "User": "0:0"}, partial)
        _publish(partial, archive)
    return archive


def _stage(name: ImageName, context: Path) -> None:
    for file in _files(name, ROOT):
        target = context / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
