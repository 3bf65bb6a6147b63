#!/bin/sh
# Everything that proves the product, in the order in which it is quick to fail. `make test` calls it with BIN and MAKE.
#
# Compiling the control plane takes minutes on a new machine, so it begins first and goes on behind the quick checks.
# Where no containers can run, the story on a cluster is left out and says so in one line; with CI set that is an error.
set -eu
began=$(date +%s)
log=$(mktemp)

say() { echo "== $1 (after $(($(date +%s) - began)) s)"; }

"$BIN/python" -m e2e.cluster build --real >"$log" 2>&1 &
build=$!
trap 'kill $build 2>/dev/null || true; rm -f "$log"' EXIT

say "format, lint, types, imports, generated files"
"$MAKE" --no-print-directory check

say "unit: without a cluster"
"$BIN/coverage" erase
"$BIN/pytest" -q --cov --cov-report= -m "not control_plane and not kubelet"

say "waiting for the control plane's programs"
wait $build || { cat "$log"; exit 1; }
cat "$log"

say "what it costs, beside the floor in the same run"
"$BIN/python" -m bench --check

say "operator, injector and chart on a control plane"
"$BIN/pytest" -q --cov --cov-append --cov-report= -m control_plane

say "the story on a cluster that runs containers"
"$BIN/pytest" -q -m kubelet e2e

say "branch coverage"
"$BIN/coverage" combine -q --append 2>/dev/null || true
"$BIN/coverage" report --fail-under=95
say "all passed"
