package server

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	benchConnections = 64
	benchRound       = 4000 // requests of each side before the other's turn
)

// BenchmarkLocalHit compares a hit in memory with its floor: a bare handler of
// net/http that decodes the same body and writes the same bytes. Both sides take
// turns in one run, so that what else the machine does meets both. The metric
// ratio is the runtime's requests per second over the floor's.
func BenchmarkLocalHit(b *testing.B) {
	r := serveParts(b, parts{cache: inMemory(), model: speaks(strings.Repeat("words and ", 300))})
	const question = `{"query": "What happens when Redis is down?"}`
	kept := []byte(r.query(b, question).body)
	floor := listenAlso(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Query string `json:"query"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(kept)
	}))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchConnections}}
	defer client.CloseIdleConnections()
	var floorTook, runtimeTook time.Duration
	for b.Loop() {
		floorTook += fire(b, client, floor+"/query", question)
		runtimeTook += fire(b, client, r.url+"/query", question)
	}
	b.ReportMetric(float64(floorTook)/float64(runtimeTook), "ratio")
	b.ReportMetric(float64(benchRound*b.N)/runtimeTook.Seconds(), "requests/s")
}

// fire sends one round and returns how long it took.
func fire(b *testing.B, client *http.Client, url, body string) time.Duration {
	b.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	for range benchConnections {
		wg.Go(func() {
			for range benchRound / benchConnections {
				if err := post(client, url, body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

func post(client *http.Client, url, body string) error {
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// hitAllocations are all that a hit in memory allocates:
//
//	1  the reader that bounds the request's body
//	1  the decoded request
//	1  the question, for the buffer that it was read into is used again
//	1  the query
//	2  the request id, and the header value that holds it
//	1  the header value of Age
//	2  the header value of Content-Length, and its digits
//	1  the key of the latency's bucket in the client library's histogram
//
// The key, the look-up and the body cost none. What net/http allocates for any
// request is not among them.
const hitAllocations = 10

func TestHitAllocations(t *testing.T) {
	r := serveParts(t, parts{cache: inMemory(), model: speaks(strings.Repeat("words and ", 300))})
	const question = `{"query": "What happens when Redis is down?"}`
	r.query(t, question)
	hit := hitter(r.server.Handler(), question)
	if tier := hit(); tier != "HIT-L1" {
		t.Fatalf("the answer comes from %q", tier)
	}
	// The least of many: now and then a pool has forgotten what it held, under the
	// race detector at random.
	least := math.Inf(1)
	for range 100 {
		least = min(least, testing.AllocsPerRun(1, func() { hit() }))
	}
	if least > hitAllocations {
		t.Errorf("%v allocations for a hit; at most %d are accounted for", least, hitAllocations)
	}
}

// BenchmarkLocalHitHandler is a hit in memory without the connection.
func BenchmarkLocalHitHandler(b *testing.B) {
	r := serveParts(b, parts{cache: inMemory(), model: speaks(strings.Repeat("words and ", 300))})
	const question = `{"query": "What happens when Redis is down?"}`
	r.query(b, question)
	hit := hitter(r.server.Handler(), question)
	b.ReportAllocs()
	for b.Loop() {
		if tier := hit(); tier != "HIT-L1" {
			b.Fatalf("the answer comes from %q", tier)
		}
	}
}

// hitter returns what sends one request to a handler, allocating nothing itself,
// and returns where the answer came from.
func hitter(handler http.Handler, body string) func() string {
	sent := &resent{text: body}
	request := httptest.NewRequest(http.MethodPost, "/query", nil)
	request.Header.Set("Content-Type", "application/json")
	request.Body = sent
	w := discard{http.Header{}}
	return func() string {
		sent.Reset(sent.text)
		clear(w.header)
		handler.ServeHTTP(w, request)
		if tier := w.header["X-Cache"]; len(tier) == 1 {
			return tier[0]
		}
		return ""
	}
}

// resent is a body that can be sent again.
type resent struct {
	strings.Reader
	text string
}

func (*resent) Close() error { return nil }

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
