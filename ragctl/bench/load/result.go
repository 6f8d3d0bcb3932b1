package load

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ragops.dev/ragservice/ragctl/bench/usage"
)

// Result is what a run measured. Its JSON is the output of ragctl bench; the
// names of fields say their units.
type Result struct {
	Target  string    `json:"target"`
	URL     string    `json:"url"`
	API     API       `json:"api"`
	Stream  bool      `json:"stream,omitempty"`
	Started time.Time `json:"started"`
	// Clients is 0 for an open loop.
	Clients  int      `json:"clients,omitempty"`
	Arrivals Arrivals `json:"arrivals,omitempty"`
	// WarmUpSeconds ran ahead and are not in the figures.
	WarmUpSeconds float64 `json:"warmUpSeconds"`
	// Interrupted says that the run ended before its time; the figures are those
	// of the time that it did run.
	Interrupted bool `json:"interrupted,omitempty"`
	// Total is all stages in one.
	Total  Summary   `json:"total"`
	Stages []Summary `json:"stages"`
	Series []Point   `json:"series"`
	// Distribution of latency over all stages, for a plot.
	Distribution []Quantile `json:"distribution"`
	// UsageError says why usage is missing or has gaps.
	UsageError string `json:"usageError,omitempty"`
}

// Summary is what was measured in a stage, or in all of them.
type Summary struct {
	// PlannedPerSecond is the rate asked for; 0 in a closed loop.
	PlannedPerSecond float64 `json:"plannedPerSecond"`
	// Seconds that were measured.
	Seconds float64 `json:"seconds"`
	// OfferedPerSecond is how many questions fell due, sent or not.
	OfferedPerSecond float64 `json:"offeredPerSecond"`
	// AchievedPerSecond is how many answers came while the stage lasted, counted
	// from the first answer of the run: a target that keeps up achieves what was
	// offered, however long it takes, once the warm-up is as long as that.
	AchievedPerSecond float64 `json:"achievedPerSecond"`
	Questions         int64   `json:"questions"`
	Answered          int64   `json:"answered"`
	// Interrupted questions were in flight when the run was; they count neither
	// as answered nor as failed.
	Interrupted int64 `json:"interrupted,omitempty"`
	// SuccessRatio is nil where no question came to an end.
	SuccessRatio *float64       `json:"successRatio"`
	Failures     []FailureCount `json:"failures,omitempty"`
	// Latency from the intended start to the last byte.
	Latency Latency `json:"latency"`
	// FirstToken from the intended start; nil where nothing was streamed.
	FirstToken *Latency `json:"firstToken,omitempty"`
	// Lag from the intended start to the sending: what the generator itself, or
	// the bound of questions in flight, added.
	Lag Latency `json:"lag"`
	// HitRatio is nil where no answer had a header X-Cache.
	HitRatio *float64 `json:"hitRatio,omitempty"`
	// Cache counts the answers by their header X-Cache.
	Cache         map[string]int64 `json:"cache,omitempty"`
	BytesReceived int64            `json:"bytesReceived"`
	// MostInFlight of what the points saw.
	MostInFlight int64 `json:"mostInFlight"`
	// Usage of the target; nil where it was not measured.
	Usage *usage.Summary `json:"usage,omitempty"`
}

// Latency in milliseconds; Count 0 means that nothing was measured.
type Latency struct {
	Count  int64   `json:"count"`
	MeanMs float64 `json:"meanMs"`
	P50Ms  float64 `json:"p50Ms"`
	P90Ms  float64 `json:"p90Ms"`
	P95Ms  float64 `json:"p95Ms"`
	P99Ms  float64 `json:"p99Ms"`
	MaxMs  float64 `json:"maxMs"`
}

// FailureCount is how often a kind of failure happened.
type FailureCount struct {
	Kind  FailureKind `json:"kind"`
	Count int64       `json:"count"`
	// Means is the kind in a sentence; Example says more about one of them.
	Means   string `json:"means"`
	Example string `json:"example,omitempty"`
}

// Quantile is a point of a distribution.
type Quantile struct {
	Percent   float64 `json:"percent"`
	LatencyMs float64 `json:"latencyMs"`
}

// result sums the run up. ended is when the last question was due.
func (r *run) result(ended time.Duration) *Result {
	total := newCounts()
	result := &Result{
		Target: r.plan.Target.Name, URL: r.plan.Target.URL.Redacted(), API: r.plan.Target.API, Stream: r.plan.Target.Stream,
		Started: r.start.UTC().Round(0), Clients: r.plan.Clients, Arrivals: r.plan.Arrivals,
		WarmUpSeconds: r.plan.WarmUp.Seconds(),
		Interrupted:   ended < r.phases[len(r.phases)-1].end,
		Series:        r.watch.points,
		Stages:        []Summary{},
	}
	if err := r.watch.usageErr; err != nil {
		result.UsageError = err.Error()
	}
	var all Summary
	var arrived, window float64
	var firstDone time.Duration
	for i, ph := range r.phases {
		if ph.start >= ended {
			continue
		}
		c := r.recorder.phase(i)
		if firstDone == 0 {
			firstDone = c.firstDone
		}
		if ph.warmUp {
			continue
		}
		if unsent := r.due[i] - r.sent[i]; unsent > 0 {
			c.failures[FailureUnsent] += unsent
		}
		end := min(ph.end, ended)
		s := summarize(c, r.due[i], (end - ph.start).Seconds())
		s.PlannedPerSecond = ph.rate
		if from := max(ph.start, firstDone); firstDone > 0 && from < end {
			s.AchievedPerSecond = float64(c.arrived) / (end - from).Seconds()
			arrived += float64(c.arrived)
			window += (end - from).Seconds()
		}
		points := slices.Collect(r.watch.between(ph.start, end))
		for _, p := range points {
			s.MostInFlight = max(s.MostInFlight, p.InFlight)
		}
		s.Usage = summarizeUsage(points)
		result.Stages = append(result.Stages, s)
		total.merge(c)
		all.Seconds += s.Seconds
		all.Questions += s.Questions
		all.MostInFlight = max(all.MostInFlight, s.MostInFlight)
	}
	result.Total = summarize(total, all.Questions, all.Seconds)
	result.Total.MostInFlight = all.MostInFlight
	if window > 0 {
		result.Total.AchievedPerSecond = arrived / window
	}
	if len(result.Stages) == 1 {
		result.Total.PlannedPerSecond = result.Stages[0].PlannedPerSecond
	}
	result.Total.Usage = summarizeUsage(slices.Collect(r.watch.between(r.plan.WarmUp, ended)))
	result.Distribution = distribution(total.latency)
	return result
}

func summarize(c *counts, due int64, seconds float64) Summary {
	s := Summary{
		Seconds: seconds, Questions: due, Answered: c.answered, Interrupted: c.interrupted,
		Latency: latencyOf(c.latency), Lag: latencyOf(c.lag), BytesReceived: c.bytes,
	}
	if seconds > 0 {
		s.OfferedPerSecond = float64(due) / seconds
	}
	if ended := c.answered + c.failed(); ended > 0 {
		s.SuccessRatio = new(float64(c.answered) / float64(ended))
	}
	for kind, n := range c.failures {
		s.Failures = append(s.Failures, FailureCount{kind, n, kind.Explain(), c.examples[kind]})
	}
	slices.SortFunc(s.Failures, func(a, b FailureCount) int { return int(b.Count - a.Count) })
	if c.firstToken.TotalCount() > 0 {
		s.FirstToken = new(latencyOf(c.firstToken))
	}
	known := c.answered - c.cache[cacheUnknown]
	if known == 0 {
		return s
	}
	s.HitRatio = new(float64(known-c.cache[cacheMiss]) / float64(known))
	s.Cache = map[string]int64{}
	for i, n := range c.cache {
		if name := cacheNames[i]; name != "" && n > 0 {
			s.Cache[name] = n
		}
	}
	return s
}

func summarizeUsage(points []Point) *usage.Summary {
	var samples []usage.Sample
	for _, p := range points {
		if p.Usage != nil {
			samples = append(samples, *p.Usage)
		}
	}
	return usage.Summarize(samples)
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	return Latency{
		Count: h.TotalCount(), MeanMs: h.Mean() / 1000, MaxMs: milliseconds(h.Max()),
		P50Ms: milliseconds(h.ValueAtPercentile(50)), P90Ms: milliseconds(h.ValueAtPercentile(90)),
		P95Ms: milliseconds(h.ValueAtPercentile(95)), P99Ms: milliseconds(h.ValueAtPercentile(99)),
	}
}

// distribution reads a histogram at percentages that come ever closer to 100,
// as far as there are that many values.
func distribution(h *hdrhistogram.Histogram) []Quantile {
	if h.TotalCount() == 0 {
		return []Quantile{}
	}
	out := []Quantile{{0, milliseconds(h.Min())}}
	rest := 100.0
	for rest*float64(h.TotalCount()) >= 100 && len(out) < 60 {
		rest *= 0.8
		out = append(out, Quantile{100 - rest, milliseconds(h.ValueAtPercentile(100 - rest))})
	}
	return append(out, Quantile{100, milliseconds(h.Max())})
}
