package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxFailures bounds the failures that are told one by one.
const maxFailures = 10

// Report is what became of the questions so far.
type Report struct {
	Began time.Time `json:"began"`
	// Asking is how many questions wait for their answer.
	Asking   int      `json:"asking"`
	Failed   int      `json:"failed"`
	Failures []string `json:"failures"`
	// Answered are the questions that were answered: when, after Began, and how
	// long that took, both in milliseconds.
	Answered [][2]int64 `json:"answered"`
}

// crowd is callers at work. Make one with [newCrowd].
type crowd struct {
	ctx    context.Context
	url    string
	client *http.Client

	mu     sync.Mutex
	leave  []context.CancelFunc // one for each caller that stays
	asked  int
	result Report
}

// newCrowd makes a crowd of nobody. Each question has a connection of its own, so
// that each finds its way through the Service anew.
func newCrowd(ctx context.Context, url string) *crowd {
	return &crowd{
		ctx: ctx, url: url,
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
		result: Report{Began: time.Now(), Failures: []string{}, Answered: [][2]int64{}},
	}
}

// resize lets callers come or leave; one that leaves waits for its answer first.
func (c *crowd) resize(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.leave) > n {
		last := len(c.leave) - 1
		c.leave[last]()
		c.leave = c.leave[:last]
	}
	for len(c.leave) < n {
		ctx, cancel := context.WithCancel(c.ctx)
		c.leave = append(c.leave, cancel)
		go func() {
			for ctx.Err() == nil {
				c.ask()
			}
		}()
	}
}

func (c *crowd) report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.result
	r.Failures, r.Answered = slices.Clone(r.Failures), slices.Clone(r.Answered)
	return r
}

// ask asks once and takes down how it went.
func (c *crowd) ask() {
	c.mu.Lock()
	c.asked++
	c.result.Asking++
	question := fmt.Sprintf("How long may an article be kept, in case %d?", c.asked)
	c.mu.Unlock()
	start := time.Now()
	err := c.post(question)
	end := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Asking--
	if err == nil {
		c.result.Answered = append(c.result.Answered, [2]int64{end.Sub(c.result.Began).Milliseconds(), end.Sub(start).Milliseconds()})
		return
	}
	c.result.Failed++
	if len(c.result.Failures) < maxFailures {
		c.result.Failures = append(c.result.Failures, end.Format(time.TimeOnly)+" "+err.Error())
	}
}

// post outlives the crowd's end: a question under way counts.
func (c *crowd) post(question string) error {
	payload, err := json.Marshal(map[string]string{"query": question})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(context.WithoutCancel(c.ctx), http.MethodPost, c.url, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(request)
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
