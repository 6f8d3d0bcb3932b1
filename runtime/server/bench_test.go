package server

import (
	"encoding/json"
	"fmt"
	"io"
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

// BenchmarkLocalHitHandler counts the allocations of a hit in memory, without the
// connection: the request's body and its decoding, the question, the request id,
// the headers whose values differ, and what httptest adds for the recorder.
func BenchmarkLocalHitHandler(b *testing.B) {
	r := serveParts(b, parts{cache: inMemory()})
	const question = `{"query": "What happens when Redis is down?"}`
	r.query(b, question)
	handler := r.server.Handler()
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/query", strings.NewReader(question))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		if w.Header().Get("X-Cache") != "HIT-L1" {
			b.Fatal(w.Header())
		}
	}
}
