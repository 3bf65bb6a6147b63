"""`python -m bench.cluster [RUN..]`: loads and faults at scale on real clusters. Progress goes to stderr.

It compiles the clusters' programs and builds the images where they are not in the cache, and needs root for a kubelet.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from bench.cluster import faulty
from bench.cluster.figures import Figure, Report, RunReport
from bench.cluster.flood import flood
from bench.cluster.operating import failover, memory
from bench.cluster.places import Plain, plain, real, say
from bench.cluster.pods import pods
from bench.cluster.sharing import sharing
from bench.cluster.shown import BEGIN, markdown, text
from bench.cluster.streaming import streaming
from bench.machine import ROOT, busy_s, cores, describe
from bench.processes import BenchError, Starter
from bench.run import bytecode
from bench.table import with_figures
from e2e.cluster import ClusterError

RESULTS: Final = ROOT / "bench/results"
Run = Callable[[], Iterator[Figure]]
ALONE: Final[dict[str, tuple[Callable[[Starter], Iterator[Figure]], str]]] = {
    "flood": (flood, "the injector alone, TLS over kept connections, on a core of its own"),
    "redis": (sharing, "what two sidecars ask of the Redis that they share"),
}
PLAIN: Final[dict[str, tuple[Callable[[Plain], Iterator[Figure]], str]]] = {
    "failover": (failover, "two operators on a control plane"),
    "streams": (streaming, "1,000 and 10,000 connected sidecars, one operator"),
    "memory": (memory, "one operator among components and pods"),
}
PODS: Final = "2,000 pods of 20 Deployments on a kwok node, one injector"
REAL: Final[dict[str, tuple[faulty.Faulty, str]]] = {
    "restart-injector": (partial(faulty.restart, "injector"), "50 pods/s during a rolling restart of the injector"),
    "restart-operator": (partial(faulty.restart, "operator"), "50 pods/s during a rolling restart of the operator"),
    "rotation": (faulty.rotation, "50 pods/s while serving certificate and authority are rotated"),
    "leader": (faulty.leader, "50 pods/s during SIGKILL of the leading operator"),
    "api-server": (faulty.api_server, "50 pods/s during SIGKILL and start of the API server"),
    "injector-fail": (faulty.injector_with_fail, "50 pods/s during SIGKILL of an injector, failurePolicy Fail"),
    "injector-ignore": (faulty.injector_with_ignore, "50 pods/s during SIGKILL of an injector, failurePolicy Ignore"),
    "injectors-ignore": (faulty.injectors_with_ignore, "50 pods/s during SIGKILL of both injectors, Ignore"),
}
NAMES: Final = (*ALONE, "pods", *PLAIN, *REAL)


def main() -> int:
    """Run the command; 1 if a run has no figures."""
    chosen = _parser().parse_args()
    try:
        report = _read(chosen.report) if chosen.report else _measured(chosen.runs or NAMES)
        if not chosen.report:
            _write(report, chosen.out or RESULTS / f"cluster-{report.time.replace(':', '')}.json")
        print(text(report))
        if chosen.markdown:
            page = with_figures(chosen.markdown.read_text(), markdown(report), BEGIN)
            chosen.markdown.write_text(page)
    except (BenchError, ClusterError, OSError, ValueError) as error:
        print(f"bench.cluster: {error}", file=sys.stderr)
        return 1
    return int(any(run.failure for run in report.runs))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("runs", nargs="*", choices=[[], *NAMES], metavar="RUN", help=f"all, or some of {NAMES}")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where the JSON goes (bench/results/cluster-TIME.json)"
    )
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="also write the tables between the page's marks")
    parser.add_argument(
        "--report",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="measure nothing, show this JSON again, or several as one",
    )
    return parser


def _measured(names: Sequence[str]) -> Report:
    began = datetime.now(UTC).isoformat(timespec="seconds")
    machine = describe(cores(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as directory:
        reports = [*_on_control_plane(Path(directory), names), *_under_kubelet(names)]
    command = "python -m bench.cluster" + "".join(f" {name}" for name in names if tuple(names) != NAMES)
    return Report(time=began, command=command, machine=machine, runs=reports)


def _on_control_plane(directory: Path, names: Sequence[str]) -> Iterator[RunReport]:
    """Do the runs that need no kubelet."""
    starter = Starter(directory, bytecode())
    for name, (alone, meaning) in ALONE.items():
        if name in names:
            yield done(name, meaning, partial(alone, starter))
    if not set(names) & {"pods", *PLAIN}:
        return
    with plain(directory) as place:
        if "pods" in names:
            yield done("pods", PODS, partial(pods, place, starter))
        for name, (run, meaning) in PLAIN.items():
            if name in names:
                yield done(name, meaning, partial(run, place))


def _under_kubelet(names: Sequence[str]) -> Iterator[RunReport]:
    if not set(names) & {*REAL}:
        return
    with real() as place:
        for name, (run, meaning) in REAL.items():
            if name in names:
                yield done(name, meaning, partial(faulty.settled, run, place))


def done(name: str, meaning: str, run: Run) -> RunReport:
    """Do one run; what hinders it stands in its report, and the others go on."""
    say(f"== {name}")
    began_s, busy_before_s, failure = time.monotonic(), busy_s(), ""
    figures: list[Figure] = []
    try:
        figures.extend(run())
    except (BenchError, ClusterError, AssertionError, OSError) as error:
        failure = f"{type(error).__name__}: {error}"
        say(failure)
    seconds = time.monotonic() - began_s
    busy_cpus = (busy_s() - busy_before_s) / seconds
    for figure in figures:
        say(f"   {figure.quantity}: {figure.value:g} {figure.unit} {figure.verdict}")
    return RunReport(
        name=name, meaning=meaning, seconds=seconds, busy_cpus=busy_cpus, figures=figures, failure=failure[:300]
    )


def _write(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    print(f"written to {path}", file=sys.stderr)


def _read(paths: Sequence[Path]) -> Report:
    """Read reports as one that names each call; machine and load are the first one's. ValueError when one is none."""
    reports = list(map(_read_one, paths))
    if len(reports) == 1:
        return reports[0]
    calls = "; ".join(f"{report.time} {report.machine.commit} {report.command}" for report in reports)
    return msgspec.structs.replace(reports[0], command=calls, runs=[run for report in reports for run in report.runs])


def _read_one(path: Path) -> Report:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is no report of the bench: {error}") from error


if __name__ == "__main__":
    raise SystemExit(main())
