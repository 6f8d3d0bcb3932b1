package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const goodAnswer = `{"query":"q","answer":"a","context":[],"timestamp":"2026-01-01T00:00:00Z"}`

func answerWell(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, goodAnswer)
}

// planFor asks a test server; tests change what they are about.
func planFor(t *testing.T, url string) Plan {
	t.Helper()
	target, err := ParseTarget(url, "")
	if err != nil {
		t.Fatal(err)
	}
	questions, err := GenerateQuestions(50, 1)
	if err != nil {
		t.Fatal(err)
	}
	return Plan{
		Target: target, Questions: questions, Seed: 1, InFlight: 2000, Timeout: 5 * time.Second,
		Stages: []Stage{{Rate: 200, Duration: time.Second}},
	}
}

func mustRun(t *testing.T, plan Plan) *Result {
	t.Helper()
	result, err := Run(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// stallingServer answers at once, but for one stall that begins some time after
// the first question and holds up all that arrive in it.
func stallingServer(t *testing.T, after, stall time.Duration) *httptest.Server {
	t.Helper()
	var gate sync.RWMutex
	var first sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() {
			time.AfterFunc(after, func() {
				gate.Lock()
				time.AfterFunc(stall, gate.Unlock)
			})
		})
		gate.RLock()
		gate.RUnlock() //nolint:staticcheck // Passing the gate is all there is to do.
		answerWell(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// Of the 200 questions of a run, those due during a stall of 400 ms wait for what
// is left of it: 40 % of them, between 0 and 400 ms. So the 90th percentile is
// 300 ms and the 99th is 390 ms.
func TestStallShowsInAnOpenLoop(t *testing.T) {
	const stall = 400 * time.Millisecond
	plan := planFor(t, stallingServer(t, 300*time.Millisecond, stall).URL)
	open := mustRun(t, plan).Total

	for _, check := range []struct {
		name      string
		got, want float64
	}{
		{"p90", open.Latency.P90Ms, 300},
		{"p99", open.Latency.P99Ms, 390},
		{"max", open.Latency.MaxMs, 400},
	} {
		if ratio := check.got / check.want; ratio < 0.75 || ratio > 1.5 {
			t.Errorf("open loop: %s is %.0f ms, want about %.0f ms", check.name, check.got, check.want)
		}
	}
	if open.Questions != 200 || open.Answered != 200 {
		t.Errorf("open loop: %d questions and %d answers, want 200 of each", open.Questions, open.Answered)
	}

	plan = planFor(t, stallingServer(t, 300*time.Millisecond, stall).URL)
	plan.Clients = 2
	closed := mustRun(t, plan).Total
	if closed.Latency.P99Ms > open.Latency.P99Ms/4 {
		t.Errorf("closed loop: p99 is %.0f ms; it should hide the stall that the open loop shows as %.0f ms", closed.Latency.P99Ms, open.Latency.P99Ms)
	}
	if ratio := closed.Latency.MaxMs / 400; ratio < 0.75 || ratio > 1.5 {
		t.Errorf("closed loop: the one question per client that met the stall took %.0f ms, want about 400 ms", closed.Latency.MaxMs)
	}
}

// Ten clients begin within half a second, the last of them after nine tenths of it.
func TestRampUp(t *testing.T) {
	const clients, rampUp = 10, 500 * time.Millisecond
	began := time.Now()
	var arrived atomic.Int64
	var all atomic.Int64 // when all had begun
	begun := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if arrived.Add(1) == clients {
			all.Store(int64(time.Since(began)))
			close(begun)
		}
		<-begun // until then none is answered, and so none asks again
		answerWell(w, nil)
	}))
	defer server.Close()
	plan := planFor(t, server.URL)
	plan.Clients, plan.RampUp, plan.WarmUp = clients, rampUp, rampUp
	plan.Stages = []Stage{{Duration: 100 * time.Millisecond}}
	mustRun(t, plan)
	if took := time.Duration(all.Load()); took < rampUp*9/10 {
		t.Errorf("all clients had begun after %s, want no sooner than %s", took, rampUp*9/10)
	}
}

// A bound of one in flight makes later questions wait at the generator; their
// wait is part of their latency.
func TestWaitForAPlaceIsLatency(t *testing.T) {
	server := stallingServer(t, 100*time.Millisecond, 400*time.Millisecond)
	plan := planFor(t, server.URL)
	plan.InFlight = 1
	got := mustRun(t, plan).Total
	if got.MostInFlight > 1 {
		t.Errorf("%d in flight, want at most 1", got.MostInFlight)
	}
	if got.Latency.P90Ms < 200 || got.Lag.P90Ms < 200 {
		t.Errorf("p90 is %.0f ms and the lag's %.0f ms; want both to show the stall of 400 ms", got.Latency.P90Ms, got.Lag.P90Ms)
	}
}

func TestWhatNeverFoundAPlaceIsUnsent(t *testing.T) {
	plan := planFor(t, stallingServer(t, 0, 900*time.Millisecond).URL)
	plan.Stages[0].Duration = 500 * time.Millisecond
	plan.InFlight = 2
	got := mustRun(t, plan).Total
	if len(got.Failures) != 1 || got.Failures[0].Kind != FailureUnsent {
		t.Fatalf("failures are %+v, want only %s", got.Failures, FailureUnsent)
	}
	if sum := got.Answered + got.Failures[0].Count; sum != got.Questions || got.Questions != 100 {
		t.Errorf("%d answered and unsent of %d questions, want 100 of 100", sum, got.Questions)
	}
}

func TestStagesAndRates(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(answerWell))
	defer server.Close()
	for _, spread := range []Arrivals{ArrivalsConstant, ArrivalsPoisson} {
		t.Run(string(spread), func(t *testing.T) {
			plan := planFor(t, server.URL)
			plan.Arrivals = spread
			plan.WarmUp = 200 * time.Millisecond
			plan.Stages = []Stage{{100, 500 * time.Millisecond}, {400, 500 * time.Millisecond}}
			got := mustRun(t, plan)
			if len(got.Stages) != 2 {
				t.Fatalf("%d stages, want 2: the warm-up is none", len(got.Stages))
			}
			for i, want := range []float64{100, 400} {
				s := got.Stages[i]
				if math.Abs(s.OfferedPerSecond/want-1) > 0.5 || math.Abs(s.AchievedPerSecond/s.OfferedPerSecond-1) > 0.2 {
					t.Errorf("stage %d: offered %.0f/s, achieved %.0f/s, want about %.0f/s", i, s.OfferedPerSecond, s.AchievedPerSecond, want)
				}
				if spread == ArrivalsConstant && s.Questions != int64(want/2) {
					t.Errorf("stage %d: %d questions, want %.0f", i, s.Questions, want/2)
				}
			}
			if sum := got.Stages[0].Questions + got.Stages[1].Questions; got.Total.Questions != sum {
				t.Errorf("%d questions in all, want %d", got.Total.Questions, sum)
			}
		})
	}
}

// Three of ten answers take a while, as misses do beside hits. A target that keeps
// up achieves what is offered all the same: the answers to the warm-up's last
// questions make up for those that come after the end.
func TestAchievedRateOfHitsAndMisses(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%10 < 3 {
			timer := time.NewTimer(400 * time.Millisecond)
			defer timer.Stop()
			<-timer.C
		}
		answerWell(w, r)
	}))
	defer server.Close()
	plan := planFor(t, server.URL)
	plan.WarmUp = 600 * time.Millisecond
	got := mustRun(t, plan).Total
	if ratio := got.AchievedPerSecond / got.OfferedPerSecond; ratio < 0.96 || ratio > 1.04 {
		t.Errorf("achieved %.1f/s of %.1f/s, want about all", got.AchievedPerSecond, got.OfferedPerSecond)
	}
}

func TestHitRatioComesFromTheHeader(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cache", []string{"HIT-L1", "HIT-L2", "SEMANTIC", "MISS"}[n.Add(1)%4])
		answerWell(w, r)
	}))
	defer server.Close()
	got := mustRun(t, planFor(t, server.URL)).Total
	if got.HitRatio == nil || *got.HitRatio != 0.75 {
		t.Errorf("hit ratio is %v, want 0.75", got.HitRatio)
	}
	if got.Cache["HIT-L2"] != 50 || got.Cache["MISS"] != 50 {
		t.Errorf("answers by X-Cache are %v, want 50 of each of four", got.Cache)
	}
}

func TestFailuresByKind(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(answerWell))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()

	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if len(header) > 0 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
		}
	}
	released := make(chan struct{})
	defer close(released)

	tests := []struct {
		name string
		url  string
		want FailureKind
	}{
		{"refused", "http://" + closed.Addr().String(), FailureRefused},
		{"a certificate nobody vouches for", secure.URL, FailureTLS},
		{"https against plain http", strings.Replace(serve(answerWell), "http:", "https:", 1), FailureTLS},
		{"no such host", "http://bench.invalid", FailureDNS},
		{"not found", serve(status(404)), FailureClient},
		{"server error", serve(status(500)), FailureServer},
		{"overload", serve(status(503, "Retry-After", "1")), FailureShed},
		{"503 without Retry-After", serve(status(503)), FailureServer},
		{"rate limit", serve(status(429)), FailureShed},
		{"redirect", serve(status(302, "Location", "/elsewhere")), FailureStatus},
		{"a web page", serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }), FailureNotJSON},
		{"JSON of another kind", serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ok":true}`) }), FailureNotJSON},
		{"JSON that is broken inside", serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"answer":,}`) }), FailureNotJSON},
		{"closed without an answer", serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), FailureReset},
		{"cut in the middle", serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, goodAnswer[:10])
		}), FailureTruncated},
		{"silence", serve(func(_ http.ResponseWriter, r *http.Request) {
			// The body is read so that the server notices the client leaving.
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-released:
			}
		}), FailureTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := planFor(t, tt.url)
			if tt.want == FailureTimeout {
				plan.Timeout = 300 * time.Millisecond
			}
			plan.Stages = []Stage{{Rate: 100, Duration: 50 * time.Millisecond}}
			got := mustRun(t, plan).Total
			if len(got.Failures) == 0 || got.Failures[0].Kind != tt.want || got.Failures[0].Means == "" {
				t.Errorf("failures are %+v, want %s", got.Failures, tt.want)
			}
			if got.SuccessRatio == nil || *got.SuccessRatio == 1 {
				t.Errorf("success ratio is %v, want less than 1", got.SuccessRatio)
			}
			err := Probe(t.Context(), plan.Target, plan.Questions, plan.Timeout)
			overload := tt.want == FailureServer || tt.want == FailureShed
			if (err == nil) != overload {
				t.Errorf("the probe says %v", err)
			}
		})
	}
}

func TestTLSTarget(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(answerWell))
	defer server.Close()
	plan := planFor(t, server.URL)
	plan.Target.TLS = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	plan.Stages[0].Duration = 100 * time.Millisecond
	if got := mustRun(t, plan).Total; got.Answered != 20 {
		t.Errorf("%d answered, want 20: %+v", got.Answered, got.Failures)
	}
}

// The server closes each connection when it has been idle; the generator opens
// another, and no question fails.
func TestIdleConnectionsClosedByTheTarget(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(answerWell))
	server.Config.IdleTimeout = 20 * time.Millisecond
	server.Start()
	defer server.Close()
	plan := planFor(t, server.URL)
	plan.Stages = []Stage{{Rate: 20, Duration: 500 * time.Millisecond}}
	if got := mustRun(t, plan).Total; got.Answered != 10 {
		t.Errorf("%d answered, want 10: %+v", got.Answered, got.Failures)
	}
}

func TestInterruptKeepsWhatWasMeasured(t *testing.T) {
	for _, clients := range []int{0, 3} {
		t.Run(fmt.Sprintf("%d clients", clients), func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) <= 20 {
					answerWell(w, r)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				interrupt()
				<-r.Context().Done()
			}))
			defer server.Close()
			plan := planFor(t, server.URL)
			plan.Clients = clients
			plan.Timeout = time.Minute
			plan.Stages[0].Duration = time.Minute
			began := time.Now()
			got, err := Run(ctx, plan)
			if err != nil {
				t.Fatal(err)
			}
			if time.Since(began) > 20*time.Second {
				t.Errorf("ended after %s, long after the interrupt", time.Since(began))
			}
			// An answer may be under way as the interrupt comes.
			total := got.Total
			if !got.Interrupted || total.Answered < 10 || total.Answered > 20 || len(total.Failures) != 0 {
				t.Errorf("interrupted %t, %d answered, failures %+v; want true, up to 20, none", got.Interrupted, total.Answered, total.Failures)
			}
			if total.Interrupted == 0 || total.Answered+total.Interrupted != total.Questions || total.Seconds > 30 {
				t.Errorf("%d of %d questions interrupted in %.1f s; want all that were not answered, in the time that ran", total.Interrupted, total.Questions, total.Seconds)
			}
		})
	}
}

func TestProgressCanEndARun(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(answerWell))
	defer server.Close()
	plan := planFor(t, server.URL)
	plan.Stages[0].Duration = time.Minute
	var points int
	plan.Progress = func(p Point) bool {
		points++
		return p.AnsweredPerSecond == 0
	}
	got := mustRun(t, plan)
	if !got.Interrupted || points == 0 || len(got.Series) == 0 {
		t.Errorf("interrupted %t after %d points, want true after the first", got.Interrupted, points)
	}
}

func TestPrimeAsksEachQuestionOnce(t *testing.T) {
	var asked sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, before := asked.LoadOrStore(string(body), true); before {
			t.Errorf("%s was asked twice", body)
		}
		answerWell(w, r)
	}))
	defer server.Close()
	plan := planFor(t, server.URL)
	if err := Prime(t.Context(), plan.Target, plan.Questions, plan.Timeout); err != nil {
		t.Fatal(err)
	}
	n := 0
	asked.Range(func(any, any) bool { n++; return true })
	if n != plan.Questions.Len() {
		t.Errorf("%d questions were asked, want %d", n, plan.Questions.Len())
	}
}

// Whichever client is stopped first by another one's failure, the error is the
// failure. The order differs from run to run, so it is tried often.
func TestPrimeReportsTheFirstFailure(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	plan := planFor(t, server.URL)
	server.Close()
	for range 200 {
		err := Prime(t.Context(), plan.Target, plan.Questions, plan.Timeout)
		if want := "prime the cache of " + server.URL; err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("the error is %v, want %q in it", err, want)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	cancel(interrupted)
	if err := Prime(ctx, plan.Target, plan.Questions, plan.Timeout); !errors.Is(err, interrupted) {
		t.Errorf("the error of an interrupted run is %v, want its cause", err)
	}
}

func TestStream(t *testing.T) {
	const piece = `data: {"choices":[{"delta":{"content":"x"}}]}` + "\n\n"
	tests := []struct {
		name        string
		contentType string
		body        string
		want        FailureKind
	}{
		{"whole", "text/event-stream; charset=utf-8", ": hello\n\n" + piece + piece + "data: [DONE]\n\n", ""},
		{"without an end", "text/event-stream", piece, FailureTruncated},
		{"an error inside", "text/event-stream", piece + `data: {"error":{"message":"m"}}` + "\n\ndata: [DONE]\n\n", FailureServer},
		{"not streamed", "application/json", `{"choices":[]}`, FailureNotJSON},
		{"events that are no JSON", "text/event-stream", "data: hello\n\n", FailureNotJSON},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			plan := planFor(t, server.URL+"/v1/chat/completions")
			plan.Target.Stream = true
			plan.Stages[0].Duration = 50 * time.Millisecond
			got := mustRun(t, plan).Total
			if tt.want != "" {
				if len(got.Failures) != 1 || got.Failures[0].Kind != tt.want {
					t.Errorf("failures are %+v, want %s", got.Failures, tt.want)
				}
				return
			}
			if got.Answered != got.Questions {
				t.Fatalf("failures are %+v, want none", got.Failures)
			}
			if got.FirstToken == nil || got.FirstToken.Count != got.Answered || got.FirstToken.P50Ms > got.Latency.P50Ms {
				t.Errorf("first token %+v, latency %+v", got.FirstToken, got.Latency)
			}
		})
	}
}

func TestPlanBounds(t *testing.T) {
	good := planFor(t, "http://localhost")
	tests := []struct {
		name   string
		change func(*Plan)
		want   string
	}{
		{"as it is", func(*Plan) {}, ""},
		{"no rate", func(p *Plan) { p.Stages = []Stage{{0, time.Second}} }, "a rate of 0/s is out of bounds: it must be more than 0 and at most 100000"},
		{"not a number", func(p *Plan) { p.Stages = []Stage{{math.NaN(), time.Second}} }, "a rate of NaN/s is out of bounds"},
		{"too fast", func(p *Plan) { p.Stages = []Stage{{1e6, time.Second}} }, "a rate of 1e+06/s is out of bounds"},
		{"too long", func(p *Plan) { p.Stages = []Stage{{1, 2 * time.Hour}} }, "a duration of 2h0m0s is out of bounds"},
		{"too long in sum", func(p *Plan) { p.Stages = []Stage{{1, time.Hour}, {1, time.Second}} }, "the run would take 1h0m1s"},
		{"no stage", func(p *Plan) { p.Stages = nil }, "a run has between 1 and 100 stages, not 0"},
		{"none in flight", func(p *Plan) { p.InFlight = 0 }, "0 questions in flight are out of bounds"},
		{"no timeout", func(p *Plan) { p.Timeout = 0 }, "a timeout of 0s is out of bounds"},
		{"negative warm-up", func(p *Plan) { p.WarmUp = -1 }, "a warm-up of -1ns is out of bounds"},
		{"negative ramp-up", func(p *Plan) { p.RampUp = -1 }, "a ramp-up of -1ns is out of bounds"},
		{"ramp-up of an open loop", func(p *Plan) { p.WarmUp, p.RampUp = time.Second, time.Second }, "a ramp-up of 1s has no clients to begin"},
		{"ramp-up into what is measured", func(p *Plan) { p.WarmUp, p.RampUp = time.Second, 2*time.Second }, "a ramp-up of 2s is out of bounds: it must be between 0s and the warm-up of 1s"},
		{"strange arrivals", func(p *Plan) { p.Arrivals = "bursts" }, `arrivals are "bursts"`},
		{"negative clients", func(p *Plan) { p.Clients = -1 }, "-1 clients are out of bounds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := good
			tt.change(&plan)
			err := plan.Validate()
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
		})
	}
}
