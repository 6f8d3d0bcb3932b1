package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/ragctl/bench/usage"
)

const (
	apiService = "ragservice-operator-metrics-api"
	metric     = "rag_queries_in_flight"
	// patience is how long the operator may take to know all services.
	patience = 3 * time.Minute
)

// operator is a process of its own, so that its cost is nobody else's.
type operator struct {
	command *exec.Cmd
	http    *http.Client
	host    string
}

// operate starts the operator and waits for the certificate it makes.
func (a *apiServer) operate(ctx context.Context, program string) (*operator, error) {
	kubeconfig, err := a.kubeconfig()
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	o := &operator{host: fmt.Sprintf("https://127.0.0.1:%d", port)}
	o.command = exec.CommandContext(ctx, program,
		"--kubeconfig="+kubeconfig, "--namespace="+operatorNamespace, "--runtime-image=ragservice/runtime:bench",
		"--metrics-address=0", "--probe-address=0", fmt.Sprintf("--metrics-api-port=%d", port), "--log-level=error")
	if err := o.command.Start(); err != nil {
		return nil, err
	}
	var secret corev1.Secret
	err = eventually(ctx, func() error {
		return a.client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "ragservice-metrics-api"}, &secret)
	})
	if err != nil {
		o.stop()
		return nil, fmt.Errorf("the operator makes no certificate: %w", err)
	}
	config := rest.CopyConfig(a.config) // whose client certificate the operator takes as the API server does
	config.Host = o.host
	config.CAData = secret.Data["ca.crt"]
	config.ServerName = apiService + "." + operatorNamespace + ".svc"
	o.http, err = rest.HTTPClientFor(config)
	if err != nil {
		o.stop()
	}
	return o, err
}

func (o *operator) stop() {
	_ = o.command.Process.Signal(syscall.SIGTERM) // it may have ended already
	_ = o.command.Wait()
}

func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// ask asks about one service, as its HorizontalPodAutoscaler does, and returns for
// how many pods there was a figure.
func (o *operator) ask(ctx context.Context, service string) (int, error) {
	query := url.Values{"labelSelector": {
		"app.kubernetes.io/name=ragservice,app.kubernetes.io/instance=" + service + ",app.kubernetes.io/component=runtime",
	}}
	address := fmt.Sprintf("%s/apis/custom.metrics.k8s.io/v1beta2/namespaces/%s/pods/*/%s?%s", o.host, namespace, metric, query.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	response, err := o.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, errors.New(response.Status)
	}
	var list struct{ Items []json.RawMessage }
	err = json.NewDecoder(response.Body).Decode(&list)
	return len(list.Items), err
}

// count is ask, and an error where a pod is missing.
func (o *operator) count(ctx context.Context, service string, want int) error {
	figures, err := o.ask(ctx, service)
	if err == nil && figures != want {
		err = fmt.Errorf("%s: %d pods have a figure, want %d", service, figures, want)
	}
	return err
}

// awaitAnswers waits until the operator tells of every pod.
func (o *operator) awaitAnswers(ctx context.Context, opts options) error {
	return eventually(ctx, func() error {
		for i := range opts.services {
			if err := o.count(ctx, serviceName(i), opts.pods); err != nil {
				return err
			}
		}
		return nil
	})
}

func eventually(ctx context.Context, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// measure is one phase. The questions are spread over the period, as those of
// autoscalers that were made at different times.
func (o *operator) measure(ctx context.Context, opts options, pods *simulated, ask bool) (Phase, error) {
	processes, err := usage.NewProcesses(o.command.Process.Pid)
	if err != nil {
		return Phase{}, err
	}
	if _, err := processes.Sample(ctx); err != nil { // from here on
		return Phase{}, err
	}
	before := pods.asked.Load()
	ctx, cancel := context.WithTimeout(ctx, opts.duration)
	defer cancel()
	var answers answers
	if ask {
		answers.collect(ctx, o, opts)
	} else {
		<-ctx.Done()
	}
	sample, err := processes.Sample(context.WithoutCancel(ctx))
	if err != nil {
		return Phase{}, err
	}
	phase := Phase{
		Cores: sample.Cores, MemoryBytes: sample.MemoryBytes,
		PodsPerSecond: float64(pods.asked.Load()-before) / opts.duration.Seconds(),
	}
	phase.Questions, phase.P50Ms, phase.P95Ms = answers.summary()
	phase.Missing = answers.missing
	return phase, answers.err
}

// answers is how long each took, and how many pods were missing in all of them.
type answers struct {
	mu      sync.Mutex
	took    []time.Duration
	missing int
	err     error
}

func (a *answers) collect(ctx context.Context, o *operator, opts options) {
	tick := time.NewTicker(opts.period / time.Duration(opts.services))
	defer tick.Stop()
	var questions sync.WaitGroup
	defer questions.Wait()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		questions.Go(func() {
			begin := time.Now()
			figures, err := o.ask(context.WithoutCancel(ctx), serviceName(i%opts.services))
			took := time.Since(begin)
			a.mu.Lock()
			defer a.mu.Unlock()
			a.took = append(a.took, took)
			a.missing += opts.pods - figures
			a.err = errors.Join(a.err, err)
		})
	}
}

func (a *answers) summary() (questions int, p50, p95 float64) {
	if len(a.took) == 0 {
		return 0, 0, 0
	}
	slices.Sort(a.took)
	at := func(share float64) float64 {
		return float64(a.took[int(share*float64(len(a.took)-1))].Microseconds()) / 1000
	}
	return len(a.took), at(0.50), at(0.95)
}
