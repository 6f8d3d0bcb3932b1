package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/api/v1alpha1"
)

func monitored() *v1alpha1.RAGService {
	s := &v1alpha1.RAGService{ObjectMeta: metav1.ObjectMeta{Name: "support", Namespace: "demo"}}
	s.Spec.Cache = &v1alpha1.Cache{}
	s.Spec.Monitoring.Alerts, s.Spec.Monitoring.Dashboard = &v1alpha1.Alerts{}, &v1alpha1.Dashboard{}
	s.Spec.Workload.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}
	s.Spec.Workload.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}
	s.Spec.Objectives = v1alpha1.Objectives{
		AverageLatency: &metav1.Duration{Duration: time.Second}, P95Latency: &metav1.Duration{Duration: 2 * time.Second},
		SuccessRatio: "0.99", CacheHitRatio: "0.70", CPUPercent: 80, MemoryPercent: 85,
	}
	return s
}

// TestPromtool lets Prometheus' own tool read the rules, and play them against
// figures for which they should and should not fire.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not installed; it is part of Debian's package prometheus, which make test installs")
	}
	folder := t.TempDir()
	rules, err := yaml.Marshal(prometheusRule(monitored()).Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "rules.yaml"), rules, 0o644); err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile("testdata/promtool/cases.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "cases.yml"), cases, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"check", "rules", "rules.yaml"}, {"test", "rules", "cases.yml"}} {
		command := exec.CommandContext(t.Context(), promtool, arguments...)
		command.Dir = folder
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s\n%s", arguments, err, output, rules)
		}
	}
}

// TestRunbook checks that every alert has a section in the runbook.
func TestRunbook(t *testing.T) {
	page, err := os.ReadFile("../../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, alert := range alertsOf(monitored()) {
		if !strings.Contains(string(page), "\n## "+alert.name+"\n") {
			t.Errorf("docs/runbook.md has no section %s", alert.name)
		}
	}
}
