package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/hack/perf/scaling"
)

// comparison is where make bench-scaling wants the measurement; without it the
// test only judges.
var comparison = flag.String("comparison", "", "file to write the comparison of TestScaling to")

// The load of TestScaling and what it leads to: many callers keep four replicas
// at their target of ten, few keep one below it. The model takes modelTime and
// answers one replica perReplica questions at a time.
const (
	manyCallers = 40
	fewCallers  = 6
	perReplica  = 16
	modelTime   = "1500ms"
	inFlight    = 10
	cpuPercent  = 80
	most        = 4
)

const (
	scalingNamespace = "e2e-scaling"
	byQueries        = "by-queries"
	byCPU            = "by-cpu"
)

// TestScaling puts two services under the same load of queries that wait for a slow
// model. One scales on queries in flight, out and in again; the other, on CPU,
// does not. Nothing but the operator serves the metric, and no query fails.
func TestScaling(t *testing.T) {
	newNamespace(t, scalingNamespace)
	startModel(t)
	create(t, documents(scalingNamespace, "documents"))
	inFlightTarget, cpuTarget := new(int32(inFlight)), new(int32(cpuPercent))
	create(t, waitsForModel(byQueries, v1alpha1.ScalingTargets{QueriesInFlight: inFlightTarget}))
	create(t, waitsForModel(byCPU, v1alpha1.ScalingTargets{CPUPercent: cpuTarget}))
	services := []string{byQueries, byCPU}
	record := recordScaling(t, scalingNamespace)
	for _, name := range services {
		create(t, restricted(scalingNamespace, "crowd-"+name, "ragservice-crowd:dev", "-url", "http://"+name+":8080/query"))
	}
	for _, name := range services {
		waitReady(t, scalingNamespace, name)
		waitPodReady(t, scalingNamespace, "crowd-"+name)
	}
	for _, name := range services {
		eventually(t, 2*time.Minute, name+" has its metrics", func(ctx context.Context) error {
			service, err := get(ctx, scalingNamespace, name)
			if err != nil {
				return err
			}
			return hasCondition(service, v1alpha1.ConditionScalingActive, metav1.ConditionTrue, "")
		})
	}

	resize := func(n int) {
		for _, name := range services {
			if err := callPod(t.Context(), http.MethodPut, scalingNamespace, "crowd-"+name, 8080, fmt.Sprintf("callers?n=%d", n), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	resize(manyCallers)
	waitReplicas(t, scalingNamespace, byQueries, most)
	// What both do from here on under the full load is to be seen as well.
	further := 150
	if *comparison != "" {
		further = 1000
	}
	waitAnswers(t, byQueries, further)
	showsFigures(t, byQueries)
	eventually(t, time.Minute, "the autoscaler of "+byCPU+" sees the load", func(context.Context) error {
		if record.cpu(byCPU) == 0 {
			return errors.New("it sees no CPU in use")
		}
		return nil
	})
	if cpu := record.cpu(byCPU); cpu >= cpuPercent {
		t.Errorf("the autoscaler of %s saw %d %% of CPU in use, want less than its target %d", byCPU, cpu, cpuPercent)
	}

	eased := time.Now()
	resize(fewCallers)
	waitReplicas(t, scalingNamespace, byQueries, 1)
	waitAnswers(t, byQueries, 20)
	resize(0)

	result := &scaling.Comparison{Load: []scaling.Load{{Callers: manyCallers}, {Seconds: eased.Sub(began).Seconds(), Callers: fewCallers}}}
	for _, name := range services {
		run := record.run(name, began, waitCrowd(t, name))
		if run.Failed > 0 {
			t.Errorf("%s: %d queries failed", name, run.Failed)
		}
		result.Runs = append(result.Runs, run)
	}
	result.Runs[0].Targets = fmt.Sprintf("queriesInFlight: %d", inFlight)
	result.Runs[1].Targets = fmt.Sprintf("cpuPercent: %d", cpuPercent)
	if wanted := record.wanted(byCPU); !slices.Equal(wanted, []int32{1}) {
		t.Errorf("%s had %v replicas, one after the other, want 1 all the time", byCPU, wanted)
	}
	t.Logf("\n%s", result.Table())
	if *comparison != "" {
		if err := result.Write(*comparison); err != nil {
			t.Fatal(err)
		}
	}
}

// startModel runs a model that is slow and costs no CPU.
func startModel(t *testing.T) {
	t.Helper()
	create(t, restricted(scalingNamespace, "model", "ragservice-standin:dev",
		"-kind", "standin", "-address", ":8090", "-model", modelTime, "-model-per-caller", fmt.Sprint(perReplica)))
	// Without an address of its own, so that the model sees that of the replica
	// which asks, and not the node's.
	create(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: scalingNamespace, Name: "model"},
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone,
			Selector:  map[string]string{"app": "model"},
			Ports:     []corev1.ServicePort{{Port: 8090, TargetPort: intstr.FromInt32(8090)}},
		},
	})
	waitPodReady(t, scalingNamespace, "model")
}

// waitsForModel is a RAGService without a cache, so that every query waits for the
// model. It scales in sooner than a service should.
func waitsForModel(name string, targets v1alpha1.ScalingTargets) *v1alpha1.RAGService {
	service := embedded(scalingNamespace, name)
	service.Spec.Model = v1alpha1.Model{ModelProvider: v1alpha1.ModelProvider{OpenAI: &v1alpha1.OpenAIModel{
		Model: "stand-in", OpenAIEndpoint: v1alpha1.OpenAIEndpoint{BaseURL: "http://model:8090/v1"},
	}}}
	service.Spec.VectorStore.Memory.Documents[0].ConfigMap.Name = "documents"
	service.Spec.Scaling = v1alpha1.Scaling{
		MinReplicas: 1, MaxReplicas: most, Targets: &targets,
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: scaleInSoon()},
	}
	service.Spec.Workload.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")}
	return service
}

// scaleInSoon takes away all that is too much once the load was low for 10 s.
func scaleInSoon() *autoscalingv2.HPAScalingRules {
	return &autoscalingv2.HPAScalingRules{
		StabilizationWindowSeconds: new(int32(10)),
		Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15}},
	}
}

// waitReplicas waits until a service has so many pods, all of them ready.
func waitReplicas(t *testing.T, namespace, name string, want int) {
	t.Helper()
	eventually(t, 3*time.Minute, fmt.Sprintf("%s has %d replicas", name, want), func(ctx context.Context) error {
		pods, err := podsOf(ctx, namespace, name)
		if err != nil {
			return err
		}
		ready := 0
		for i := range pods {
			if isReady(&pods[i]) {
				ready++
			}
		}
		if ready != want || len(pods) != want {
			return fmt.Errorf("%d of %d pods are ready", ready, len(pods))
		}
		return nil
	})
}

// told is what hack/e2e/crowd reports.
type told struct {
	Began    time.Time
	Asking   int
	Failed   int
	Failures []string
	Answered [][2]int64 // milliseconds since Began, and how many the answer took
}

func crowdOf(ctx context.Context, name string) (*told, error) {
	report := &told{}
	return report, callPod(ctx, http.MethodGet, scalingNamespace, "crowd-"+name, 8080, "report", report)
}

// waitAnswers waits until a crowd has so many answers more.
func waitAnswers(t *testing.T, name string, more int) {
	t.Helper()
	before, err := crowdOf(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, fmt.Sprintf("%s gave %d answers more", name, more), func(ctx context.Context) error {
		now, err := crowdOf(ctx, name)
		if err != nil {
			return err
		}
		if got := len(now.Answered) - len(before.Answered); got < more {
			return fmt.Errorf("%d answers more, %d failures", got, now.Failed-before.Failed)
		}
		return nil
	})
}

// waitCrowd waits until a crowd that was sent home has its last answers.
func waitCrowd(t *testing.T, name string) *told {
	t.Helper()
	var report *told
	eventually(t, time.Minute, "nobody asks "+name, func(ctx context.Context) (err error) {
		if report, err = crowdOf(ctx, name); err == nil && report.Asking > 0 {
			err = fmt.Errorf("%d wait for an answer", report.Asking)
		}
		return err
	})
	if len(report.Failures) > 0 {
		t.Logf("%s: %s", name, strings.Join(report.Failures, "; "))
	}
	return report
}

// targetsColumn is that of kubectl get hpa with a figure of the pods and no more.
var targetsColumn = regexp.MustCompile(`\s(\d+m?/` + fmt.Sprint(inFlight) + `(\s\(avg\))?)\s`)

// showsFigures looks at the autoscaler as its user does.
func showsFigures(t *testing.T, name string) {
	t.Helper()
	output, err := kubectl(t.Context(), "get", "hpa", name, "--namespace", scalingNamespace)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", output)
	if !targetsColumn.MatchString(output) {
		t.Errorf("kubectl get hpa shows no figure of the pods against the target %d", inFlight)
	}
	eventually(t, time.Minute, "the autoscaler of "+name+" is active", func(ctx context.Context) error {
		var scaler autoscalingv2.HorizontalPodAutoscaler
		if err := cluster.client.Get(ctx, client.ObjectKey{Namespace: scalingNamespace, Name: name}, &scaler); err != nil {
			return err
		}
		for _, condition := range scaler.Status.Conditions {
			if condition.Type == autoscalingv2.ScalingActive && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return errors.New("ScalingActive is not True")
	})
}
