package ecs

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// attributeLabels are the labels of nodes that say what attributes of container
// instances said.
var attributeLabels = map[string]string{
	"ecs.availability-zone": corev1.LabelTopologyZone,
	"ecs.instance-type":     corev1.LabelInstanceTypeStable,
	"ecs.os-type":           corev1.LabelOSStable,
	"ecs.cpu-architecture":  corev1.LabelArchStable,
}

var (
	attributeEquals = regexp.MustCompile(`^\s*attribute:([\w.-]+)\s*(==|!=)\s*([\w.-]+)\s*$`)
	attributeIn     = regexp.MustCompile(`^\s*attribute:([\w.-]+)\s+(in|not_in)\s+\[([^\]]*)\]\s*$`)
)

// nodeRequirement reads a placement expression; ok is false where it says more
// than a label of a node can.
func nodeRequirement(expression string) (requirement corev1.NodeSelectorRequirement, ok bool) {
	if m := attributeEquals.FindStringSubmatch(expression); m != nil {
		operator := corev1.NodeSelectorOpIn
		if m[2] == "!=" {
			operator = corev1.NodeSelectorOpNotIn
		}
		key, known := attributeLabels[m[1]]
		return corev1.NodeSelectorRequirement{Key: key, Operator: operator, Values: []string{m[3]}}, known
	}
	if m := attributeIn.FindStringSubmatch(expression); m != nil {
		operator := corev1.NodeSelectorOpIn
		if m[2] == "not_in" {
			operator = corev1.NodeSelectorOpNotIn
		}
		var values []string
		for value := range strings.SplitSeq(m[3], ",") {
			if value = strings.TrimSpace(value); labelValue.MatchString(value) && value != "" {
				values = append(values, value)
			}
		}
		key, known := attributeLabels[m[1]]
		return corev1.NodeSelectorRequirement{Key: key, Operator: operator, Values: values}, known && len(values) > 0
	}
	return corev1.NodeSelectorRequirement{}, false
}

// convertPlacement maps where tasks may and should run.
func (w *workload) convertPlacement(pod *corev1.PodSpec) {
	w.convertConstraints(pod, w.node.Get("placementConstraints"))
	w.convertConstraints(pod, w.serviceNode("placementConstraints"))
	for _, strategy := range w.serviceNode("placementStrategy").Items() {
		w.convertStrategy(pod, strategy)
	}
	w.convertCapacity(pod)
}

func (w *workload) convertConstraints(pod *corev1.PodSpec, constraints *jsontree.Node) {
	for _, constraint := range constraints.Items() {
		requirement, ok := nodeRequirement(constraint.Get("expression").Text())
		switch {
		case strings.EqualFold(constraint.Get("type").Text(), "distinctInstance"):
			affinity(pod).PodAntiAffinity = &corev1.PodAntiAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
					LabelSelector: &metav1.LabelSelector{MatchLabels: w.podSelector()}, TopologyKey: corev1.LabelHostname,
				}},
			}
			w.mapped(constraint, w.podField("affinity.podAntiAffinity"))
		case ok:
			requireNode(pod, requirement)
			w.mapped(constraint, w.podField("affinity.nodeAffinity"))
		default:
			w.person(constraint, ledger.StepWorkload, "An expression that labels of nodes can't say: write it as node affinity or as a node pool.")
		}
	}
}

func affinity(pod *corev1.PodSpec) *corev1.Affinity {
	if pod.Affinity == nil {
		pod.Affinity = &corev1.Affinity{}
	}
	return pod.Affinity
}

func nodeAffinity(pod *corev1.PodSpec) *corev1.NodeAffinity {
	a := affinity(pod)
	if a.NodeAffinity == nil {
		a.NodeAffinity = &corev1.NodeAffinity{}
	}
	return a.NodeAffinity
}

func requireNode(pod *corev1.PodSpec, requirement corev1.NodeSelectorRequirement) {
	a := nodeAffinity(pod)
	if a.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		a.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{}}}
	}
	term := &a.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0]
	term.MatchExpressions = append(term.MatchExpressions, requirement)
}

func (w *workload) convertStrategy(pod *corev1.PodSpec, strategy *jsontree.Node) {
	field := strategy.Get("field").Text()
	key := map[string]string{"attribute:ecs.availability-zone": corev1.LabelTopologyZone, "instanceid": corev1.LabelHostname, "host": corev1.LabelHostname}[strings.ToLower(field)]
	switch kind := strings.ToLower(strategy.Get("type").Text()); {
	case kind == "spread" && key != "":
		for _, constraint := range pod.TopologySpreadConstraints {
			if constraint.TopologyKey == key {
				w.approximated(strategy, w.podField("topologySpreadConstraints"), "")
				return
			}
		}
		pod.TopologySpreadConstraints = append(pod.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
			MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: w.podSelector()},
		})
		w.mapped(strategy, w.podField("topologySpreadConstraints"))
	case kind == "random":
		w.claim(strategy, ledger.Ignored, "", "The scheduler chooses.", "")
	case kind == "binpack":
		w.claim(strategy, ledger.Ignored, "", "Filling nodes up is the work of the cluster's autoscaler (consolidation).", "")
	default:
		w.person(strategy, ledger.StepWorkload, "Spread over something that nodes have no label for: label them, and spread over the label.")
	}
}

// capacityLabel is how Karpenter tells spot from on-demand nodes; managed node
// groups have eks.amazonaws.com/capacityType.
const capacityLabel = "karpenter.sh/capacity-type"

// convertCapacity maps capacity providers: spot where it has weight is preferred,
// never required.
func (w *workload) convertCapacity(pod *corev1.PodSpec) {
	launch := w.serviceNode("launchType")
	if strings.EqualFold(launch.Text(), "EXTERNAL") {
		w.person(launch, ledger.StepPrepare, "ECS Anywhere runs on machines of your own: join those to the cluster as hybrid nodes, or leave them.")
	} else {
		w.approximated(launch, "nodes of the cluster", "")
	}
	for _, item := range w.serviceNode("capacityProviderStrategy").Items() {
		w.convertProvider(pod, item)
	}
}

func (w *workload) convertProvider(pod *corev1.PodSpec, item *jsontree.Node) {
	provider := item.Get("capacityProvider")
	weight, _ := item.Get("weight").Int()
	if base, ok := item.Get("base").Int(); ok && base == 0 {
		w.ignore(item.Get("base"), "0 is none.")
	}
	capacity, ok := map[string]string{"FARGATE": "on-demand", "FARGATE_SPOT": "spot"}[strings.ToUpper(provider.Text())]
	switch {
	case !ok:
		w.person(provider, ledger.StepWorkload, "A capacity provider of your own: make a node pool of it, and prefer or require its label.")
		w.ignore(item.Get("weight"), "The weight of a provider of your own.")
	case weight <= 0:
		w.ignore(provider, "Without weight it takes none but the base.")
		w.ignore(item.Get("weight"), "0 is none.")
	default:
		a := nodeAffinity(pod)
		a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution, corev1.PreferredSchedulingTerm{
			Weight: int32(min(weight, 100)),
			Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: capacityLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{capacity}},
			}},
		})
		w.approximated(provider, w.podField("affinity.nodeAffinity"), "")
		w.approximated(item.Get("weight"), w.podField("affinity.nodeAffinity"), "")
	}
}

// podSelector matches the pods of the workload, whoever runs them.
func (w *workload) podSelector() map[string]string {
	if w.replaced {
		return map[string]string{"app.kubernetes.io/name": "ragservice", "app.kubernetes.io/instance": w.name, "app.kubernetes.io/component": "runtime"}
	}
	return w.selector()
}
