//go:build tools

// Package tools imports promtool, and of the Prometheus operator, whose module brings its CRDs as files, as little as can
// be: `go mod tidy` would drop their versions otherwise.
package tools

import (
	_ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
