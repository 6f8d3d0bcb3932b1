// Command caller asks a service the same few questions at a steady rate for a
// while, as a client inside the cluster does, and prints what became of them as
// JSON. It ends with an error where a query failed.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// report is what is printed at the end.
type report struct {
	Sent     int       `json:"sent"`
	Failed   int       `json:"failed"`
	Failures []string  `json:"failures"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
}

// maxFailures bounds the failures that are told one by one.
const maxFailures = 10

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	url := flag.String("url", "", "where to POST queries")
	rate := flag.Int("rate", 20, "queries per second")
	duration := flag.Duration("for", time.Minute, "how long")
	flag.Parse()
	result := call(ctx, *url, *rate, *duration)
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil || result.Failed > 0 || result.Sent == 0 {
		os.Exit(1)
	}
}

// call starts queries on time, whether those before have ended or not. Each has a
// connection of its own, so that each finds its way through the Service anew.
func call(ctx context.Context, url string, rate int, duration time.Duration) report {
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	result := report{Began: time.Now(), Failures: []string{}}
	var mu sync.Mutex
	var queries sync.WaitGroup
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			queries.Wait()
			result.Sent, result.Ended = n, time.Now()
			return result
		case <-ticker.C:
			queries.Go(func() {
				// A query under way outlives the end, and so is counted.
				if err := query(context.WithoutCancel(ctx), client, url, n); err != nil {
					mu.Lock()
					defer mu.Unlock()
					result.Failed++
					if len(result.Failures) < maxFailures {
						result.Failures = append(result.Failures, time.Now().Format(time.TimeOnly)+" "+err.Error())
					}
				}
			})
		}
	}
}

// query asks question n of a few: some answers come from the cache, some do not.
func query(ctx context.Context, client *http.Client, url string, n int) error {
	payload, err := json.Marshal(map[string]string{"query": fmt.Sprintf("How do I query the service, in case %d?", n%50)})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return nil
}
