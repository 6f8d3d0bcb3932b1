// Package objective judges what a run measured by the objectives of a
// RAGService: spec.objectives, or the table of the migration guide. It reads
// results and writes verdicts; it measures nothing and prints nothing.
package objective

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Objectives are what a service is measured against, as spec.objectives has them.
type Objectives struct {
	// QueriesPerSecond that are answered, at least.
	QueriesPerSecond float64
	// AverageLatency and P95Latency, at most.
	AverageLatency, P95Latency time.Duration
	// SuccessRatio and CacheHitRatio, 0 to 1, at least.
	SuccessRatio, CacheHitRatio float64
	// CPUPercent on average and MemoryPercent at its highest, of the limits, at
	// most.
	CPUPercent, MemoryPercent float64
}

// Defaults is the table of the migration guide, and the defaults of the API.
func Defaults() Objectives {
	return Objectives{
		QueriesPerSecond: 100, AverageLatency: time.Second, P95Latency: 2 * time.Second,
		SuccessRatio: 0.99, CacheHitRatio: 0.70, CPUPercent: 80, MemoryPercent: 85,
	}
}

// Parse reads YAML or JSON: the mapping of spec.objectives alone, or a whole
// RAGService. What is left out has its default; an unknown field is an error.
func Parse(data []byte) (Objectives, error) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(data, &kind); err != nil {
		return Objectives{}, fmt.Errorf("is no YAML mapping: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return Objectives{}, errors.New("is empty")
	}
	var spec v1alpha1.Objectives
	switch kind.Kind {
	case "":
		if err := yaml.UnmarshalStrict(data, &spec); err != nil {
			return Objectives{}, err
		}
	case "RAGService":
		var service v1alpha1.RAGService
		if err := yaml.UnmarshalStrict(data, &service); err != nil {
			return Objectives{}, err
		}
		spec = service.Spec.Objectives
	default:
		return Objectives{}, fmt.Errorf("holds a %s: want a RAGService, or the mapping of its spec.objectives", kind.Kind)
	}
	return FromSpec(spec)
}

// ratio is what the API takes, see v1alpha1.Ratio.
var ratio = regexp.MustCompile(`^(0(\.[0-9]{1,4})?|1(\.0{1,4})?)$`)

// FromSpec reads the objectives of a RAGService. What is not set has its default;
// what the API server would refuse is an error.
func FromSpec(spec v1alpha1.Objectives) (Objectives, error) {
	o := Defaults()
	var errs []error
	number := func(field string, value, highest int32, into *float64) {
		switch {
		case value < 0 || value > highest:
			errs = append(errs, fmt.Errorf("%s is %d, and must be between 1 and %d", field, value, highest))
		case value != 0:
			*into = float64(value)
		}
	}
	duration := func(field string, value *metav1.Duration, into *time.Duration) {
		switch {
		case value == nil:
		case value.Duration <= 0:
			errs = append(errs, fmt.Errorf("%s is %s, and must be greater than 0s", field, value.Duration))
		default:
			*into = value.Duration
		}
	}
	share := func(field string, value v1alpha1.Ratio, into *float64) {
		if value == "" {
			return
		}
		if !ratio.MatchString(string(value)) {
			errs = append(errs, fmt.Errorf(`%s is %q, and must be a ratio between 0 and 1 with at most four decimals, as a string, such as "0.95"`, field, value))
			return
		}
		// The expression above lets only numbers through.
		*into, _ = strconv.ParseFloat(string(value), 64)
	}
	number("queriesPerSecond", spec.QueriesPerSecond, 1_000_000, &o.QueriesPerSecond)
	duration("averageLatency", spec.AverageLatency, &o.AverageLatency)
	duration("p95Latency", spec.P95Latency, &o.P95Latency)
	share("successRatio", spec.SuccessRatio, &o.SuccessRatio)
	share("cacheHitRatio", spec.CacheHitRatio, &o.CacheHitRatio)
	number("cpuPercent", spec.CPUPercent, 100, &o.CPUPercent)
	number("memoryPercent", spec.MemoryPercent, 100, &o.MemoryPercent)
	return o, errors.Join(errs...)
}
