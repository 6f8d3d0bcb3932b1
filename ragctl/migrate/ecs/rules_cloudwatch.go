package ecs

import (
	"slices"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

var alarmRules = slices.Concat(
	[]rule{
		mapsTo("AlarmName", "PrometheusRule alert", "").or(near, human, dropped).at(ledger.StepObserve),
		mapsTo("AlarmDescription", "PrometheusRule annotation description", "").or(near, human, dropped).at(ledger.StepObserve),
		comesNear("Namespace", "PrometheusRule expr", "The nearest metric of the runtime, the kubelet or kube-state-metrics.").or(human, dropped).at(ledger.StepObserve),
		comesNear("MetricName", "PrometheusRule expr", "The nearest metric of the runtime, the kubelet or kube-state-metrics.").or(human, dropped).at(ledger.StepObserve),
		comesNear("Dimensions[].**", "PrometheusRule expr's labels", "Selects the pods of the workload.").or(human, dropped).at(ledger.StepObserve),
		comesNear("Statistic", "PrometheusRule expr", "As near as the metric allows.").or(human, dropped).at(ledger.StepObserve),
		comesNear("ExtendedStatistic", "PrometheusRule expr", "A quantile of the histogram.").or(human, dropped).at(ledger.StepObserve),
		comesNear("Period", "PrometheusRule expr's range, for", "The range of rates.").or(human, dropped).at(ledger.StepObserve),
		comesNear("EvaluationPeriods", "PrometheusRule for", "One period less than in CloudWatch, because the range of the rate is one.").or(human, dropped).at(ledger.StepObserve),
		comesNear("DatapointsToAlarm", "PrometheusRule for", "M of N has no counterpart: every evaluation in that time must be over the threshold.").or(human, dropped).at(ledger.StepObserve),
		mapsTo("Threshold", "PrometheusRule expr", "").or(near, human, dropped).at(ledger.StepObserve),
		mapsTo("ComparisonOperator", "PrometheusRule expr", "").or(near, human, dropped).at(ledger.StepObserve),
		comesNear("TreatMissingData", "PrometheusRule expr", "No data raises no alert.").or(human, dropped).at(ledger.StepObserve),
		ignored("Unit", "Prometheus metrics have their unit in their name."),
		needsPerson("AlarmActions[]", ledger.StepObserve, "Route the alert in Alertmanager to whom this notified.").or(dropped),
		needsPerson("OKActions[]", ledger.StepObserve, "Let Alertmanager send resolved notifications.").or(dropped),
		needsPerson("InsufficientDataActions[]", ledger.StepObserve, "Alert on absent() for this.").or(dropped),
		comesNear("ActionsEnabled", "PrometheusRule label", "Switched off, the alert has severity none.").or(dropped, human),
		needsPerson("Metrics[].**", ledger.StepObserve, "Metric math: write the expression in PromQL.").or(dropped),
		needsPerson("ThresholdMetricId", ledger.StepObserve, "An anomaly detection band has no counterpart.").or(dropped),
		needsPerson("AlarmRule", ledger.StepObserve, "A composite alarm: write the expression in PromQL, or inhibit alerts in Alertmanager."),
		needsPerson("ActionsSuppressor**", ledger.StepObserve, "Inhibit alerts in Alertmanager."),
		ignored("EvaluateLowSampleCountPercentile", "Quantiles of few samples are evaluated."),
		ignored("Tags.**", "Tags of the alarm."),
	},
	readOnly("AlarmArn", "AlarmConfigurationUpdatedTimestamp", "StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp",
		"StateTransitionedTimestamp", "EvaluationState"),
)

var dashboardRules = slices.Concat(
	[]rule{
		mapsTo("DashboardName", "dashboard title", "").or(near, dropped),
		comesNear("DashboardBody", "Grafana dashboard", "Its widgets are listed one by one.").or(human),
	},
	readOnly("DashboardArn"),
)

var widgetRules = []rule{
	mapsTo("widgets[].type", "panel type", "").or(near, human, dropped).at(ledger.StepObserve),
	mapsTo("widgets[].x", "panel gridPos", "").or(human, dropped),
	mapsTo("widgets[].y", "panel gridPos", "").or(human, dropped),
	mapsTo("widgets[].width", "panel gridPos", "").or(human, dropped),
	mapsTo("widgets[].height", "panel gridPos", "").or(human, dropped),
	mapsTo("widgets[].properties.title", "panel title", "").or(near, human, dropped).at(ledger.StepObserve),
	mapsTo("widgets[].properties.markdown", "text panel", "").or(human),
	comesNear("widgets[].properties.metrics[]**", "panel target", "The nearest metric of the runtime, the kubelet or kube-state-metrics.").or(human, dropped).at(ledger.StepObserve),
	comesNear("widgets[].properties.view", "panel type", "The nearest type of panel.").or(exact, human, dropped).at(ledger.StepObserve),
	mapsTo("widgets[].properties.stacked", "panel stacking", "").or(human, dropped),
	ignored("widgets[].properties.region", "Prometheus knows no region."),
	comesNear("widgets[].properties.stat", "panel target", "As near as the metric allows.").or(human, dropped).at(ledger.StepObserve),
	comesNear("widgets[].properties.period", "panel target", "The panel's own rate interval.").or(human, dropped).at(ledger.StepObserve),
	needsPerson("widgets[].properties.annotations.**", ledger.StepObserve, "Draw the line in the panel's thresholds.").or(dropped),
	needsPerson("widgets[].properties.**", ledger.StepObserve, "A setting of the widget: set it in the panel.").or(dropped),
	ignored("periodOverride", "Grafana's panels follow the dashboard's range."),
	ignored("start", "Grafana's time range."),
	ignored("end", "Grafana's time range."),
	needsPerson("variables[].**", ledger.StepObserve, "A variable of the dashboard: make it one of Grafana's."),
}
