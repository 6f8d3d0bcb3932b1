package usage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The metrics that client libraries of Prometheus export about their process.
const (
	defaultCPUQuery    = `sum(rate(process_cpu_seconds_total%s[1m]))`
	defaultMemoryQuery = `sum(process_resident_memory_bytes%s)`
)

// Prometheus asks a Prometheus server.
type Prometheus struct {
	base                  *url.URL
	cpuQuery, memoryQuery string
	client                *http.Client
}

// NewPrometheus measures the processes whose metrics match a selector such as
// {namespace="shop",service="support"}.
func NewPrometheus(base, selector string) (*Prometheus, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the address of Prometheus is %q, and must be a URL such as http://localhost:9090", base)
	}
	if selector != "" && (!strings.HasPrefix(selector, "{") || !strings.HasSuffix(selector, "}")) {
		return nil, fmt.Errorf(`the selector is %q, and must be in braces, such as {service="support"}`, selector)
	}
	return &Prometheus{
		base:        u,
		cpuQuery:    fmt.Sprintf(defaultCPUQuery, selector),
		memoryQuery: fmt.Sprintf(defaultMemoryQuery, selector),
		client:      &http.Client{Timeout: 5 * time.Second},
	}, nil
}

// Interval is about how often Prometheus scrapes.
func (p *Prometheus) Interval() time.Duration { return 5 * time.Second }

// Sample has no limits: the metrics do not tell them.
func (p *Prometheus) Sample(ctx context.Context) (*Sample, error) {
	cores, err := p.query(ctx, p.cpuQuery)
	if err != nil {
		return nil, err
	}
	memory, err := p.query(ctx, p.memoryQuery)
	if err != nil {
		return nil, err
	}
	return &Sample{Cores: cores, MemoryBytes: int64(memory)}, nil
}

// query evaluates an expression that gives one value.
func (p *Prometheus) query(ctx context.Context, expression string) (float64, error) {
	u := p.base.JoinPath("api/v1/query")
	u.RawQuery = url.Values{"query": {expression}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask Prometheus: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				// Value is a time and a number in a string.
				Value [2]any
			}
		}
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil {
		return 0, fmt.Errorf("Prometheus answered with status %d and no JSON that could be read", response.StatusCode)
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("Prometheus refused %s: %s", expression, answer.Error)
	}
	if len(answer.Data.Result) == 0 {
		return 0, fmt.Errorf("Prometheus has nothing for %s", expression)
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("Prometheus gave %s the value %q", expression, text)
	}
	return value, nil
}
