// Package monitoring holds the tests of docs/monitoring.md and config/cloudwatch:
// every expression of the page is asked of a real Prometheus that scrapes a real
// query runtime, and every metric that is sent to CloudWatch, or shown there, must be one
// that the runtime exposes.
package monitoring
