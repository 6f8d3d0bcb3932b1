package ecs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// defaultCooldown is ECS's, in seconds.
const defaultCooldown = 300

// scalingPlan is how many replicas run, and on what that depends.
type scalingPlan struct {
	known         bool // something says how many
	min, max      int32
	cpuPercent    int32
	memoryPercent int32
	perSecond     int32 // queries per second and replica

	scaleIn, scaleOut     []int // cooldowns, in seconds
	noScaleIn, noScaleOut bool
	upPolicies            []autoscalingv2.HPAScalingPolicy
	downPolicies          []autoscalingv2.HPAScalingPolicy
	windows               []scheduleWindow
	floor                 int32 // outside the windows
}

func (p *scalingPlan) scales() bool { return p.max > p.min || len(p.windows) > 0 }

// planScaling reads the service's number of tasks and everything of Application
// Auto Scaling. The sizes of replicas come out the same for both kinds of output.
func (w *workload) planScaling() {
	p := &w.scaling
	p.min, p.max = 1, 1
	desired := w.serviceNode("desiredCount")
	if count, ok := desired.Int(); ok && count >= 0 {
		p.known = true
		p.min = clampReplicas(count)
		p.max = p.min
	}
	w.planSchedules()
	for _, target := range w.otherDocuments(kindTarget) {
		w.planTarget(target)
	}
	for _, policy := range w.otherDocuments(kindPolicy) {
		w.planPolicy(policy)
	}
	if len(p.windows) > 0 {
		// What the described floor is depends on the hour; the schedule's own lowest
		// is what holds outside its windows.
		p.min = p.floor
		p.max = max(p.max, p.min, p.windowMax())
		p.emitFloor(w)
	}
	w.claimDesired(desired)
}

func clampReplicas(count int) int32 { return int32(min(max(count, 1), 1000)) }

func (w *workload) claimDesired(desired *jsontree.Node) {
	count, ok := desired.Int()
	switch {
	case !desired.IsSet():
	case w.isDaemon():
		w.ignore(desired, "A daemon runs once on every node.")
	case !ok || count < 0:
		w.person(desired, ledger.StepScaling, "Not a number of tasks.")
	case count == 0:
		w.approximated(desired, w.replicasField(), "The service is scaled to 0; here one replica runs.")
	case len(w.otherDocuments(kindTarget)) > 0:
		w.ignore(desired, "Where the service was when it was described; the autoscaler decides.")
	default:
		w.mapped(desired, w.replicasField())
	}
}

func (w *workload) replicasField() string {
	if w.replaced {
		return w.field("spec.scaling.minReplicas, maxReplicas")
	}
	return w.field("spec.replicas")
}

// scalingField names where a part of the plan ends.
func (w *workload) scalingField(ragService, autoscaler string) string {
	if w.replaced {
		return w.field("spec.scaling." + ragService)
	}
	if len(w.scaling.windows) > 0 {
		return "ScaledObject/" + w.name + " " + autoscaler
	}
	return "HorizontalPodAutoscaler/" + w.name + " spec." + autoscaler
}

func (w *workload) planTarget(target *jsontree.Node) {
	p := &w.scaling
	w.mapped(target.Get("ResourceId"), w.field("metadata.name"))
	least, greatest := target.Get("MinCapacity"), target.Get("MaxCapacity")
	if count, ok := least.Int(); ok && count >= 0 {
		p.known = true
		p.min = clampReplicas(count)
		if count == 0 {
			w.approximated(least, w.scalingField("minReplicas", "minReplicas"), "0 became 1: to scale to zero, use a KEDA ScaledObject with a trigger that counts requests.")
		} else {
			w.mapped(least, w.scalingField("minReplicas", "minReplicas"))
		}
	} else {
		w.person(least, ledger.StepScaling, "Not a number of tasks.")
	}
	if count, ok := greatest.Int(); ok && count >= 0 {
		p.known = true
		p.max = max(clampReplicas(count), p.min)
		w.mapped(greatest, w.scalingField("maxReplicas", "maxReplicas"))
	} else {
		w.person(greatest, ledger.StepScaling, "Not a number of tasks.")
	}
	p.max = max(p.max, p.min)
	w.planSuspension(target.Get("SuspendedState"))
}

func (w *workload) planSuspension(state *jsontree.Node) {
	in, out, scheduled := state.Get("DynamicScalingInSuspended"), state.Get("DynamicScalingOutSuspended"), state.Get("ScheduledScalingSuspended")
	if in.True() {
		w.scaling.noScaleIn = true
		w.mapped(in, w.scalingField("behavior.scaleDown.selectPolicy", "behavior.scaleDown.selectPolicy"))
	}
	if out.True() {
		w.scaling.noScaleOut = true
		w.mapped(out, w.scalingField("behavior.scaleUp.selectPolicy", "behavior.scaleUp.selectPolicy"))
	}
	if scheduled.True() {
		w.person(scheduled, ledger.StepScaling, "")
	}
	for _, node := range []*jsontree.Node{in, out, scheduled} {
		w.ignore(node, "Not suspended.")
	}
}

// planPolicy reads one scaling policy, described or as it was put.
func (w *workload) planPolicy(policy *jsontree.Node) {
	tracking, step := policy.Get("TargetTrackingScalingPolicyConfiguration"), policy.Get("StepScalingPolicyConfiguration")
	if tracking == nil && policy.Get("TargetValue") != nil {
		tracking = policy
	}
	if step == nil && policy.Get("StepAdjustments") != nil {
		step = policy
	}
	w.mapped(policy.Get("ResourceId"), w.field("metadata.name"))
	w.approximated(policy.Get("PolicyName"), w.scalingField("targets", "metrics"), "")
	if tracking != nil {
		w.planTracking(tracking)
	}
	if step != nil {
		w.planSteps(policy, step)
	}
}

func (w *workload) planTracking(tracking *jsontree.Node) {
	p := &w.scaling
	metric := tracking.Find("PredefinedMetricSpecification", "PredefinedMetricType")
	value := tracking.Get("TargetValue")
	number, ok := value.Float()
	if !ok || number <= 0 || number > 1e6 {
		w.person(value, ledger.StepScaling, "Not a value that can be tracked.")
		w.person(metric, ledger.StepScaling, "Its target is missing or no number.")
		return
	}
	switch strings.ToLower(metric.Text()) {
	case "ecsserviceaveragecpuutilization":
		p.cpuPercent = tighter(p.cpuPercent, percent(number))
		w.claimTarget(metric, value, number, w.scalingField("targets.cpuPercent", "metrics[cpu]"))
	case "ecsserviceaveragememoryutilization":
		p.memoryPercent = tighter(p.memoryPercent, percent(number))
		w.claimTarget(metric, value, number, w.scalingField("targets.memoryPercent", "metrics[memory]"))
	case "albrequestcountpertarget":
		w.planRequestCount(tracking, metric, value, number)
		return
	default:
		w.person(value, ledger.StepScaling, "The target of a metric of CloudWatch: scale on its Prometheus counterpart with a KEDA ScaledObject.")
		w.person(metric, ledger.StepScaling, "A metric that this conversion does not know.")
		w.leaveCooldowns(tracking)
		return
	}
	w.planCooldowns(tracking)
}

// leaveCooldowns claims how a policy that is not carried over would have paced
// itself.
func (w *workload) leaveCooldowns(tracking *jsontree.Node) {
	for _, name := range []string{"ScaleInCooldown", "ScaleOutCooldown", "DisableScaleIn"} {
		w.person(tracking.Get(name), ledger.StepScaling, "Of a policy that needs a person: pace its ScaledObject (advanced.horizontalPodAutoscalerConfig.behavior) like that.")
	}
}

func (w *workload) claimTarget(metric, value *jsontree.Node, number float64, field string) {
	w.mapped(metric, field)
	if number == math.Trunc(number) {
		w.mapped(value, field)
	} else {
		w.approximated(value, field, "Rounded to a whole percentage.")
	}
}

// tighter returns the smaller target of two, of which the first may be unset.
func tighter(current, next int32) int32 {
	if current == 0 {
		return next
	}
	return min(current, next)
}

func percent(number float64) int32 { return int32(min(max(math.Round(number), 1), 1000)) }

// planCooldowns collects the cooldowns of the policies: a HorizontalPodAutoscaler
// has one window for all.
func (w *workload) planCooldowns(tracking *jsontree.Node) {
	p := &w.scaling
	in, out := tracking.Get("ScaleInCooldown"), tracking.Get("ScaleOutCooldown")
	p.scaleIn = append(p.scaleIn, cooldown(in))
	p.scaleOut = append(p.scaleOut, cooldown(out))
	w.approximated(in, w.scalingField("behavior.scaleDown.stabilizationWindowSeconds", "behavior.scaleDown.stabilizationWindowSeconds"), "")
	w.approximated(out, w.scalingField("behavior.scaleUp.stabilizationWindowSeconds", "behavior.scaleUp.stabilizationWindowSeconds"), "")
	if disabled := tracking.Get("DisableScaleIn"); disabled.True() {
		p.noScaleIn = true
		w.approximated(disabled, w.scalingField("behavior.scaleDown.selectPolicy", "behavior.scaleDown.selectPolicy"), "")
	} else {
		w.ignore(disabled, "Off.")
	}
}

// cooldown reads seconds; a window of an autoscaler is at most an hour.
func cooldown(node *jsontree.Node) int {
	if seconds, ok := node.Int(); ok && seconds >= 0 {
		return min(seconds, 3600)
	}
	return defaultCooldown
}

// planSteps maps step scaling to bounds on one step of the autoscaler. What it
// scales on is the alarm of the policy, where that is given and of a known metric.
func (w *workload) planSteps(policy, step *jsontree.Node) {
	p := &w.scaling
	kind := autoscalingv2.PodsScalingPolicy
	switch strings.ToLower(step.Get("AdjustmentType").Text()) {
	case "percentchangeincapacity":
		kind = autoscalingv2.PercentScalingPolicy
	case "changeincapacity":
	default:
		w.person(step, ledger.StepScaling, "Sets an exact number of tasks, for which an autoscaler has no counterpart: a schedule or a target comes closest.")
		return
	}
	period := int32(min(max(cooldown(step.Get("Cooldown")), 15), 1800))
	up, down := greatestSteps(step)
	if up > 0 {
		p.upPolicies = append(p.upPolicies, autoscalingv2.HPAScalingPolicy{Type: kind, Value: up, PeriodSeconds: period})
	}
	if down > 0 {
		p.downPolicies = append(p.downPolicies, autoscalingv2.HPAScalingPolicy{Type: kind, Value: down, PeriodSeconds: period})
	}
	w.approximated(step, w.scalingField("behavior", "behavior"), "")
	w.targetFromAlarms(policy, up > 0)
}

// greatestSteps returns the greatest step out and in, at least 1 where there is one.
func greatestSteps(step *jsontree.Node) (up, down int32) {
	for _, adjustment := range step.Get("StepAdjustments").Items() {
		change, ok := adjustment.Get("ScalingAdjustment").Float()
		if !ok || math.Abs(change) > 100_000 {
			continue
		}
		if change > 0 {
			up = max(up, int32(math.Ceil(change)))
		} else if change < 0 {
			down = max(down, int32(math.Ceil(-change)))
		}
	}
	return up, down
}

// targetFromAlarms sets the target from the alarm of a policy that scales out: what
// starts the step is what the autoscaler tracks.
func (w *workload) targetFromAlarms(policy *jsontree.Node, out bool) {
	p := &w.scaling
	found := false
	for _, reference := range policy.Get("Alarms").Items() {
		for _, alarm := range w.otherDocuments(kindAlarm) {
			if alarm.Get("AlarmName").Text() != reference.Get("AlarmName").Text() || !out {
				continue
			}
			threshold, ok := alarm.Get("Threshold").Float()
			if !ok || threshold <= 0 || threshold > 1000 {
				continue
			}
			switch alarm.Get("MetricName").Text() {
			case "CPUUtilization":
				p.cpuPercent, found = tighter(p.cpuPercent, percent(threshold)), true
			case "MemoryUtilization":
				p.memoryPercent, found = tighter(p.memoryPercent, percent(threshold)), true
			}
		}
	}
	if out && !found {
		w.task(ledger.Task{
			Step:   ledger.StepScaling,
			Title:  fmt.Sprintf("Set the target of the step scaling policy %s", cmp.Or(policy.Get("PolicyName").Text(), "given without a name")),
			Detail: "Its steps became bounds; what it scales on is in its alarm, which is not among the inputs or is of a metric that has no counterpart. Until then the defaults hold: 80 % of CPU and 85 % of memory.",
		})
	}
}

// behavior is the plan's behaviour for autoscaling/v2, or nil where nothing says
// anything of it.
func (p *scalingPlan) behavior() *autoscalingv2.HorizontalPodAutoscalerBehavior {
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleUp:   scalingRules(p.scaleOut, slices.Min[[]int], p.upPolicies, p.noScaleOut),
		ScaleDown: scalingRules(p.scaleIn, slices.Max[[]int], p.downPolicies, p.noScaleIn),
	}
	if behavior.ScaleUp == nil && behavior.ScaleDown == nil {
		return nil
	}
	return behavior
}

func scalingRules(cooldowns []int, choose func([]int) int, policies []autoscalingv2.HPAScalingPolicy, disabled bool) *autoscalingv2.HPAScalingRules {
	if len(cooldowns) == 0 && len(policies) == 0 && !disabled {
		return nil
	}
	rules := &autoscalingv2.HPAScalingRules{Policies: policies}
	if len(cooldowns) > 0 {
		rules.StabilizationWindowSeconds = new(int32(choose(cooldowns)))
	}
	if disabled {
		rules.SelectPolicy = new(autoscalingv2.DisabledPolicySelect)
	}
	return rules
}

// emitAutoscaler adds what scales a Deployment: a HorizontalPodAutoscaler, or a
// ScaledObject where there is a schedule. Never both: they would fight.
func (w *workload) emitAutoscaler() {
	p := &w.scaling
	switch {
	case len(p.windows) > 0:
		w.add(w.scaledObject(map[string]any{"name": w.name}, p.hpaTargets()))
	case p.max > p.min:
		w.add(&autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: w.meta(w.name),
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: w.name},
				MinReplicas:    new(p.min), MaxReplicas: p.max, Metrics: p.metrics(), Behavior: p.behavior(),
			},
		})
	}
}

// hpaTargets are the utilisations to scale on; CPU at 80 where nothing says.
func (p *scalingPlan) hpaTargets() map[corev1.ResourceName]int32 {
	targets := map[corev1.ResourceName]int32{}
	if p.cpuPercent > 0 {
		targets[corev1.ResourceCPU] = p.cpuPercent
	}
	if p.memoryPercent > 0 {
		targets[corev1.ResourceMemory] = p.memoryPercent
	}
	if len(targets) == 0 {
		targets[corev1.ResourceCPU] = 80
	}
	return targets
}

func (p *scalingPlan) metrics() []autoscalingv2.MetricSpec {
	var metrics []autoscalingv2.MetricSpec
	targets := p.hpaTargets()
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if target, ok := targets[name]; ok {
			metrics = append(metrics, autoscalingv2.MetricSpec{
				Type: autoscalingv2.ResourceMetricSourceType,
				Resource: &autoscalingv2.ResourceMetricSource{
					Name:   name,
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(target)},
				},
			})
		}
	}
	return metrics
}

// seconds is a duration for an API field.
func seconds(n float64) *metav1.Duration {
	return &metav1.Duration{Duration: durationOf(n)}
}

// planRequestCount maps ALBRequestCountPerTarget, which counts per minute, to the
// queries per second of a replica. A plain autoscaler has no such metric.
func (w *workload) planRequestCount(tracking, metric, value *jsontree.Node, number float64) {
	perSecond := decimal(number / 60)
	if !w.replaced {
		note := "It counts per minute: " + perSecond + " a second and replica. Scale on that with a KEDA ScaledObject and a metric of the service's own."
		w.person(value, ledger.StepScaling, note)
		w.person(metric, ledger.StepScaling, note)
		w.leaveCooldowns(tracking)
		return
	}
	w.scaling.perSecond = tighter(w.scaling.perSecond, int32(max(1, math.Round(number/60))))
	field := w.scalingField("targets.queriesPerSecond", "")
	w.mapped(metric, field)
	w.approximated(value, field, "It counts per minute: "+perSecond+" a second and replica, rounded.")
	w.planCooldowns(tracking)
}
