package ecs

import (
	"slices"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

var targetRules = slices.Concat(
	[]rule{
		mapsTo("MinCapacity", "scaling.minReplicas", "0 becomes 1: neither a HorizontalPodAutoscaler nor a RAGService scales to zero.").or(near, human, dropped).at(ledger.StepScaling),
		mapsTo("MaxCapacity", "scaling.maxReplicas", "").or(near, human, dropped).at(ledger.StepScaling),
		mapsTo("ResourceId", "the service that scales", "").or(dropped, human).at(ledger.StepScaling),
		ignored("ServiceNamespace", "Tells that it is ECS that scales."),
		ignored("ScalableDimension", "Tells that it is the number of tasks that scales."),
		comesNear("SuspendedState.DynamicScalingInSuspended", "behavior.scaleDown.selectPolicy Disabled", "Of the whole autoscaler.").or(exact, human, dropped).at(ledger.StepScaling),
		comesNear("SuspendedState.DynamicScalingOutSuspended", "behavior.scaleUp.selectPolicy Disabled", "Of the whole autoscaler.").or(exact, human, dropped).at(ledger.StepScaling),
		needsPerson("SuspendedState.ScheduledScalingSuspended", ledger.StepScaling, "Scheduled scaling is suspended: leave the ScaledObject out until it is wanted.").or(dropped),
		ignored("RoleARN", "Application Auto Scaling's service-linked role."),
		ignored("Tags.**", "Tags of the scalable target."),
		ignored("PredictedCapacity", "Predictive scaling's forecast."),
	},
	readOnly("CreationTime", "ScalableTargetARN"),
)

// trackingRules are of a target tracking configuration, wherever it stands.
func trackingRules(prefix string) []rule {
	return prefixed(prefix, []rule{
		mapsTo("TargetValue", "scaling target", "CPU and memory one to one while the pods request the task's size. ALBRequestCountPerTarget counts per minute: a sixtieth of it is queries per second.").or(near, human, dropped).at(ledger.StepScaling),
		mapsTo("PredefinedMetricSpecification.PredefinedMetricType", "scaling target", "").or(near, human, dropped).at(ledger.StepScaling),
		ignored("PredefinedMetricSpecification.ResourceLabel", "The load balancer and target group that are counted."),
		needsPerson("CustomizedMetricSpecification.**", ledger.StepScaling, "A metric of CloudWatch: scale on its Prometheus counterpart with a KEDA ScaledObject.").or(dropped),
		comesNear("ScaleInCooldown", "behavior.scaleDown.stabilizationWindowSeconds", "300 by default. One for all policies: the longest.").or(exact, dropped, human).at(ledger.StepScaling),
		comesNear("ScaleOutCooldown", "behavior.scaleUp.stabilizationWindowSeconds", "300 by default. One for all policies: the shortest.").or(exact, dropped, human).at(ledger.StepScaling),
		comesNear("DisableScaleIn", "behavior.scaleDown.selectPolicy Disabled", "In ECS of this policy; here of the whole autoscaler.").or(dropped, human).at(ledger.StepScaling),
	})
}

// stepRules are of a step scaling configuration, wherever it stands.
func stepRules(prefix string) []rule {
	return prefixed(prefix, []rule{
		comesNear("AdjustmentType", "behavior policies", "Percent or pods of one step.").or(human, dropped).at(ledger.StepScaling),
		comesNear("StepAdjustments[].ScalingAdjustment", "behavior policies", "A bound on one step: an autoscaler computes how far to go from its target.").or(human, dropped).at(ledger.StepScaling),
		comesNear("StepAdjustments[].MetricIntervalLowerBound", "behavior policies", "The autoscaler acts in proportion; steps have no counterpart.").or(human, dropped).at(ledger.StepScaling),
		comesNear("StepAdjustments[].MetricIntervalUpperBound", "behavior policies", "The autoscaler acts in proportion; steps have no counterpart.").or(human, dropped).at(ledger.StepScaling),
		comesNear("MinAdjustmentMagnitude", "behavior policies", "The least number of pods of a step.").or(human, dropped).at(ledger.StepScaling),
		comesNear("Cooldown", "behavior policies' periodSeconds", "The time in which one step is made at most, from 15 s to 30 min.").or(human, dropped).at(ledger.StepScaling),
		ignored("MetricAggregationType", "How the alarm's data points are aggregated."),
	})
}

var policyRules = slices.Concat(
	[]rule{
		comesNear("PolicyName", "scaling targets and behavior", "An autoscaler has targets and one behaviour, no policies with names.").or(human, dropped).at(ledger.StepScaling),
		ignored("PolicyType", "Tells target tracking from step scaling."),
		mapsTo("ResourceId", "the service that scales", "").or(dropped, human).at(ledger.StepScaling),
		ignored("ServiceNamespace", "Tells that it is ECS that scales."),
		ignored("ScalableDimension", "Tells that it is the number of tasks that scales."),
		ignored("Alarms[].**", "The alarms that Application Auto Scaling made for the policy."),
		needsPerson("PredictiveScalingPolicyConfiguration.**", ledger.StepScaling, "Predictive scaling has no counterpart: a schedule comes closest."),
	},
	trackingRules("TargetTrackingScalingPolicyConfiguration."), stepRules("StepScalingPolicyConfiguration."),
	trackingRules(""), stepRules(""),
	readOnly("PolicyARN", "CreationTime"),
)

var scheduleRules = slices.Concat(
	[]rule{
		mapsTo("ScheduledActionName", "ScaledObject trigger", "").or(near, human, dropped).at(ledger.StepScaling),
		comesNear("Schedule", "ScaledObject cron trigger", "AWS counts weekdays from 1 on Sunday, KEDA from 0. L, W and # and single dates need a person.").or(exact, human, dropped).at(ledger.StepScaling),
		mapsTo("Timezone", "ScaledObject cron trigger's timezone", "UTC by default.").or(near, human, dropped).at(ledger.StepScaling),
		mapsTo("ResourceId", "the service that scales", "").or(dropped, human).at(ledger.StepScaling),
		comesNear("ScalableTargetAction.MinCapacity", "ScaledObject cron trigger's desiredReplicas", "A floor from one action to the next.").or(exact, human, dropped).at(ledger.StepScaling),
		needsPerson("ScalableTargetAction.MaxCapacity", ledger.StepScaling, "A schedule raises the floor; the ceiling stays at maxReplicas.").or(dropped),
		needsPerson("StartTime", ledger.StepScaling, "KEDA's schedules have no first day: apply the ScaledObject then.").or(dropped),
		needsPerson("EndTime", ledger.StepScaling, "KEDA's schedules have no last day: delete the trigger then.").or(dropped),
		ignored("ServiceNamespace", "Tells that it is ECS that scales."),
		ignored("ScalableDimension", "Tells that it is the number of tasks that scales."),
	},
	readOnly("ScheduledActionARN", "CreationTime"),
)
