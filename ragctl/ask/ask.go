// Package ask puts one question to a running query runtime and reads the answer as
// it arrives, with its sources and the cache's word on it. It knows HTTP and nothing
// of Kubernetes.
package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Question is what to ask and how.
type Question struct {
	Text string
	// User is on whose behalf; empty for nobody's.
	User string
	// TopK is how many passages to answer from; 0 for what is configured.
	TopK int
	// NoCache makes the answer anew and does not keep it.
	NoCache bool
}

// Answer is the whole answer.
type Answer struct {
	Question string `json:"question"`
	Text     string `json:"answer"`
	Model    string `json:"model,omitempty"`
	// Cache is the tier that answered, as in the header X-Cache.
	Cache string `json:"cache"`
	// Age of a cached answer in seconds, as in the header Age; empty for a new one.
	Age       string   `json:"age,omitempty"`
	RequestID string   `json:"requestId,omitempty"`
	Sources   []Source `json:"sources"`
	// FirstPiece and Took are how long it took to the first piece of the answer and
	// to its end.
	FirstPiece time.Duration `json:"firstPieceNanoseconds"`
	Took       time.Duration `json:"tookNanoseconds"`
}

// Source is a passage that the answer was made from.
type Source struct {
	// Index is the number that the answer cites the passage by, from 1.
	Index  int     `json:"index"`
	ID     string  `json:"id"`
	Source string  `json:"source,omitempty"`
	Score  float64 `json:"score"`
	Text   string  `json:"text"`
}

// Client asks one runtime.
type Client struct {
	// BaseURL of the runtime, such as http://support.rag.svc:8080.
	BaseURL string
	// APIKey is sent as the bearer token; empty for none.
	APIKey string
	HTTP   *http.Client
}

// Ask puts the question and hands each piece of the answer to piece as it arrives.
// An answer that breaks off is an error, and what came of it was handed over.
func (c *Client) Ask(ctx context.Context, q Question, piece func(string) error) (*Answer, error) {
	request, err := c.request(ctx, q)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response)
	}
	answer := &Answer{
		Question:  q.Text,
		Cache:     response.Header.Get("X-Cache"),
		Age:       response.Header.Get("Age"),
		RequestID: response.Header.Get("X-Request-Id"),
		Sources:   []Source{},
	}
	var text strings.Builder
	err = events(response.Body, func(data []byte) error {
		part, err := answer.read(data)
		if err != nil || part == "" {
			return err
		}
		if text.Len() == 0 {
			answer.FirstPiece = time.Since(began)
		}
		text.WriteString(part)
		return piece(part)
	})
	answer.Text, answer.Took = text.String(), time.Since(began)
	return answer, err
}

func (c *Client) request(ctx context.Context, q Question) (*http.Request, error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	type cache struct {
		Mode string `json:"mode"`
	}
	body := struct {
		Messages []message `json:"messages"`
		Stream   bool      `json:"stream"`
		User     string    `json:"user,omitempty"`
		TopK     int       `json:"top_k,omitempty"`
		Cache    *cache    `json:"cache,omitempty"`
	}{Messages: []message{{"user", q.Text}}, Stream: true, User: q.User, TopK: q.TopK}
	if q.NoCache {
		body.Cache = &cache{Mode: "bypass"}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%q is no http or https URL, such as http://localhost:8080", c.BaseURL)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base.JoinPath("v1/chat/completions").String(), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	if c.APIKey != "" {
		request.Header.Set("Authorization", "Bearer "+c.APIKey)
	}
	return request, nil
}

// failure is an error as the runtime writes it.
type failure struct {
	Error *struct {
		Message string `json:"message"`
		Code    string `json:"code"`
	} `json:"error"`
}

// refusal says in the runtime's own words why there is no answer.
func refusal(response *http.Response) error {
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return fmt.Errorf("%s, and the body cannot be read: %w", response.Status, err)
	}
	var f failure
	if json.Unmarshal(body, &f) == nil && f.Error != nil && f.Error.Message != "" {
		return fmt.Errorf("%s: %s", response.Status, f.Error.Message)
	}
	return fmt.Errorf("%s: is this the query port of a RAGService?", response.Status)
}

// read takes one event in and returns the piece of the answer in it.
func (a *Answer) read(data []byte) (string, error) {
	var chunk struct {
		failure
		Model   string `json:"model"`
		Choices []struct {
			Delta struct {
				Content string `json:"content"`
			} `json:"delta"`
		} `json:"choices"`
		Citations []Source `json:"citations"`
	}
	if err := json.Unmarshal(data, &chunk); err != nil {
		return "", fmt.Errorf("an event of the answer is not the expected JSON: %w", err)
	}
	if chunk.Error != nil {
		return "", errors.New(chunk.Error.Message)
	}
	a.Model = chunk.Model
	if len(chunk.Citations) > 0 {
		a.Sources = chunk.Citations
	}
	if len(chunk.Choices) == 0 {
		return "", nil
	}
	return chunk.Choices[0].Delta.Content, nil
}
