// Package usage measures the CPU and memory that a target takes while it is under
// load: of local processes, of pods through the metrics API, or from Prometheus.
// It only reads.
package usage

import (
	"context"
	"time"
)

// Sample is the usage at one time, summed over all processes or pods.
type Sample struct {
	// Cores in use on average since the sample before.
	Cores float64 `json:"cores"`
	// MemoryBytes in use.
	MemoryBytes int64 `json:"memoryBytes"`
	// CoresLimit is what may be used at most; 0 where that is not known.
	CoresLimit float64 `json:"coresLimit,omitempty"`
	// MemoryLimitBytes is what may be used at most; 0 where that is not known.
	MemoryLimitBytes int64 `json:"memoryLimitBytes,omitempty"`
}

// Sampler measures a target.
type Sampler interface {
	// Sample returns nil, and no error, where there is nothing to tell yet.
	Sample(ctx context.Context) (*Sample, error)
	// Interval is how often it is worth asking.
	Interval() time.Duration
}

// Summary is the usage over a while.
type Summary struct {
	MeanCores        float64 `json:"meanCores"`
	MaxCores         float64 `json:"maxCores"`
	MeanMemoryBytes  int64   `json:"meanMemoryBytes"`
	MaxMemoryBytes   int64   `json:"maxMemoryBytes"`
	CoresLimit       float64 `json:"coresLimit,omitempty"`
	MemoryLimitBytes int64   `json:"memoryLimitBytes,omitempty"`
}

// Summarize returns nil for no samples.
func Summarize(samples []Sample) *Summary {
	if len(samples) == 0 {
		return nil
	}
	var s Summary
	var memory float64
	for _, sample := range samples {
		s.MeanCores += sample.Cores / float64(len(samples))
		memory += float64(sample.MemoryBytes) / float64(len(samples))
		s.MaxCores = max(s.MaxCores, sample.Cores)
		s.MaxMemoryBytes = max(s.MaxMemoryBytes, sample.MemoryBytes)
		s.CoresLimit = max(s.CoresLimit, sample.CoresLimit)
		s.MemoryLimitBytes = max(s.MemoryLimitBytes, sample.MemoryLimitBytes)
	}
	s.MeanMemoryBytes = int64(memory)
	return &s
}

// CPUPercent of the limit on average; false where there is no limit.
func (s *Summary) CPUPercent() (float64, bool) {
	if s == nil || s.CoresLimit == 0 {
		return 0, false
	}
	return 100 * s.MeanCores / s.CoresLimit, true
}

// MemoryPercent of the limit at most; false where there is no limit.
func (s *Summary) MemoryPercent() (float64, bool) {
	if s == nil || s.MemoryLimitBytes == 0 {
		return 0, false
	}
	return 100 * float64(s.MaxMemoryBytes) / float64(s.MemoryLimitBytes), true
}
