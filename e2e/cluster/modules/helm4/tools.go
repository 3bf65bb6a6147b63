//go:build tools

// Package tools imports Helm 4: `go mod tidy` would drop its version otherwise.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
