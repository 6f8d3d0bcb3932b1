package ecs

import (
	"math"
	"strings"

	api "ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

// ragObjectives takes objectives from the alarms: what the team wanted to be woken
// for is what the service is measured against.
func (w *workload) ragObjectives(spec *api.RAGServiceSpec) {
	for _, alarm := range w.otherDocuments(kindAlarm) {
		threshold, ok := alarm.Get("Threshold").Float()
		if scalesOnly(alarm) || !ok || threshold <= 0 || !strings.HasPrefix(alarm.Get("ComparisonOperator").Text(), "GreaterThan") {
			continue
		}
		w.objectiveFrom(alarm, threshold, &spec.Objectives)
	}
}

func (w *workload) objectiveFrom(alarm *jsontree.Node, threshold float64, objectives *api.Objectives) {
	switch alarm.Get("MetricName").Text() {
	case "TargetResponseTime":
		if threshold > 3600 {
			return
		}
		switch statistic := alarm.Get("ExtendedStatistic").Text(); {
		case statistic == "p95":
			objectives.P95Latency = seconds(threshold)
		case statistic == "" && alarm.Get("Statistic").Text() == "Average":
			objectives.AverageLatency = seconds(threshold)
		}
	case "CPUUtilization":
		objectives.CPUPercent = percentUpTo100(threshold)
	case "MemoryUtilization":
		objectives.MemoryPercent = percentUpTo100(threshold)
	}
}

func percentUpTo100(threshold float64) int32 {
	return int32(min(max(math.Round(threshold), 1), 100))
}
