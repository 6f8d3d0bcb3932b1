package generate

import (
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/upstream"
)

func TestMain(m *testing.M) {
	// Bedrock takes its credentials from the environment.
	os.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	os.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	goleak.VerifyTestMain(m)
}

// The steps of the tests.
func answers(pieces ...string) step {
	return func(a api, w http.ResponseWriter, _ *http.Request, stream bool) {
		a.answer(w, stream, a.stop, pieces...)
	}
}

func ends(finish func(api) string) step {
	return func(a api, w http.ResponseWriter, _ *http.Request, stream bool) {
		a.answer(w, stream, finish(a), "half an")
	}
}

func status(code int, header, value string) step {
	return func(_ api, w http.ResponseWriter, _ *http.Request, _ bool) {
		if header != "" {
			w.Header().Set(header, value)
		}
		w.WriteHeader(code)
		fmt.Fprint(w, `{"error":{"message":"the key `+secret+` is wrong","type":"some_error"}}`)
	}
}

func garbage(contentType, body string) step {
	return func(_ api, w http.ResponseWriter, _ *http.Request, _ bool) {
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, body)
	}
}

func hangs(_ api, _ http.ResponseWriter, r *http.Request, _ bool) { <-r.Context().Done() }

func hangsAfter(pieces ...string) step {
	return func(a api, w http.ResponseWriter, r *http.Request, _ bool) {
		a.begin(w)
		for _, p := range pieces {
			a.piece(w, p)
		}
		<-r.Context().Done()
	}
}

func cutOffAfter(pieces ...string) step {
	return func(a api, w http.ResponseWriter, _ *http.Request, _ bool) {
		a.begin(w)
		for _, p := range pieces {
			a.piece(w, p)
		}
	}
}

func abortsAfter(pieces ...string) step {
	return func(a api, w http.ResponseWriter, r *http.Request, stream bool) {
		cutOffAfter(pieces...)(a, w, r, stream)
		panic(http.ErrAbortHandler)
	}
}

func failsAfter(pieces ...string) step {
	return func(a api, w http.ResponseWriter, r *http.Request, stream bool) {
		cutOffAfter(pieces...)(a, w, r, stream)
		a.failure(w)
	}
}

// failure is what a test wants of an error.
type failure struct {
	Kind       upstream.Kind
	Status     int
	RetryAfter time.Duration
	Partial    bool
}

func TestProviders(t *testing.T) {
	const short = 300 * time.Millisecond // for those that hang
	answer := []string{"The answer", " is 42."}
	tests := []struct {
		name       string
		steps      []step
		timeout    time.Duration // 10 s where it is not set
		streaming  bool          // asks for a stream only; else both ways are tested
		want       Completion
		wantFail   failure
		wantCalls  int
		wantPieces string
	}{
		{name: "answer", steps: []step{answers(answer...)}, want: Completion{Text: "The answer is 42.", FinishReason: FinishStop}, wantCalls: 1},
		{name: "bound reached", steps: []step{ends(func(a api) string { return a.length })}, want: Completion{Text: "half an", FinishReason: FinishLength}, wantCalls: 1},
		{name: "filtered", steps: []step{ends(func(a api) string { return a.filtered })}, want: Completion{Text: "half an", FinishReason: FinishContentFilter}, wantCalls: 1},
		{
			name:  "429 with Retry-After, then the answer",
			steps: []step{status(429, "Retry-After", "0.2"), answers(answer...)},
			want:  Completion{Text: "The answer is 42.", FinishReason: FinishStop}, wantCalls: 2,
		},
		{
			name: "429 with a Retry-After that is too long", steps: []step{status(429, "Retry-After", "60")},
			wantFail: failure{Kind: upstream.KindRateLimited, Status: 429, RetryAfter: time.Minute}, wantCalls: 1,
		},
		{
			name: "500, then the answer", steps: []step{status(500, "", ""), answers(answer...)},
			want: Completion{Text: "The answer is 42.", FinishReason: FinishStop}, wantCalls: 2,
		},
		{name: "wrong key", steps: []step{status(401, "", "")}, wantFail: failure{Kind: upstream.KindRejected, Status: 401}, wantCalls: 1},
		{name: "hangs before the first byte", steps: []step{hangs}, timeout: short, wantFail: failure{Kind: upstream.KindTimeout}, wantCalls: 1},
		{name: "an empty answer, then the answer", steps: []step{answers(""), answers(answer...)}, want: Completion{Text: "The answer is 42.", FinishReason: FinishStop}, wantCalls: 2},
		{name: "a page", steps: []step{garbage("text/html", "<html>")}, wantFail: failure{Kind: upstream.KindInvalidResponse}, wantCalls: 3},
		{name: "no JSON", steps: []step{garbage("application/json", "{{{")}, wantFail: failure{Kind: upstream.KindInvalidResponse}, wantCalls: 3},
		{name: "no finish reason", steps: []step{ends(func(api) string { return "" })}, wantFail: failure{Kind: upstream.KindInvalidResponse}, wantPieces: "half an"},
		{name: "another finish reason", steps: []step{ends(func(api) string { return "bored" })}, wantFail: failure{Kind: upstream.KindInvalidResponse}, wantPieces: "half an"},
		{
			name: "hangs in the middle of the stream", steps: []step{hangsAfter(answer[0])}, timeout: short, streaming: true,
			wantFail: failure{Kind: upstream.KindTimeout, Partial: true}, wantCalls: 1, wantPieces: "The answer",
		},
		{
			name: "stream cut off", steps: []step{cutOffAfter(answer[0])}, streaming: true,
			wantFail: failure{Kind: upstream.KindInvalidResponse, Partial: true}, wantCalls: 1, wantPieces: "The answer",
		},
		{
			name: "stream cut off before the first piece, then the answer", steps: []step{cutOffAfter(), answers(answer...)}, streaming: true,
			want: Completion{Text: "The answer is 42.", FinishReason: FinishStop}, wantCalls: 2,
		},
		{
			name: "connection aborted in the stream", steps: []step{abortsAfter(answer[0])}, streaming: true,
			wantFail: failure{Kind: upstream.KindInvalidResponse, Partial: true}, wantCalls: 1, wantPieces: "The answer",
		},
		{
			name: "an error in the stream", steps: []step{failsAfter(answer[0])}, streaming: true,
			wantFail: failure{Kind: upstream.KindUnavailable, Partial: true}, wantCalls: 1, wantPieces: "The answer",
		},
	}
	for _, a := range apis {
		for _, tt := range tests {
			for _, streaming := range []bool{false, true} {
				if !streaming && (tt.streaming || a.streamOnly) {
					continue
				}
				name := a.name + "/" + tt.name
				if streaming {
					name += ", streaming"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					f := newFake(t, a, tt.steps...)
					timeout := stdcmp.Or(tt.timeout, 10*time.Second)
					g := newGenerator(t, config.Model{ModelProvider: a.provider(f.url, keyFile(t)), Timeout: timeout})
					var pieces strings.Builder
					var emit func(string) error
					if streaming {
						emit = func(piece string) error { pieces.WriteString(piece); return nil }
					}
					start := time.Now()
					got, err := g.Generate(t.Context(), Request{Question: "What is the answer?"}, emit)
					if took := time.Since(start); took > timeout+2*time.Second {
						t.Errorf("took %s, and must end by its deadline of %s", took, timeout)
					}
					wantFail, wantCalls, wantPieces := tt.wantFail, tt.wantCalls, tt.want.Text
					if tt.wantPieces != "" && streaming {
						wantFail.Partial, wantCalls, wantPieces = true, 1, tt.wantPieces
					} else if tt.wantPieces != "" {
						wantCalls = 3
					}
					if calls := len(f.requests()); calls != wantCalls {
						t.Errorf("%d calls, want %d", calls, wantCalls)
					}
					if streaming && pieces.String() != wantPieces {
						t.Errorf("emitted %q, want %q", pieces.String(), wantPieces)
					}
					if wantFail.Kind != "" {
						checkFailure(t, err, a.name, wantFail)
						return
					}
					want := tt.want
					want.Upstream, want.Model, want.Usage = a.name, "m-1-2026", Usage{InputTokens: 7, OutputTokens: 3}
					if a.name == "bedrock" {
						want.Model = "m-1" // Converse does not name the version
					}
					if diff := cmp.Diff(want, got); diff != "" || err != nil {
						t.Errorf("error %v, (-want +got):\n%s", err, diff)
					}
				})
			}
		}
	}
}

func newGenerator(t *testing.T, cfg config.Model) Generator {
	t.Helper()
	cfg.SystemPrompt, cfg.MaxOutputTokens = "Be brief.", 512
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	g, err := New(cfg, new(upstream.Registry))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func checkFailure(t *testing.T, err error, wantUpstream string, want failure) {
	t.Helper()
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		t.Fatalf("got %v, want an upstream error", err)
	}
	got := failure{Kind: e.Kind, Status: e.Status, RetryAfter: e.RetryAfter, Partial: e.Partial}
	if diff := cmp.Diff(want, got); diff != "" || e.Upstream != wantUpstream {
		t.Errorf("of %s: %v (-want +got):\n%s", e.Upstream, err, diff)
	}
	for _, leak := range []string{secret, "a question", "127.0.0.1"} {
		if strings.Contains(err.Error(), leak) {
			t.Errorf("the error holds %q: %v", leak, err)
		}
	}
}

func TestWhatIsAsked(t *testing.T) {
	request := Request{
		History:     []Message{{Role: "user", Content: "Hello"}, {Role: "assistant", Content: "Hi"}},
		Question:    "What?",
		Temperature: new(0.5),
	}
	wants := map[string]asked{
		"openai":    {Path: "/v1/chat/completions", Key: "Bearer " + secret},
		"anthropic": {Path: "/v1/messages", Key: secret},
		"bedrock":   {Path: "/model/m-1/converse-stream", Key: "signed"},
	}
	for _, a := range apis {
		t.Run(a.name, func(t *testing.T) {
			f := newFake(t, a, answers("Well."))
			g := newGenerator(t, config.Model{ModelProvider: a.provider(f.url, keyFile(t))})
			if _, err := g.Generate(t.Context(), request, func(string) error { return nil }); err != nil {
				t.Fatal(err)
			}
			want := wants[a.name]
			want.Model, want.System, want.MaxTokens, want.Temperature, want.Stream = "m-1", "Be brief.", 512, 0.5, true
			want.Messages = append(append([]Message{}, request.History...), Message{Role: "user", Content: "What?"})
			if diff := cmp.Diff([]asked{want}, f.requests()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAzure(t *testing.T) {
	for _, suffix := range []string{"", "/", "/openai"} {
		f := newFake(t, openAIAPI, answers("Well."))
		g := newGenerator(t, config.Model{ModelProvider: config.ModelProvider{OpenAI: &config.OpenAI{
			Model: "my gpt", BaseURL: f.url + suffix, APIKeyFile: keyFile(t), AzureAPIVersion: "2024-10-21",
		}}})
		if _, err := g.Generate(t.Context(), Request{Question: "What?"}, nil); err != nil {
			t.Fatal(err)
		}
		got := f.requests()[0]
		if want := "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"; got.Path != want || got.Key != secret {
			t.Errorf("with %q: asked %s with the key %q, want %s with the bare key", suffix, got.Path, got.Key, want)
		}
	}
}

func TestCallerGoesAway(t *testing.T) {
	gone := errors.New("broken pipe")
	tests := []struct {
		name string
		step func(cancel func(), canceled chan<- struct{}) step
		emit func(cancel func()) func(string) error
		want error
	}{
		{
			name: "before the first piece", want: context.Canceled,
			step: func(cancel func(), canceled chan<- struct{}) step {
				return func(_ api, _ http.ResponseWriter, r *http.Request, _ bool) {
					cancel()
					<-r.Context().Done()
					close(canceled)
				}
			},
		},
		{
			name: "in the middle of the stream", want: context.Canceled,
			step: streamsUntilGone,
			emit: func(cancel func()) func(string) error { return func(string) error { cancel(); return nil } },
		},
		{
			name: "and emit says so", want: gone,
			step: streamsUntilGone,
			emit: func(func()) func(string) error { return func(string) error { return gone } },
		},
	}
	for _, a := range apis {
		for _, tt := range tests {
			t.Run(a.name+"/"+tt.name, func(t *testing.T) {
				canceled := make(chan struct{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f := newFake(t, a, tt.step(cancel, canceled))
				registry := new(upstream.Registry)
				g, err := New(config.Model{ModelProvider: a.provider(f.url, keyFile(t)), Timeout: time.Minute, MaxOutputTokens: 9}, registry)
				if err != nil {
					t.Fatal(err)
				}
				var emit func(string) error
				if tt.emit != nil {
					emit = tt.emit(cancel)
				}
				if _, err := g.Generate(ctx, Request{Question: "What?"}, emit); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				select {
				case <-canceled:
				case <-time.After(5 * time.Second):
					t.Error("the upstream was not cancelled")
				}
				if h := registry.Health()[0]; !h.LastFailure.IsZero() || len(f.requests()) != 1 {
					t.Errorf("%d requests and health %+v, want one request and no failure of the upstream", len(f.requests()), h)
				}
			})
		}
	}
}

func streamsUntilGone(_ func(), canceled chan<- struct{}) step {
	return func(a api, w http.ResponseWriter, r *http.Request, _ bool) {
		a.begin(w)
		a.piece(w, "first")
		<-r.Context().Done()
		close(canceled)
	}
}

func TestFallbacks(t *testing.T) {
	passages := []retrieve.Passage{{Text: "It is 42."}}
	tests := []struct {
		name          string
		first, second step
		streaming     bool
		wantText      string
		wantUpstream  string
		wantFail      failure // of the first
	}{
		{name: "the first answers", first: answers("one"), second: answers("two"), wantText: "one", wantUpstream: "openai"},
		{name: "the first is down", first: status(503, "", ""), second: answers("two"), wantText: "two", wantUpstream: "openai-2"},
		{name: "the first has a wrong key", first: status(401, "", ""), second: answers("two"), wantText: "two", wantUpstream: "openai-2"},
		{name: "the first asks to wait too long", first: status(429, "Retry-After", "3"), second: answers("two"), wantText: "two", wantUpstream: "openai-2"},
		{name: "the first hangs", first: hangs, second: answers("two"), wantText: "two", wantUpstream: "openai-2"},
		{name: "the first hangs, streaming", first: hangs, second: answers("two"), streaming: true, wantText: "two", wantUpstream: "openai-2"},
		{name: "both fail", first: status(503, "", ""), second: garbage("text/html", ""), wantText: "It is 42. [1]", wantUpstream: "extractive"},
		{
			name: "the first was heard already", first: cutOffAfter("one"), second: answers("two"), streaming: true,
			wantFail: failure{Kind: upstream.KindInvalidResponse, Partial: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key := keyFile(t)
			first, second := newFake(t, openAIAPI, tt.first), newFake(t, openAIAPI, tt.second)
			g := newGenerator(t, config.Model{
				ModelProvider: openAIAPI.provider(first.url, key),
				Fallbacks:     []config.ModelProvider{openAIAPI.provider(second.url, key), {Extractive: &config.Extractive{}}},
				Timeout:       3 * time.Second,
			})
			var emit func(string) error
			if tt.streaming {
				emit = func(string) error { return nil }
			}
			got, err := g.Generate(t.Context(), Request{Question: "What is it?", Passages: passages}, emit)
			if tt.wantFail.Kind != "" {
				checkFailure(t, err, "openai", tt.wantFail)
				if n := len(second.requests()); n != 0 {
					t.Errorf("the fallback was asked %d times after a piece had gone out", n)
				}
				return
			}
			if err != nil || got.Text != tt.wantText || got.Upstream != tt.wantUpstream {
				t.Errorf("got %q of %s, error %v, want %q of %s", got.Text, got.Upstream, err, tt.wantText, tt.wantUpstream)
			}
		})
	}
}

// TestSlowStream has a provider speak beyond its share of the time, which it may
// once it has begun.
func TestSlowStream(t *testing.T) {
	slow := func(a api, w http.ResponseWriter, r *http.Request, _ bool) {
		a.begin(w)
		a.piece(w, "slow")
		select {
		case <-time.After(700 * time.Millisecond):
			a.end(w, a.stop)
		case <-r.Context().Done():
		}
	}
	f := newFake(t, openAIAPI, slow)
	g := newGenerator(t, config.Model{
		ModelProvider: openAIAPI.provider(f.url, keyFile(t)),
		Fallbacks:     []config.ModelProvider{{Extractive: &config.Extractive{}}},
		Timeout:       time.Second,
	})
	got, err := g.Generate(t.Context(), Request{Question: "What?"}, func(string) error { return nil })
	if err != nil || got.Text != "slow" {
		t.Errorf("got %q, %v, want the whole slow answer", got.Text, err)
	}
}

func TestErrorsOfAll(t *testing.T) {
	key := keyFile(t)
	first, second := newFake(t, openAIAPI, status(429, "Retry-After", "60")), newFake(t, anthropicAPI, status(401, "", ""))
	g := newGenerator(t, config.Model{
		ModelProvider: openAIAPI.provider(first.url, key), Fallbacks: []config.ModelProvider{anthropicAPI.provider(second.url, key)},
	})
	_, err := g.Generate(t.Context(), Request{Question: "What?"}, nil)
	checkFailure(t, err, "openai", failure{Kind: upstream.KindRateLimited, Status: 429, RetryAfter: time.Minute})
	if !strings.Contains(err.Error(), "anthropic: rejected (status 401)") {
		t.Errorf("got %v, want the errors of both", err)
	}
}

func TestNewErrors(t *testing.T) {
	_, err := New(config.Model{
		ModelProvider: config.ModelProvider{Extractive: &config.Extractive{}},
		Fallbacks:     []config.ModelProvider{openAIAPI.provider("http://localhost", "/does/not/exist")},
	}, new(upstream.Registry))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "model.fallbacks[0].openAI.apiKeyFile") {
		t.Errorf("got %v, want the field and that its file does not exist", err)
	}
}

func TestIdentity(t *testing.T) {
	base := config.Model{ModelProvider: config.ModelProvider{Extractive: &config.Extractive{}}, SystemPrompt: "a", MaxOutputTokens: 1}
	identities := map[string]string{}
	for name, change := range map[string]func(*config.Model){
		"nothing":     func(*config.Model) {},
		"prompt":      func(m *config.Model) { m.SystemPrompt = "b" },
		"tokens":      func(m *config.Model) { m.MaxOutputTokens = 2 },
		"temperature": func(m *config.Model) { m.Temperature = new(0.0) },
		"provider":    func(m *config.Model) { m.ModelProvider = openAIAPI.provider("http://a", "") },
		"server":      func(m *config.Model) { m.ModelProvider = openAIAPI.provider("http://b", "") },
		"fallback":    func(m *config.Model) { m.Fallbacks = []config.ModelProvider{{Extractive: &config.Extractive{}}} },
	} {
		cfg := base
		change(&cfg)
		g, err := New(cfg, new(upstream.Registry))
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := identities[g.Identity()]; taken {
			t.Errorf("changing %s and changing %s give the same identity %s", name, other, g.Identity())
		}
		identities[g.Identity()] = name
	}
}
