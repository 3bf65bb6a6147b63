"""`parley check`: the operator's checks on files, without a cluster. One line for each finding, or `ok`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from parley_crds import manifests
from parley_crds.checks import Problem, check
from parley_crds.manifests import Manifest


def check_files(files: Sequence[str], standard_input: TextIO) -> Iterator[tuple[str, bool]]:
    """Give each line to print, and whether the component it tells of cannot be used; `-` is the standard input."""
    first: dict[tuple[str, str], str] = {}
    for file in files:
        read = _read(file, standard_input)
        if not read:
            yield f"{file}: no component in it", False
        for manifest in read:
            place = f"{manifest.source} {manifest.name}".rstrip()
            problems = tuple(_problems(manifest, first))
            yield from ((f"{place}: {_words(problem)}", problem.blocks) for problem in problems)
            if not problems:
                yield f"{place}: ok", False


def _read(file: str, standard_input: TextIO) -> list[Manifest]:
    try:
        text = standard_input.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as error:
        return [Manifest(file, "", Problem("Unreadable", f"cannot be read: {error.strerror}"))]
    except UnicodeDecodeError:
        return [Manifest(file, "", Problem("Unreadable", "not UTF-8"))]
    return manifests.read(text, file)


def _problems(manifest: Manifest, first: dict[tuple[str, str], str]) -> Iterator[Problem]:
    """Give every finding; of two components with one name the second is the strange one."""
    if isinstance(manifest.parsed, Problem):
        yield manifest.parsed
        return
    other = first.setdefault((manifest.parsed.namespace, manifest.parsed.name), manifest.source)
    if other != manifest.source:
        yield Problem("RepeatedName", f"{other} has that name too", blocks=False)
    yield from check(manifest.parsed)


def _words(problem: Problem) -> str:
    return f"{'' if problem.blocks else 'warning: '}{problem.reason}: {problem.message}"
