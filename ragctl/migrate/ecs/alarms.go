package ecs

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// convertMonitoring maps alarms and dashboards.
func (w *workload) convertMonitoring() {
	w.convertAlarms()
	w.convertDashboards()
}

// comparisons are the operators that have a counterpart.
var comparisons = map[string]string{
	"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": ">=",
	"LessThanThreshold": "<", "LessThanOrEqualToThreshold": "<=",
}

// convertAlarms makes one PrometheusRule of all alarms whose metric maps.
func (w *workload) convertAlarms() {
	var rules []any
	names := map[string]bool{}
	for _, doc := range w.others {
		if doc.kind != kindAlarm {
			continue
		}
		if scalesOnly(doc.node) {
			w.leaveOut(doc, ledger.Ignored, "Made for a scaling policy: the autoscaler takes its place.")
			continue
		}
		rule, ok := w.alertFor(doc, names)
		if ok {
			rules = append(rules, rule)
		}
	}
	if len(rules) == 0 {
		return
	}
	w.add(w.custom("monitoring.coreos.com/v1", "PrometheusRule", w.name+"-alarms", map[string]any{
		"groups": []any{map[string]any{"name": w.name + "-alarms", "rules": rules}},
	}))
}

// scalesOnly reports whether all an alarm does is to start a scaling policy.
func scalesOnly(alarm *jsontree.Node) bool {
	actions := alarm.Get("AlarmActions").Texts()
	for _, action := range actions {
		if !strings.Contains(action, ":autoscaling:") {
			return false
		}
	}
	return len(actions) > 0
}

var notInAlert = regexp.MustCompile(`[^A-Za-z0-9]+`)

// alertName makes a name in the style of Prometheus of an alarm's.
func alertName(name string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(notInAlert.ReplaceAllString(name, " ")) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return cmp.Or(b.String(), "Alarm")
}

// alertFor translates one alarm; ok is false where it needs a person.
func (w *workload) alertFor(doc *document, names map[string]bool) (rule map[string]any, ok bool) {
	alarm := doc.node
	operator, known := comparisons[alarm.Get("ComparisonOperator").Text()]
	threshold, isNumber := alarm.Get("Threshold").Float()
	statistic := statisticOf(alarm.Get("ExtendedStatistic").Text(), alarm.Get("Statistic").Text())
	period := int(max(positive(alarm.Get("Period"), 60), 60))
	expression, mapping, measured := w.expressionFor(alarm.Get("Namespace").Text(), alarm.Get("MetricName").Text(), statistic, period)
	if !known || !isNumber || !measured {
		w.leaveOut(doc, ledger.Person, "No metric here stands for "+cmp.Or(strings.TrimSpace(alarm.Get("Namespace").Text()+" "+alarm.Get("MetricName").Text()), "this alarm")+" as it is: write the alert in PromQL, or keep the alarm in CloudWatch.")
		return nil, false
	}
	name := alertName(alarm.Get("AlarmName").Text())
	for n := 2; names[name]; n++ {
		name = alertName(alarm.Get("AlarmName").Text()) + strconv.Itoa(n)
	}
	names[name] = true

	annotations := map[string]any{"summary": cmp.Or(alarm.Get("AlarmName").Text(), name)}
	setIfNotEmpty(annotations, "description", alarmDescription(alarm))
	rule = map[string]any{
		"alert":       name,
		"expr":        fmt.Sprintf("%s %s %s", expression, operator, strconv.FormatFloat(threshold, 'f', -1, 64)),
		"labels":      map[string]any{"severity": severityOf(alarm), "service": w.name},
		"annotations": annotations,
	}
	if wait := int(positive(alarm.Get("EvaluationPeriods"), 1)-1) * period; wait > 0 && wait <= 7*24*3600 {
		rule["for"] = promDuration(wait)
	}
	w.claimAlarm(alarm, name, mapping)
	return rule, true
}

func severityOf(alarm *jsontree.Node) string {
	if enabled := alarm.Get("ActionsEnabled"); enabled.IsSet() && !enabled.True() {
		return "none"
	}
	if strings.Contains(strings.ToLower(alarm.Get("AlarmName").Text()), "critical") {
		return "critical"
	}
	return "warning"
}

func alarmDescription(alarm *jsontree.Node) string {
	description := alarm.Get("AlarmDescription").Text()
	if looksSecret("", description) {
		return ""
	}
	return strings.NewReplacer("{{", "{ {", "}}", "} }").Replace(description)
}

func (w *workload) claimAlarm(alarm *jsontree.Node, name string, mapping metricMapping) {
	target := "PrometheusRule/" + w.name + "-alarms " + name
	if alarm.Get("AlarmName").Text() == name {
		w.mapped(alarm.Get("AlarmName"), target)
	} else {
		w.approximated(alarm.Get("AlarmName"), target, "In the style of Prometheus; the alarm's own name is the summary.")
	}
	w.mapped(alarm.Get("AlarmDescription"), target+" description")
	for _, field := range []string{"Namespace", "MetricName", "Dimensions", "Statistic", "ExtendedStatistic"} {
		w.approximated(alarm.Get(field), target+" expr", mapping.note)
	}
	for _, field := range []string{"Period", "EvaluationPeriods", "DatapointsToAlarm"} {
		w.approximated(alarm.Get(field), target+" for", "")
	}
	w.mapped(alarm.Get("Threshold"), target+" expr")
	w.mapped(alarm.Get("ComparisonOperator"), target+" expr")
	if missing := alarm.Get("TreatMissingData"); strings.EqualFold(missing.Text(), "breaching") {
		w.person(missing, ledger.StepObserve, "Missing data raised the alarm: add an alert on absent() of the same metric.")
	} else {
		w.approximated(missing, target+" expr", "")
	}
	w.approximated(alarm.Get("ActionsEnabled"), target+" severity", "Switched off, the alert has severity none; else warning, or critical where its name says so.")
}
