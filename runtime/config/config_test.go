package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const embedded = `version: ragservice/v1
model: {extractive: {}}
embedding: {lexical: {}}
vectorStore: {memory: {documents: [docs]}}
`

func TestParseFillsInDefaults(t *testing.T) {
	c, err := Parse([]byte(embedded + "cache: {local: {}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"queryAddress": c.Server.QueryAddress,
		"queryTimeout": c.Server.QueryTimeout,
		"drainTimeout": c.Server.DrainTimeout,
		"topK":         c.VectorStore.TopK,
		"dimensions":   c.Embedding.Dimensions,
		"ttl":          c.Cache.TTL,
		"scope":        c.Cache.Scope,
		"budget":       c.Cache.Budget,
		"local":        c.Cache.Local.MaxBytes,
		"logLevel":     c.Telemetry.LogLevel,
	}
	want := map[string]any{
		"queryAddress": ":8080",
		"queryTimeout": 32 * time.Second,
		"drainTimeout": 32 * time.Second,
		"topK":         5,
		"dimensions":   2048,
		"ttl":          5 * time.Minute,
		"scope":        ScopeShared,
		"budget":       25 * time.Millisecond,
		"local":        int64(64 << 20),
		"logLevel":     "info",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want []string
	}{
		{name: "nothing", in: "", want: []string{"is empty"}},
		{name: "not YAML", in: "version: [", want: []string{"yaml:"}},
		{name: "two documents", in: embedded + "---\n" + embedded, want: []string{"more than one YAML document"}},
		{name: "unknown field", in: embedded + "models: {}\n", want: []string{"line 5", "models"}},
		{name: "wrong type", in: strings.Replace(embedded, "docs]", "docs], extra: {}", 1), want: []string{"line 4", "extra"}},
		{name: "other version", in: strings.Replace(embedded, "/v1", "/v9", 1), want: []string{`version: is "ragservice/v9", and this runtime reads "ragservice/v1"`}},
		{
			name: "no provider",
			in:   "version: ragservice/v1\nmodel: {}\nembedding: {}\nvectorStore: {}\n",
			want: []string{
				"model: has no provider: set exactly one of openAI, anthropic, bedrock, extractive",
				"embedding: has no provider", "vectorStore: has no provider",
			},
		},
		{
			name: "two providers",
			in:   strings.Replace(embedded, "{extractive: {}}", "{extractive: {}, openAI: {model: m}}", 1),
			want: []string{"model: has openAI and extractive: set exactly one of"},
		},
		{
			name: "wrong values, all at once",
			in: strings.Replace(embedded, "[docs]}", "[docs]}, topK: -1, minScore: 1.7", 1) +
				"cache: {ttl: -1s, scope: Tenant, legacyKeys: true}\nserver: {queryAddress: nine, queryTimeout: 2s, queueTimeout: 3s}\ntelemetry: {logLevel: loud}\n",
			want: []string{
				"vectorStore.topK: is -1", "vectorStore.minScore: is 1.7, and must be between 0 and 1",
				"cache.ttl: is -1s", "cache.scope: is Tenant, which needs access", "cache.legacyKeys: needs",
				"cache: has no place to keep answers", `server.queryAddress: is "nine"`,
				"server.queueTimeout: is 3s, and must not be longer than queryTimeout, which is 2s", `telemetry.logLevel: is "loud"`,
			},
		},
		{
			name: "redis",
			in:   embedded + "cache: {redis: {mode: Sentinel, addresses: [nowhere]}}\n",
			want: []string{`cache.redis.addresses[0]: is "nowhere", and must be host:port`, "cache.redis.sentinelPrimary: must be set"},
		},
		{
			name: "user context without the user",
			in:   embedded + "userContext: {postgres: {dsnFile: dsn, query: SELECT 1}}\n",
			want: []string{"userContext.postgres.query: must contain $1"},
		},
		{
			name: "not a number",
			in:   strings.Replace(embedded, "[docs]}", "[docs]}, minScore: .nan", 1),
			want: []string{"vectorStore.minScore: is NaN"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

// FuzzParse holds Parse to three things: it never panics, what it accepts can be
// written and read again unchanged, and writing is deterministic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(embedded))
	f.Add([]byte(embedded + "cache: {redis: {addresses: ['a:1']}, local: {}, semantic: {}, faq: {file: f}}\n"))
	f.Add([]byte("version: ragservice/v1\nmodel: &m {openAI: {model: x}, fallbacks: [{extractive: {}}]}\nembedding: {bedrock: {model: m, region: r}}\nvectorStore: {pgvector: {dsnFile: d}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := Parse(data)
		if err != nil {
			return
		}
		out, err := first.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		second, err := Parse(out)
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, out)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("changed on the way (-first +second):\n%s", diff)
		}
		again, err := second.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(out), string(again)); diff != "" {
			t.Errorf("written differently the second time:\n%s", diff)
		}
	})
}

func TestHash(t *testing.T) {
	if got, want := Hash([]byte(embedded)), Hash([]byte(embedded)); got != want || len(got) != 10 {
		t.Errorf("got %q and %q, want the same ten characters", got, want)
	}
	if Hash([]byte("a")) == Hash([]byte("b")) {
		t.Error("different content has the same hash")
	}
}
