// Package telemetry is what the runtime tells of itself: metrics for
// Prometheus, the load of the last minute for the operator, traces over
// OpenTelemetry and logs. All names are in this package and nowhere else.
//
// No label holds a user, a tenant, a question, a key or a model's name: each
// label takes one of a few values known in advance. The package knows nothing of
// HTTP handlers or of the pipeline.
package telemetry
