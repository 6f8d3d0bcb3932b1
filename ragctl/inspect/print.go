package inspect

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.printHead(table)
	printConditions(table, r.Service.Status.Conditions)
	printAutoscaler(table, r.Autoscaler)
	printLoad(table, r.Service.Status.Load)
	printObjectives(table, r.Service.Status.Objectives)
	fmt.Fprintln(table, "\nObjects")
	printTree(table, r.Children, "  ")
	return table.Flush()
}

func (r *Report) printHead(w io.Writer) {
	s := r.Service
	ready := "not ready"
	if meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady) {
		ready = "ready"
	}
	if s.Spec.Suspend {
		ready += ", suspended"
	}
	fmt.Fprintf(w, "RAGService %s/%s is %s\n", s.Namespace, s.Name, ready)
	fmt.Fprintf(w, "  Model\t%s\n", cmp.Or(s.Status.Model, "-"))
	fmt.Fprintf(w, "  Endpoint\t%s\n", cmp.Or(s.Status.Endpoint, "-"))
	fmt.Fprintf(w, "  Replicas\t%d of %d ready\n", s.Status.ReadyReplicas, s.Status.Replicas)
	fmt.Fprintf(w, "  Runtime\t%s\n", cmp.Or(s.Status.RuntimeVersion, "-"))
	if s.Generation != s.Status.ObservedGeneration {
		fmt.Fprintf(w, "  Note\tthe operator has seen generation %d of %d\n", s.Status.ObservedGeneration, s.Generation)
	}
}

func printConditions(w io.Writer, conditions []metav1.Condition) {
	fmt.Fprintln(w, "\nConditions")
	if len(conditions) == 0 {
		fmt.Fprintln(w, "  none yet: does the operator run?")
	}
	for _, c := range conditions {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", c.Type, c.Status, c.Reason, firstLine(c.Message))
	}
}

func printAutoscaler(w io.Writer, a *Autoscaler) {
	if a == nil {
		return
	}
	fmt.Fprintf(w, "\nScaling (%s)\tCurrent\tTarget\n", cmp.Or(a.Source, v1alpha1.MetricsSourceOperator))
	for _, m := range a.Metrics {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", m.Name, m.Current, m.Target)
	}
	fmt.Fprintf(w, "  %s has %s\n", a.Name, a.span())
	for _, line := range a.Says {
		fmt.Fprintf(w, "  %s\n", line)
	}
}

func printLoad(w io.Writer, load *v1alpha1.LoadStatus) {
	if load == nil {
		return
	}
	fmt.Fprintln(w, "\nLoad")
	fmt.Fprintf(w, "  Queries per second\t%s\n", cmp.Or(load.QueriesPerSecond, "-"))
	fmt.Fprintf(w, "  Queries in flight\t%d\n", load.QueriesInFlight)
	fmt.Fprintf(w, "  P95 latency\t%s\n", cmp.Or(load.P95Latency, "-"))
	fmt.Fprintf(w, "  Cache hit ratio\t%s\n", cmp.Or(load.CacheHitRatio, "-"))
}

func printObjectives(w io.Writer, objectives []v1alpha1.ObjectiveStatus) {
	if len(objectives) == 0 {
		return
	}
	fmt.Fprintln(w, "\nObjectives\tTarget\tObserved")
	for _, o := range objectives {
		verdict := "not measured yet"
		if o.Met != nil {
			verdict = map[bool]string{true: "met", false: "missed"}[*o.Met]
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", o.Name, o.Target, cmp.Or(o.Observed, "-"), verdict)
	}
}

func printTree(w io.Writer, objects []Object, indent string) {
	for _, o := range objects {
		mark := ""
		if o.Trouble {
			mark = "  <- look here"
		}
		fmt.Fprintf(w, "%s%s/%s\t%s%s\n", indent, o.Kind, o.Name, o.State, mark)
		printTree(w, o.Children, indent+"  ")
	}
}
