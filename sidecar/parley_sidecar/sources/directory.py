"""Components from a directory of manifests: on a laptop, and wherever there is no operator.

Polls modification times, which works on every file system and needs no dependency. A file that breaks keeps what it
gave last, and the log says so once.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from parley_crds import manifests
from parley_crds.checks import Problem
from parley_crds.component import Component
from parley_crds.manifests import Manifest
from parley_sidecar import edges
from parley_sidecar.command_error import CommandError
from parley_sidecar.registry import Registry
from parley_sidecar.sources.judgement import Finding, Place, judge, kept, outdated
from parley_sidecar.sources.secret_file import SecretFile

POLL_S: Final = 0.25
"""A change is in use within a second: it is seen, has held still until the next look, and is read."""
SUFFIXES: Final = {".yaml", ".yml", ".json"}

Stamps = Mapping[Path, tuple[int, int, int]]
"""What tells that a file changed: modification time in nanoseconds, size, inode."""

_log = logging.getLogger(__name__)


class DirectorySource:
    """The manifests directly in one directory, and the file of Secrets beside it."""

    def __init__(self, directory: Path, secrets: Path | None, place: Place, registry: Registry) -> None:
        self._directory = directory.absolute()
        self._secrets = SecretFile(secrets.absolute() if secrets else None)
        self._place = place
        self._registry = registry
        self._seen: Stamps | None = None
        self._good: Mapping[str, tuple[Component, ...]] = {}
        self._findings: tuple[Finding, ...] = ()
        # Without these two the source does not start, so that there is always something they gave before.
        self._lasting = frozenset({directory.name} | ({secrets.name} if secrets else set()))
        self._outdated: frozenset[str] = frozenset()
        self._told: frozenset[Finding] = frozenset()

    @property
    def left_out(self) -> Mapping[str, str]:
        """Every component, or file, with something in it that could not be used, and why."""
        return {_label(finding): finding.problem.message for finding in self._findings if finding.weight != "warning"}

    async def start(self) -> None:
        """Load every file once; raises CommandError where the directory or the Secrets cannot be read at all."""
        if not self._directory.is_dir():
            what = "is not a directory" if self._directory.exists() else "does not exist"
            raise CommandError(f"--components: {self._directory} {what}")
        await self.refresh()
        if self._secrets.problem:
            raise CommandError(f"--secrets: {self._secrets.path}: {self._secrets.problem}")

    async def run(self) -> None:
        """Look for changes until cancelled; a file that is still being written is left alone until the next look."""
        before: Stamps | None = None
        while True:
            await asyncio.sleep(POLL_S)
            stamps = self._stamps()
            if stamps == before:
                await edges.survived(self.refresh(), "components could not be reloaded")
            before = stamps

    async def refresh(self) -> None:
        """Load what changed since the last time; a directory that cannot be read leaves all as it is."""
        stamps = self._stamps()
        if stamps is None:
            return
        if stamps != self._seen:
            self._seen = stamps
            await self._load(sorted(path for path in stamps if path != self._secrets.path))
        self._tell(self._findings)

    def _stamps(self) -> Stamps | None:
        try:
            return _stamps(self._directory, self._secrets.path)
        except OSError as error:
            self._tell((*self._findings, _unreadable(self._directory.name, error)))
            return None

    async def _load(self, files: Iterable[Path]) -> None:
        read = await asyncio.to_thread(self._read, files)
        judged = judge(read, self._secrets.secrets, self._place)
        self._good = kept(judged, self._good)
        components = [component for given in self._good.values() for component in given]
        files_of = {component.name: file for file, given in self._good.items() for component in given}
        failed = await self._registry.replace(components)
        self._findings = (
            *self._secret_findings(),
            *(finding for judgement in judged.values() for finding in judgement.findings),
            *(Finding(files_of[name], name, Problem("NotLoaded", reason)) for name, reason in failed.items()),
        )
        self._outdated = outdated(judged, self._good) | (failed.keys() & set(self._registry.names())) | self._lasting
        _log.info("components loaded", extra={"components": self._registry.names()})

    def _read(self, files: Iterable[Path]) -> dict[str, list[Manifest]]:
        self._secrets.load()
        return {file.name: _manifests(file) for file in files}

    def _secret_findings(self) -> tuple[Finding, ...]:
        if self._secrets.path is None or self._secrets.problem is None:
            return ()
        return (Finding(self._secrets.path.name, "", Problem("MalformedSecrets", self._secrets.problem)),)

    def _tell(self, findings: Iterable[Finding]) -> None:
        """Log what was not said before; what was mended and breaks again is said again."""
        current = tuple(findings)
        for finding in current:
            if finding not in self._told:
                _log.log(*self._event(finding), extra=_facts(finding))
        self._told = frozenset(current)

    def _event(self, finding: Finding) -> tuple[int, str]:
        if finding.weight == "elsewhere":
            return logging.INFO, "component is not for this sidecar"
        if finding.weight == "warning":
            return logging.WARNING, "component has a flaw"
        if finding.name in self._outdated or (not finding.name and finding.file in self._outdated):
            return logging.WARNING, "last good version stays in use"
        return logging.WARNING, "component left out" if finding.name else "file cannot be used"


def _facts(finding: Finding) -> dict[str, str]:
    problem = finding.problem
    return {"source": finding.source, "component": finding.name, "reason": problem.reason, "detail": problem.message}


def _label(finding: Finding) -> str:
    return f"{finding.name} in {finding.source}" if finding.name else finding.source


def _stamps(directory: Path, secrets: Path | None) -> Stamps:
    files = [path for path in directory.iterdir() if path.suffix in SUFFIXES and not path.name.startswith(".")]
    stamps = {}
    for path in [*files, *([secrets] if secrets else [])]:
        try:
            facts = path.stat()
        except OSError:
            continue  # gone since it was listed, or the Secrets file is missing: reading it tells
        stamps[path] = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
    return stamps


def _manifests(file: Path) -> list[Manifest]:
    try:
        return manifests.read(file.read_text("utf-8"), file.name)
    except OSError as error:
        return [Manifest(file.name, "", _unreadable(file.name, error).problem)]
    except UnicodeDecodeError:
        return [Manifest(file.name, "", Problem("Unreadable", "not UTF-8"))]


def _unreadable(source: str, error: OSError) -> Finding:
    return Finding(source, "", Problem("Unreadable", f"cannot be read: {error.strerror}"))
