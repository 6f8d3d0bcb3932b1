//go:build tools

// Package addons pins the cluster services that run beside Kubernetes itself:
// the resource metrics API. DNS is the main package in coredns/.
package addons

import _ "sigs.k8s.io/metrics-server/cmd/metrics-server"
