package ecs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// scheduleWindow is a time in which at least so many replicas run.
type scheduleWindow struct {
	name       string
	start, end string // cron, as KEDA has it
	timezone   string
	replicas   int32
}

// scheduled is one scheduled action that sets a floor again and again.
type scheduled struct {
	node     *jsontree.Node
	name     string
	cron     string
	timezone string
	days     string // which days, to match actions with each other
	minute   int    // of the day
	floor    int32
}

var scheduleExpression = regexp.MustCompile(`^\s*(cron|at|rate)\((.*)\)\s*$`)

// planSchedules maps scheduled actions. An action sets a floor that holds until the
// next one; KEDA's cron has windows. So each action that raises the floor is ended
// by the one that follows it on the same days.
func (w *workload) planSchedules() {
	var actions []scheduled
	for _, node := range w.otherDocuments(kindSchedule) {
		w.mapped(node.Get("ResourceId"), w.field("metadata.name"))
		if action, ok := w.readSchedule(node); ok {
			actions = append(actions, action)
		}
	}
	if len(actions) == 0 {
		return
	}
	base := slices.MinFunc(actions, func(a, b scheduled) int { return cmp.Compare(a.floor, b.floor) }).floor
	slices.SortStableFunc(actions, func(a, b scheduled) int { return cmp.Or(cmp.Compare(a.days, b.days), cmp.Compare(a.minute, b.minute)) })
	for i, action := range actions {
		if action.floor == base && len(actions) > 1 {
			continue // what it ends claims it
		}
		next, ok := following(actions, i)
		if !ok {
			w.person(action.node, ledger.StepScaling, "No other action of the same days and time zone says when this floor ends: add the end, and a cron trigger to a ScaledObject.")
			continue
		}
		w.scaling.windows = append(w.scaling.windows, scheduleWindow{
			name: action.name, start: action.cron, end: next.cron, timezone: action.timezone, replicas: action.floor,
		})
		w.claimWindow(action, "start of trigger "+action.name)
	}
	for _, action := range actions {
		if action.floor == base && len(actions) > 1 {
			w.claimWindow(action, "end of a trigger, minReplicaCount")
		}
	}
	if len(w.scaling.windows) > 0 {
		w.scaling.known, w.scaling.floor = true, base
	}
}

// following returns the action that comes next on the same days, round the clock.
func following(actions []scheduled, i int) (scheduled, bool) {
	same := func(a scheduled) bool { return a.days == actions[i].days && a.timezone == actions[i].timezone }
	for n := 1; n < len(actions); n++ {
		if next := actions[(i+n)%len(actions)]; same(next) {
			return next, true
		}
	}
	return scheduled{}, false
}

func (w *workload) claimWindow(action scheduled, what string) {
	target := "ScaledObject/" + w.name + "-schedule " + what
	if !w.replaced {
		target = "ScaledObject/" + w.name + " " + what
	}
	w.mapped(action.node.Get("ScheduledActionName"), target)
	w.approximated(action.node.Get("Schedule"), target, "")
	w.mapped(action.node.Get("Timezone"), target)
	w.approximated(action.node.Find("ScalableTargetAction", "MinCapacity"), target, "")
}

// readSchedule reads an action that can be a window, and else says why not.
func (w *workload) readSchedule(node *jsontree.Node) (scheduled, bool) {
	schedule := node.Get("Schedule")
	leave := func(note string) (scheduled, bool) {
		w.person(schedule, ledger.StepScaling, note)
		for _, rest := range []*jsontree.Node{node.Get("ScheduledActionName"), node.Get("Timezone"), node.Find("ScalableTargetAction", "MinCapacity")} {
			w.person(rest, ledger.StepScaling, "Of a scheduled action that needs a person.")
		}
		return scheduled{}, false
	}
	parts := scheduleExpression.FindStringSubmatch(schedule.Text())
	if parts == nil {
		return leave("Not a schedule: wanted cron(…), at(…) or rate(…).")
	}
	switch parts[1] {
	case "at":
		return leave("Once, at a date: change the number of replicas then.")
	case "rate":
		return leave("Every so often: an action that sets the same numbers again changes nothing here.")
	}
	cron, problem := kedaCron(parts[2])
	if problem != "" {
		return leave(problem)
	}
	floor, ok := node.Find("ScalableTargetAction", "MinCapacity").Int()
	if !ok || floor < 0 {
		return leave("It sets no least number of tasks: only a floor can follow a schedule.")
	}
	zone := cmp.Or(node.Get("Timezone").Text(), "UTC")
	if _, err := time.LoadLocation(zone); err != nil {
		return leave("A time zone that is not known: wanted a name such as Europe/Berlin.")
	}
	fields := strings.Fields(cron)
	action := scheduled{
		node: node, cron: cron, timezone: zone, floor: clampReplicas(floor), days: strings.Join(fields[2:], " "),
		name: cmp.Or(node.Get("ScheduledActionName").Text(), "schedule"),
	}
	minute, errMinute := strconv.Atoi(fields[0])
	hour, errHour := strconv.Atoi(fields[1])
	if errMinute != nil || errHour != nil {
		return leave("Starts more than once a day: write its windows as cron triggers of a ScaledObject.")
	}
	action.minute = hour*60 + minute
	return action, true
}

var (
	weekdays     = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
	weekdayDigit = regexp.MustCompile(`\d+`)
	cronField    = regexp.MustCompile(`^[A-Z0-9*,/-]+$`)
)

// kedaCron turns AWS's six fields (minutes hours day-of-month month day-of-week
// year) into KEDA's five. AWS counts weekdays from 1 on Sunday, cron from 0: names
// mean the same in both. problem says why it can't be done.
func kedaCron(expression string) (cron, problem string) {
	fields := strings.Fields(strings.ToUpper(expression))
	if len(fields) != 6 {
		return "", fmt.Sprintf("Not a cron expression of AWS: wanted six fields, minutes to year, found %d.", len(fields))
	}
	if fields[5] != "*" {
		return "", "Bound to a year, which KEDA's schedules don't have: apply and delete the trigger then."
	}
	for i, field := range fields[:5] {
		if field == "?" {
			fields[i] = "*"
		} else if !cronField.MatchString(field) || strings.ContainsAny(field, "LW#") && i != 3 && i != 4 || i == 4 && strings.ContainsAny(field, "L#") {
			return "", "Uses L, W or # or something that is no cron field: KEDA has no counterpart."
		}
	}
	numbers := fields[4]
	base, every, stepped := strings.Cut(numbers, "/")
	wrong := false
	base = weekdayDigit.ReplaceAllStringFunc(base, func(digits string) string {
		day, err := strconv.Atoi(digits)
		if err != nil || day < 1 || day > 7 {
			wrong = true
			return digits
		}
		return weekdays[day-1]
	})
	if wrong {
		return "", "Names a weekday beyond 1 (Sunday) to 7 (Saturday)."
	}
	fields[4] = base
	if stepped {
		fields[4] += "/" + every
	}
	return strings.Join(fields[:5], " "), ""
}

// emitFloor adds the ScaledObject of a RAGService: KEDA moves the floor,
// spec.scaling.minReplicas, through the scale subresource, and the operator's own
// autoscaler works above it.
func (p *scalingPlan) emitFloor(w *workload) {
	if !w.replaced {
		return // emitAutoscaler makes one that holds the utilisation targets as well
	}
	w.add(w.scaledObject(map[string]any{"apiVersion": "rag.ragops.dev/v1alpha1", "kind": "RAGService", "name": w.name}, nil))
}

func (w *workload) scaledObject(target map[string]any, utilisation map[corev1.ResourceName]int32) *unstructured.Unstructured {
	p := &w.scaling
	var triggers []any
	for _, window := range p.windows {
		triggers = append(triggers, map[string]any{
			"type": "cron", "name": dnsLabel(window.name, maxLabel),
			"metadata": map[string]any{
				"timezone": window.timezone, "start": window.start, "end": window.end, "desiredReplicas": itoa(window.replicas),
			},
		})
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if value, ok := utilisation[name]; ok {
			triggers = append(triggers, map[string]any{
				"type": string(name), "metricType": "Utilization", "metadata": map[string]any{"value": itoa(value)},
			})
		}
	}
	spec := map[string]any{
		"scaleTargetRef":  target,
		"minReplicaCount": int64(p.min),
		"maxReplicaCount": int64(max(p.max, p.min, p.windowMax())),
		"triggers":        triggers,
	}
	name := w.name
	if w.replaced {
		name += "-schedule"
	} else if behavior := p.behavior(); behavior != nil {
		if content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(behavior); err == nil {
			spec["advanced"] = map[string]any{"horizontalPodAutoscalerConfig": map[string]any{"behavior": content}}
		}
	}
	return w.custom("keda.sh/v1alpha1", "ScaledObject", name, spec)
}

func (p *scalingPlan) windowMax() int32 {
	var most int32
	for _, window := range p.windows {
		most = max(most, window.replicas)
	}
	return most
}
