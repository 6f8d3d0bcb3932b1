package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
)

// ragServer answers as a query server with a warm cache does.
func ragServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Cache", "HIT-L1")
		fmt.Fprint(w, `{"query":"q","answer":"a","context":[],"timestamp":"t"}`)
	}))
	t.Cleanup(server.Close)
	return server
}

func runBench(ctx context.Context, t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var outBuffer, errBuffer bytes.Buffer
	code = Run(ctx, append([]string{"ragctl", "bench"}, args...), Streams{In: strings.NewReader(""), Out: &outBuffer, Err: &errBuffer})
	return code, outBuffer.String(), errBuffer.String()
}

func TestBenchExitCodes(t *testing.T) {
	good := ragServer(t).URL
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer page.Close()
	strict := filepath.Join(t.TempDir(), "strict.yaml")
	if err := os.WriteFile(strict, []byte("p95Latency: 1us\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("p96Latency: 1s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	short := []string{"--rate", "120", "--duration", "300ms", "--warm-up", "0s"}
	tests := []struct {
		name    string
		args    []string
		want    int
		wantErr string
	}{
		{"all met", []string{good}, ExitDone, ""},
		{"an objective missed", []string{good, "--objectives", strict}, ExitThreshold, "p95Latency is"},
		{"objectives with an unknown field", []string{good, "--objectives", wrong}, ExitUsage, `unknown field "p96Latency"`},
		{"objectives that are nowhere", []string{good, "--objectives", "/nowhere"}, ExitUsage, "--objectives is neither"},
		{"no URL", nil, ExitUsage, "accepts 1 arg"},
		{"bad URL", []string{"localhost:8080"}, ExitUsage, "must start with http:// or https://"},
		{"bad rate", []string{good, "--rate", "fast"}, ExitUsage, `the rate is "fast"`},
		{"rate out of bounds", []string{good, "--rate", "1000000"}, ExitUsage, "out of bounds"},
		{"bad ramp", []string{good, "--rate", "1..5"}, ExitUsage, `the rate is "1..5"`},
		{"streamed query", []string{good, "--stream"}, ExitUsage, "only the API chat streams"},
		{"bad output", []string{good, "-o", "xml"}, ExitUsage, `the output is "xml"`},
		{"no such questions", []string{good, "--questions", "/nowhere"}, ExitUsage, "--questions is neither a number nor a file"},
		{"two ways to measure", []string{good, "--pid", "1", "--prometheus", "http://p"}, ExitUsage, "exclude one another"},
		{"too many processes", []string{good, "--pid", "1,2"}, ExitUsage, "give --pid or --pods once for each"},
		{"refused", []string{"http://127.0.0.1:1"}, ExitFailed, "nothing listens at the address"},
		{"TLS that nobody vouches for", []string{secure.URL}, ExitFailed, "the TLS handshake failed"},
		{"no JSON", []string{page.URL}, ExitFailed, "not a JSON object"},
		{"no such path", []string{secure.URL, "--insecure"}, ExitFailed, "status 404"},
		{"report that cannot be written", []string{good, "--report", "/nowhere/r.html"}, ExitFailed, "write the report"},
		{"compare one", []string{"compare", good}, ExitUsage, "requires at least 2 arg"},
		{"compare twice the same name", []string{"compare", good, good}, ExitUsage, "two targets are called"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errOut := runBench(t.Context(), t, inOrder(tt.args, short)...)
			if code != tt.want || !strings.Contains(errOut, tt.wantErr) {
				t.Errorf("exit code %d, want %d; stderr, which should hold %q:\n%s", code, tt.want, tt.wantErr, errOut)
			}
		})
	}
}

// inOrder puts the defaults of a test ahead of its own flags, which win, and
// behind a subcommand.
func inOrder(args, defaults []string) []string {
	if len(args) > 0 && args[0] == "compare" {
		return slices.Concat(args[:1], defaults, args[1:])
	}
	return slices.Concat(defaults, args)
}

func TestBenchOutput(t *testing.T) {
	server := ragServer(t)
	page := filepath.Join(t.TempDir(), "r.html")
	args := []string{server.URL, "--rate", "100,200", "--duration", "600ms", "--warm-up", "0s", "--report", page, "--pid", fmt.Sprint(os.Getpid())}

	code, out, errOut := runBench(t.Context(), t, append(args, "-o", "json")...)
	if code != ExitDone {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	var got struct {
		load.Result
		Verdict objective.Verdict
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("the output is no JSON: %v\n%s", err, out)
	}
	if got.Total.Answered != 90 || len(got.Stages) != 2 || len(got.Verdict) != 7 {
		t.Errorf("%d answered in %d stages, %d objectives; want 90, 2, 7", got.Total.Answered, len(got.Stages), len(got.Verdict))
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(html), "<svg"); n < 5 {
		t.Errorf("the report has %d plots, want at least 5", n)
	}

	code, out, _ = runBench(t.Context(), t, args...)
	if code != ExitDone {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"achieved", "p95 ", "cache hit ratio", "100.00 % (HIT-L1 90)", "STAGE", "queriesPerSecond", "met"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
}

func TestBenchInterruptedKeepsItsFigures(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 30 {
			interrupt()
		}
		fmt.Fprint(w, `{"answer":"a"}`)
	}))
	defer server.Close()
	code, out, errOut := runBench(ctx, t, server.URL, "--duration", "10m", "--warm-up", "0s")
	if code != ExitFailed || !strings.Contains(errOut, "interrupted after") {
		t.Errorf("exit code %d, want %d; stderr: %s", code, ExitFailed, errOut)
	}
	if !strings.Contains(out, "INTERRUPTED") || !strings.Contains(out, "answered") {
		t.Errorf("the figures are gone:\n%s", out)
	}
}

func TestBenchCompareAndCapacity(t *testing.T) {
	a, b := ragServer(t).URL, ragServer(t).URL
	page := filepath.Join(t.TempDir(), "r.html")
	code, out, errOut := runBench(t.Context(), t, "compare", "old="+a, "new="+b, "--rate", "100", "--duration", "200ms", "--warm-up", "0s", "--rounds", "2", "--report", page)
	if code != ExitDone || !strings.Contains(out, "RATIO TO old (95 %)") || !strings.Contains(out, "p95 latency") {
		t.Errorf("exit code %d, stderr %s, output:\n%s", code, errOut, out)
	}
	code, out, errOut = runBench(t.Context(), t, a, "--find-capacity", "--rate", "100", "--max-rate", "150", "--duration", "200ms", "--warm-up", "0s")
	if code != ExitDone || !strings.Contains(out, "150/s") || !strings.Contains(errOut, "at 100/s: held") {
		t.Errorf("exit code %d, stderr %s, output:\n%s", code, errOut, out)
	}
	code, _, errOut = runBench(t.Context(), t, a, "--find-capacity", "--rate", "20", "--max-rate", "40", "--duration", "200ms", "--warm-up", "0s")
	if code != ExitThreshold || !strings.Contains(errOut, "carries 40/s within its objectives, want 100/s") {
		t.Errorf("exit code %d, stderr %s", code, errOut)
	}
}

func TestParseRates(t *testing.T) {
	for text, want := range map[string]string{
		"200": "[200]", "0.5": "[0.5]", "100, 200": "[100 200]", "100..500/5": "[100 200 300 400 500]",
		"": "", "1..2": "", "1..2/1": "", "1..2/x": "", "a..2/3": "", "1,,2": "",
	} {
		got, err := parseRates(text)
		if (err == nil) != (want != "") || err == nil && fmt.Sprint(got) != want {
			t.Errorf("%q gave %v, %v; want %s", text, got, err, want)
		}
	}
}
