package ecs

import (
	"fmt"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

// kind is what a document describes. Each has its own rules.
type kind string

const (
	kindResponse      kind = "response" // what the aws command line wraps around the rest
	kindTask          kind = "task definition"
	kindService       kind = "service"
	kindTaskSet       kind = "task set"
	kindTarget        kind = "scalable target"
	kindPolicy        kind = "scaling policy"
	kindSchedule      kind = "scheduled action"
	kindLoadBalancer  kind = "load balancer"
	kindTargetGroup   kind = "target group"
	kindTGAttributes  kind = "target group attributes"
	kindListener      kind = "listener"
	kindListenerRule  kind = "listener rule"
	kindRuleCondition kind = "listener rule condition"
	kindRuleAction    kind = "listener rule action"
	kindAlarm         kind = "alarm"
	kindDashboard     kind = "dashboard"
	kindWidgets       kind = "dashboard body"
)

// kinds in the order in which the matrix shows them.
var kinds = []kind{
	kindTask, kindService, kindTaskSet, kindTarget, kindPolicy, kindSchedule, kindLoadBalancer, kindTargetGroup,
	kindTGAttributes, kindListener, kindListenerRule, kindRuleCondition, kindRuleAction, kindAlarm, kindDashboard,
	kindWidgets, kindResponse,
}

// document is a part of an input that describes one thing.
type document struct {
	kind   kind
	source string
	node   *jsontree.Node
}

// containers are the members under which the aws command line prints things of a
// kind, one (an object) or several (an array).
var containers = []struct {
	name string
	kind kind
	many bool
}{
	{"taskDefinition", kindTask, false},
	{"services", kindService, true},
	{"service", kindService, false},
	{"taskSets", kindTaskSet, true},
	{"ScalableTargets", kindTarget, true},
	{"ScalingPolicies", kindPolicy, true},
	{"ScheduledActions", kindSchedule, true},
	{"LoadBalancers", kindLoadBalancer, true},
	{"TargetGroups", kindTargetGroup, true},
	{"Listeners", kindListener, true},
	{"Rules", kindListenerRule, true},
	{"MetricAlarms", kindAlarm, true},
	{"CompositeAlarms", kindAlarm, true},
}

// isContainer reports whether a response has things under that member, in lower
// case.
func isContainer(member string) bool {
	for _, container := range containers {
		if strings.ToLower(container.name) == member {
			return true
		}
	}
	return false
}

// shapes tell what a bare document is, such as the input of a register or create
// command. The first of which all members are there wins.
var shapes = []struct {
	members []string
	kind    kind
}{
	{[]string{"containerDefinitions"}, kindTask},
	{[]string{"TargetTrackingScalingPolicyConfiguration"}, kindPolicy},
	{[]string{"StepScalingPolicyConfiguration"}, kindPolicy},
	{[]string{"TargetValue"}, kindPolicy},
	{[]string{"StepAdjustments"}, kindPolicy},
	{[]string{"ScheduledActionName"}, kindSchedule},
	{[]string{"ScalableTargetAction"}, kindSchedule},
	{[]string{"ScalableDimension", "MinCapacity"}, kindTarget},
	{[]string{"ScalableDimension", "MaxCapacity"}, kindTarget},
	{[]string{"AlarmName"}, kindAlarm},
	{[]string{"MetricName", "ComparisonOperator"}, kindAlarm},
	{[]string{"DashboardBody"}, kindDashboard},
	{[]string{"widgets"}, kindWidgets},
	{[]string{"RuleArn"}, kindListenerRule},
	{[]string{"Conditions", "Actions"}, kindListenerRule},
	{[]string{"DefaultActions"}, kindListener},
	{[]string{"HealthCheckPath"}, kindTargetGroup},
	{[]string{"TargetGroupName"}, kindTargetGroup},
	{[]string{"Attributes"}, kindTGAttributes},
	{[]string{"Field"}, kindRuleCondition},
	{[]string{"Type", "TargetGroupArn"}, kindRuleAction},
	{[]string{"Type", "ForwardConfig"}, kindRuleAction},
	{[]string{"Type", "RedirectConfig"}, kindRuleAction},
	{[]string{"Type", "FixedResponseConfig"}, kindRuleAction},
	{[]string{"Type", "AuthenticateOidcConfig"}, kindRuleAction},
	{[]string{"Type", "AuthenticateCognitoConfig"}, kindRuleAction},
	{[]string{"Scheme", "AvailabilityZones"}, kindLoadBalancer},
	{[]string{"deploymentConfiguration"}, kindService},
	{[]string{"desiredCount"}, kindService},
	{[]string{"schedulingStrategy"}, kindService},
	{[]string{"serviceName"}, kindService},
	{[]string{"serviceArn"}, kindService},
}

// recognise finds the documents in one JSON value, or says what the value is
// instead.
func recognise(source string, root *jsontree.Node) ([]*document, error) {
	where := fmt.Sprintf("%s:%d:%d", source, root.Line, root.Column)
	switch root.Kind {
	case jsontree.Object:
		if what := foreignDocument(root); what != "" {
			return nil, fmt.Errorf("%s: %s", where, what)
		}
		if documents := recogniseObject(source, root); len(documents) > 0 {
			return documents, nil
		}
		return nil, fmt.Errorf("%s: can't tell what this describes from its members (%s); wanted what one of these prints: %s",
			where, memberNames(root), wantedCommands)
	case jsontree.Array:
		var documents []*document
		for _, item := range root.Items() {
			found, err := recognise(source, item)
			if err != nil {
				return nil, err
			}
			documents = append(documents, found...)
		}
		if len(documents) > 0 {
			return append(documents, &document{kind: kindResponse, source: source, node: root}), nil
		}
		return nil, fmt.Errorf("%s: an empty array describes nothing; wanted what one of these prints: %s", where, wantedCommands)
	default:
		return nil, fmt.Errorf("%s: found %s where an object was expected; wanted what one of these prints: %s", where, root.Kind, wantedCommands)
	}
}

const wantedCommands = "aws ecs describe-task-definition | describe-services, aws application-autoscaling describe-scalable-targets | " +
	"describe-scaling-policies | describe-scheduled-actions, aws elbv2 describe-load-balancers | describe-target-groups | describe-listeners | " +
	"describe-rules, aws cloudwatch describe-alarms | get-dashboard, or the input of the command that made it"

func recogniseObject(source string, root *jsontree.Node) []*document {
	var documents []*document
	wrapper := false
	for _, container := range containers {
		member := root.Get(container.name)
		if member != nil && member.Key != container.name {
			continue // LoadBalancers are those of a region, loadBalancers those of a service
		}
		switch {
		case member == nil:
		case container.many && member.Kind == jsontree.Array:
			wrapper = true
			for _, item := range member.Items() {
				documents = append(documents, &document{kind: container.kind, source: source, node: item})
			}
		case !container.many && member.Kind == jsontree.Object:
			wrapper = true
			documents = append(documents, &document{kind: container.kind, source: source, node: member})
		}
	}
	if wrapper {
		return append(documents, &document{kind: kindResponse, source: source, node: root})
	}
	for _, shape := range shapes {
		if hasAll(root, shape.members) {
			return []*document{{kind: shape.kind, source: source, node: root}}
		}
	}
	return nil
}

func hasAll(root *jsontree.Node, members []string) bool {
	for _, member := range members {
		if root.Get(member) == nil {
			return false
		}
	}
	return true
}

// memberNames lists the first few names of an object's members.
func memberNames(root *jsontree.Node) string {
	var names []string
	for _, child := range root.Children() {
		if len(names) == 8 {
			names = append(names, "…")
			break
		}
		names = append(names, child.Key)
	}
	if len(names) == 0 {
		return "it has none"
	}
	return strings.Join(names, ", ")
}
