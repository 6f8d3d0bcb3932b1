//go:build tools

// Package kind pins the kind that runs the local cluster where Docker does.
package kind

import _ "sigs.k8s.io/kind"
