// Command demo shows RAGService at work: it starts the local cluster, installs
// the operator from the manifests that users install, applies the embedded
// sample and asks it questions. What it does by hand a person can repeat; it
// prints how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/kubectl"
	"ragops.dev/ragservice/hack/cluster/internal/products"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
	"ragops.dev/ragservice/hack/cluster/internal/provider"
)

// The sample, as config/samples/embedded has it.
const (
	sampleNamespace = "ragservice-demo"
	sampleName      = "docs"
)

const operatorNamespace = "ragservice-system"

// questions are answered by the sample's documents. The first is asked twice.
var questions = []string{
	"What happens when Redis is down?",
	"Why does the operator not write the number of replicas?",
	"How do I roll back the migration from ECS?",
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var options provider.Options
	flag.StringVar(&options.Dir, "dir", "", "folder for the cluster's state (default .cluster in the repository)")
	flag.StringVar(&options.Provider, "provider", provider.Auto, "how to run the cluster: kind, node or auto")
	flag.Parse()
	if err := run(ctx, options); err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("interrupted; run `make demo` again to go on, or `make demo-down` to remove what was started")
		}
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, options provider.Options) error {
	begin := time.Now()
	environment, err := provider.NewEnvironment(options)
	if err != nil {
		return err
	}
	cluster, err := environment.Cluster(ctx)
	if err != nil {
		return err
	}
	progress := environment.Progress
	progress.Say("A Kubernetes cluster on this machine")
	if err := cluster.Up(ctx); err != nil {
		return err
	}
	path, err := environment.Builder.Path(binaries.Kubectl)
	if err != nil {
		return err
	}
	demo := &demo{
		repository: environment.Repository,
		kubectl:    kubectl.Kubectl{Path: path, Kubeconfig: cluster.Kubeconfig()},
		progress:   progress,
	}
	progress.Say("\nThe operator and a RAGService on it")
	factory := &products.Factory{
		Repository: environment.Repository,
		Dir:        filepath.Join(environment.Dir, "images"),
		Progress:   progress,
	}
	archives, err := factory.Build(ctx, products.Demo()...)
	if err != nil {
		return err
	}
	if err := progress.Do("giving the cluster the images", "", func() error { return cluster.Load(ctx, archives...) }); err != nil {
		return err
	}
	if err := demo.install(ctx); err != nil {
		return err
	}
	if err := demo.ask(ctx); err != nil {
		return err
	}
	if err := demo.awaitMetrics(ctx); err != nil {
		return err
	}
	if err := demo.show(ctx); err != nil {
		return err
	}
	fmt.Printf("\nThat took %s. To go on:\n\n%s", time.Since(begin).Round(time.Second), demo.howToGoOn(filepath.Dir(path), cluster.Kubeconfig()))
	return nil
}

// demo is a cluster that is up, and what is shown on it.
type demo struct {
	repository string
	kubectl    kubectl.Kubectl
	progress   *progress.Printer
}

// install applies the same manifests that users install. Pods of an earlier demo
// are replaced: their images may have changed under the same name.
func (d *demo) install(ctx context.Context) error {
	operator := workload{namespace: operatorNamespace, name: "deployment/ragservice-operator"}
	runtime := workload{namespace: sampleNamespace, name: "deployment/" + sampleName}
	operatorWas, runtimeWas := d.exists(ctx, operator), d.exists(ctx, runtime)
	steps := []struct {
		title string
		skip  bool
		args  []string
	}{
		{title: "kubectl apply -k config/default", args: d.apply("default")},
		{title: "replacing the operator of before", skip: !operatorWas, args: operator.rollout("restart")},
		{title: "waiting for the operator", args: operator.rollout("status", "--timeout=2m")},
		{title: "kubectl apply -k config/samples/embedded", args: d.apply("samples", "embedded")},
		{title: "replacing the runtime of before", skip: !runtimeWas, args: runtime.rollout("restart")},
		{
			title: "waiting for the RAGService to be Ready",
			args:  []string{"wait", "--for=condition=Ready", "ragservice/" + sampleName, "--namespace", sampleNamespace, "--timeout=3m"},
		},
		{title: "waiting for all replicas", args: runtime.rollout("status", "--timeout=3m")},
	}
	for _, step := range steps {
		if step.skip {
			continue
		}
		err := d.progress.Do(step.title, "", func() error {
			_, err := d.kubectl.Get(ctx, step.args...)
			return err
		})
		if err != nil {
			return fmt.Errorf("%w\n\n`go -C hack/cluster run . dump` shows the state of the cluster", err)
		}
	}
	return nil
}

// workload is what a controller runs pods for.
type workload struct{ namespace, name string }

func (w workload) rollout(command string, flags ...string) []string {
	return append([]string{"rollout", command, w.name, "--namespace", w.namespace}, flags...)
}

func (d *demo) exists(ctx context.Context, w workload) bool {
	_, err := d.kubectl.Get(ctx, "get", w.name, "--namespace", w.namespace)
	return err == nil
}

func (d *demo) apply(folder ...string) []string {
	kustomization := filepath.Join(append([]string{d.repository, "config"}, folder...)...)
	return []string{"apply", "--server-side", "--force-conflicts", "--kustomize", kustomization}
}

// awaitMetrics waits until the autoscaler has seen the pods' CPU and the operator
// their load: before that, the columns to be shown are empty.
func (d *demo) awaitMetrics(ctx context.Context) error {
	fmt.Println()
	return d.progress.Do("waiting for the first measurements", "", func() error {
		for _, awaited := range [][]string{
			{"--for=condition=ScalingActive", "hpa/" + sampleName},
			{"--for=jsonpath={.status.load.queriesPerSecond}", "ragservice/" + sampleName},
		} {
			args := append([]string{"wait", "--namespace", sampleNamespace, "--timeout=2m"}, awaited...)
			if _, err := d.kubectl.Get(ctx, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// show prints what the operator made of the resource.
func (d *demo) show(ctx context.Context) error {
	selector := "app.kubernetes.io/instance=" + sampleName
	for _, view := range []struct {
		said string
		args []string
	}{
		{"kubectl get rag", []string{"get", "rag"}},
		{"kubectl get hpa", []string{"get", "hpa"}},
		{"kubectl get deployments,statefulsets,pods,services,pdb,networkpolicies,configmaps -l " + selector,
			[]string{"get", "deployments,statefulsets,pods,services,pdb,networkpolicies,configmaps", "--selector", selector}},
	} {
		output, err := d.kubectl.Get(ctx, append(view.args, "--namespace", sampleNamespace)...)
		if err != nil {
			return err
		}
		fmt.Printf("\n$ %s\n%s", view.said, output)
	}
	return nil
}

func (d *demo) howToGoOn(binDir, kubeconfig string) string {
	return fmt.Sprintf(`  export PATH=%s:$PATH KUBECONFIG=%s
  kubectl -n %[3]s get rag %[4]s -o yaml
  kubectl -n %[3]s port-forward service/%[4]s 8080 &
  curl -s localhost:8080/query -H 'Content-Type: application/json' -d '{"query": "What does the X-Cache header mean?"}'

  make demo-down     # removes the cluster and all that it made on this machine
`, binDir, kubeconfig, sampleNamespace, sampleName)
}
