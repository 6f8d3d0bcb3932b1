package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
	"ragops.dev/ragservice/ragctl/bench/usage"
)

// benchFlags is the command line of bench and its subcommands.
type benchFlags struct {
	rate, arrivals   string
	duration, warmUp time.Duration
	rampUp           time.Duration
	timeout          time.Duration
	clients          int
	inFlight         int
	seed             uint64

	questions string
	zipf      float64
	fresh     float64

	api, model string
	stream     bool
	headers    []string
	fields     []string
	prime      bool
	apiKeyFile string
	caFile     string
	insecure   bool

	pids               []int
	pods               []string
	prometheus         string
	prometheusSelector string

	objectives   string
	findCapacity bool
	maxRate      float64
	precision    float64
	output       string
	report       string

	kube kubeFlags
}

func (f *benchFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.rate, "rate", "120", "questions per second: one rate, steps (100,200,400) or a ramp (100..500/5); steps share the duration")
	flags.StringVar(&f.arrivals, "arrivals", "constant", "how questions are spread: constant or poisson")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait for an answer")
	flags.IntVar(&f.clients, "clients", 0, "run a closed loop of so many clients in place of a rate")
	flags.DurationVar(&f.rampUp, "ramp-up", 0, "let the clients of a closed loop begin one after another over this part of the warm-up, rather than at once")
	flags.IntVar(&f.inFlight, "in-flight", 10_000, "questions in flight at most; what finds no place waits, its latency running")
	flags.Uint64Var(&f.seed, "seed", 1, "makes the choice of questions repeatable")

	flags.StringVar(&f.questions, "questions", "1000", "how many questions to make up, or a file with one per line")
	flags.Float64Var(&f.zipf, "zipf", 1, "exponent of Zipf's law, by which the first questions are asked more often; 0 asks all alike")
	flags.Float64Var(&f.fresh, "new-questions", 0, "share of questions, 0 to 1, that were never asked before and are in no cache")

	flags.BoolVar(&f.prime, "prime", false, "first ask every question once, new ones apart, so that the cache holds them")

	flags.StringVar(&f.api, "api", "", "contract of the server: query or chat (default: as the URL's path says)")
	flags.StringVar(&f.model, "model", "default", "model to name to the chat API")
	flags.BoolVar(&f.stream, "stream", false, "ask the chat API for a stream and measure the first token")
	flags.StringArrayVar(&f.headers, "header", nil, "header to send, as 'Name: value'; may be repeated")
	flags.StringArrayVar(&f.fields, "field", nil, "further field of the request, as name=value or name=JSON, such as user_id=ada or top_k=3; may be repeated")
	flags.StringVar(&f.apiKeyFile, "api-key-file", "", "file with a key to send as bearer token")
	flags.StringVar(&f.caFile, "ca-file", "", "file with the certificates to trust for the measured server, in PEM")
	flags.BoolVar(&f.insecure, "insecure", false, "trust any certificate of the measured server")

	flags.IntSliceVar(&f.pids, "pid", nil, "measure CPU and memory of a local process and its children (one per URL)")
	flags.StringArrayVar(&f.pods, "pods", nil, "measure CPU and memory of pods: a label selector or ragservice/NAME (one per URL)")
	flags.StringVar(&f.prometheus, "prometheus", "", "measure CPU and memory as this Prometheus knows them")
	flags.StringVar(&f.prometheusSelector, "prometheus-selector", "", `which processes, such as {service="support"}`)

	flags.StringVar(&f.objectives, "objectives", "", "what to judge by: a file, or ragservice/NAME (default: the migration guide's table)")
	flags.BoolVar(&f.findCapacity, "find-capacity", false, "find the highest rate at which the objectives hold; --duration is that of one trial")
	flags.Float64Var(&f.maxRate, "max-rate", 20_000, "highest rate that --find-capacity tries")
	flags.Float64Var(&f.precision, "precision", 0.05, "how closely --find-capacity looks, as a share")
	flags.StringVarP(&f.output, "output", "o", "table", "table or json")
	flags.StringVar(&f.report, "report", "", "also write a page with plots to this file")
	f.kube = addKubeFlags(cmd)
}

// addLength adds the flags whose defaults differ by command.
func (f *benchFlags) addLength(cmd *cobra.Command, duration, warmUp string) {
	parse := func(text string) time.Duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err) // A constant of this package.
		}
		return d
	}
	cmd.Flags().DurationVar(&f.duration, "duration", parse(duration), "how long to measure")
	cmd.Flags().DurationVar(&f.warmUp, "warm-up", parse(warmUp), "how long to run ahead without measuring")
}

// forTrials shortens a run to what one trial of --find-capacity needs, where the
// user has not said how long it is.
func (f *benchFlags) forTrials(cmd *cobra.Command) {
	if f.findCapacity && !cmd.Flags().Changed("duration") {
		f.duration = 10 * time.Second
	}
	if f.findCapacity && !cmd.Flags().Changed("warm-up") {
		f.warmUp = 2 * time.Second
	}
}

// ragService reads a RAGService from the chosen cluster.
func (f *benchFlags) ragService(ctx context.Context, name string) (*v1alpha1.RAGService, error) {
	reader, namespace, err := f.kube.client()
	if err != nil {
		return nil, err
	}
	service := new(v1alpha1.RAGService)
	if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, service); err != nil {
		return nil, fmt.Errorf("read RAGService %s/%s: %w", namespace, name, err)
	}
	return service, nil
}

// podSampler measures the pods of a label selector or of ragservice/NAME.
func (f *benchFlags) podSampler(ctx context.Context, selector string) (usage.Sampler, error) {
	if name, isService := strings.CutPrefix(selector, "ragservice/"); isService {
		service, err := f.ragService(ctx, name)
		if err != nil {
			return nil, err
		}
		if selector = service.Status.Selector; selector == "" {
			return nil, fmt.Errorf("RAGService %s has no pods yet: its status has no selector", name)
		}
	}
	reader, namespace, err := f.kube.client()
	if err != nil {
		return nil, err
	}
	return usage.NewPods(reader, namespace, selector)
}

// prepare turns the command line into plans, and asks each target one question.
func (f *benchFlags) prepare(ctx context.Context, streams Streams, urls []string) (*benchmark, error) {
	if f.output != "table" && f.output != "json" {
		return nil, usagef("the output is %q, and must be table or json", f.output)
	}
	plan, err := f.plan()
	if err != nil {
		return nil, UsageError{Err: err}
	}
	if f.findCapacity {
		plan.Stages = plan.Stages[:1]
	}
	b := &benchmark{flags: f, streams: streams, progress: newProgress(streams.Err)}
	targets, err := f.targets(urls)
	if err != nil {
		return nil, UsageError{Err: err}
	}
	samplers, err := f.samplers(ctx, len(targets))
	if err != nil {
		return nil, err
	}
	for i, target := range targets {
		p := *plan
		p.Target, p.Usage = target, samplers[i]
		if err := p.Validate(); err != nil {
			return nil, UsageError{Err: err}
		}
		b.plans = append(b.plans, p)
	}
	if b.objectives, err = f.readObjectives(ctx); err != nil {
		return nil, err
	}
	for _, p := range b.plans {
		if err := load.Probe(ctx, p.Target, p.Questions, p.Timeout); err != nil {
			return nil, err
		}
		if f.prime {
			fmt.Fprintf(streams.Err, "asking %d questions of %s once\n", p.Questions.Len(), p.Target.Name)
			if err := load.Prime(ctx, p.Target, p.Questions, p.Timeout); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

func (f *benchFlags) plan() (*load.Plan, error) {
	questions, err := f.readQuestions()
	if err != nil {
		return nil, err
	}
	rates, err := parseRates(f.rate)
	if err != nil {
		return nil, err
	}
	plan := &load.Plan{
		Questions: questions, Arrivals: load.Arrivals(f.arrivals), Clients: f.clients, RampUp: f.rampUp, WarmUp: f.warmUp,
		InFlight: f.inFlight, Timeout: f.timeout, Seed: f.seed,
	}
	if f.clients > 0 {
		plan.Stages, plan.Arrivals = []load.Stage{{Duration: f.duration}}, ""
		return plan, nil
	}
	for _, rate := range rates {
		plan.Stages = append(plan.Stages, load.Stage{Rate: rate, Duration: f.duration / time.Duration(len(rates))})
	}
	return plan, nil
}

func (f *benchFlags) readQuestions() (*load.Questions, error) {
	var set *load.Questions
	var err error
	if n, convErr := strconv.Atoi(f.questions); convErr == nil {
		set, err = load.GenerateQuestions(n, f.zipf)
	} else {
		file, openErr := os.Open(f.questions)
		if openErr != nil {
			return nil, fmt.Errorf("--questions is neither a number nor a file that can be read: %w", openErr)
		}
		defer file.Close()
		if set, err = load.ReadQuestions(file, f.zipf); err != nil {
			return nil, fmt.Errorf("%s: %w", f.questions, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return set.WithNew(f.fresh)
}

// parseRates reads 200, 100,200,400 or 100..500/5.
func parseRates(text string) ([]float64, error) {
	wrong := fmt.Errorf("the rate is %q, and must be a number (200), steps (100,200,400) or a ramp (100..500/5)", text)
	if low, rest, isRamp := strings.Cut(text, ".."); isRamp {
		high, steps, found := strings.Cut(rest, "/")
		from, err1 := strconv.ParseFloat(low, 64)
		to, err2 := strconv.ParseFloat(high, 64)
		n, err3 := strconv.Atoi(steps)
		if errors.Join(err1, err2, err3) != nil || !found || n < 2 || n > load.MaxStages {
			return nil, wrong
		}
		rates := make([]float64, n)
		for i := range rates {
			rates[i] = from + (to-from)*float64(i)/float64(n-1)
		}
		return rates, nil
	}
	var rates []float64
	for part := range strings.SplitSeq(text, ",") {
		rate, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return nil, wrong
		}
		rates = append(rates, rate)
	}
	return rates, nil
}

// targets reads the URLs. What they share is in the flags.
func (f *benchFlags) targets(urls []string) ([]load.Target, error) {
	header := http.Header{}
	for _, h := range f.headers {
		name, value, found := strings.Cut(h, ":")
		if !found {
			return nil, errors.New("a header is written 'Name: value'")
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if f.apiKeyFile != "" {
		key, err := os.ReadFile(f.apiKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the key: %w", err)
		}
		header.Set("Authorization", "Bearer "+strings.TrimSpace(string(key)))
	}
	fields := map[string]json.RawMessage{}
	for _, field := range f.fields {
		name, value, found := strings.Cut(field, "=")
		if !found || name == "" {
			return nil, errors.New("a field is written name=value")
		}
		fields[name] = json.RawMessage(value)
		if !json.Valid(fields[name]) {
			fields[name], _ = json.Marshal(value) // A string always encodes.
		}
	}
	config := &tls.Config{InsecureSkipVerify: f.insecure} // Only where the user asks for it.
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificates: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", f.caFile)
		}
	}
	names := map[string]bool{}
	var targets []load.Target
	for _, u := range urls {
		target, err := load.ParseTarget(u, load.API(f.api))
		if err != nil {
			return nil, err
		}
		target.Header, target.Fields, target.TLS = header, fields, config
		target.Model, target.Stream = f.model, f.stream
		if err := target.Validate(); err != nil {
			return nil, err
		}
		if names[target.Name] {
			return nil, fmt.Errorf("two targets are called %s: put a name ahead of each, as NAME=URL", target.Name)
		}
		names[target.Name] = true
		targets = append(targets, target)
	}
	return targets, nil
}

// samplers returns one per target; nil for those that are not measured.
func (f *benchFlags) samplers(ctx context.Context, targets int) ([]usage.Sampler, error) {
	kinds := 0
	for _, given := range []bool{len(f.pids) > 0, len(f.pods) > 0, f.prometheus != ""} {
		if given {
			kinds++
		}
	}
	out := make([]usage.Sampler, targets)
	switch {
	case kinds > 1:
		return nil, usagef("--pid, --pods and --prometheus exclude one another")
	case len(f.pids) > 0 && len(f.pids) != targets, len(f.pods) > 0 && len(f.pods) != targets:
		return nil, usagef("there are %d URLs: give --pid or --pods once for each, in their order", targets)
	case f.prometheus != "" && targets > 1:
		return nil, usagef("--prometheus measures one URL: leave it out to compare")
	}
	for i, pid := range f.pids {
		sampler, err := usage.NewProcesses(pid)
		if err != nil {
			return nil, err
		}
		out[i] = sampler
	}
	for i, selector := range f.pods {
		sampler, err := f.podSampler(ctx, selector)
		if err != nil {
			return nil, err
		}
		out[i] = sampler
	}
	if f.prometheus != "" {
		sampler, err := usage.NewPrometheus(f.prometheus, f.prometheusSelector)
		if err != nil {
			return nil, UsageError{Err: err}
		}
		out[0] = sampler
	}
	return out, nil
}

func (f *benchFlags) readObjectives(ctx context.Context) (objective.Objectives, error) {
	if f.objectives == "" {
		return objective.Defaults(), nil
	}
	if name, isService := strings.CutPrefix(f.objectives, "ragservice/"); isService {
		service, err := f.ragService(ctx, name)
		if err != nil {
			return objective.Objectives{}, err
		}
		return objective.FromSpec(service.Spec.Objectives)
	}
	data, err := os.ReadFile(f.objectives)
	if err != nil {
		return objective.Objectives{}, UsageError{Err: fmt.Errorf("--objectives is neither ragservice/NAME nor a file that can be read: %w", err)}
	}
	o, err := objective.Parse(data)
	if err != nil {
		return o, UsageError{Err: fmt.Errorf("%s: %w", f.objectives, err)}
	}
	return o, nil
}
