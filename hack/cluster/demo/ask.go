package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// answer is the body of an answer to POST /query with include_sources.
type answer struct {
	Answer  string `json:"answer"`
	Sources []struct {
		Source string  `json:"source"`
		Score  float64 `json:"score"`
	} `json:"sources"`
}

// ask puts the questions, and the first of them again, which the cache answers.
func (d *demo) ask(ctx context.Context) error {
	address, stop, err := d.forward(ctx)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("\nThree questions about this project, and the first one again\n")
	var lastCache string
	for _, question := range append(questions, questions[0]) {
		begin := time.Now()
		body, cache, err := query(ctx, address, question)
		if err != nil {
			return err
		}
		took := time.Since(begin)
		if body.Answer == "" || len(body.Sources) == 0 {
			return fmt.Errorf("the question %q got an answer without text or sources", question)
		}
		fmt.Print(render(question, body, cache, took))
		lastCache = cache
	}
	if !strings.HasPrefix(lastCache, "HIT") {
		return fmt.Errorf("the question that was asked again was answered with X-Cache: %s, want a hit", lastCache)
	}
	return nil
}

// forwarding matches what kubectl says once it forwards.
var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// forward makes the service reach to this machine, as a person would: a cluster
// IP is out of reach where the node is a container.
func (d *demo) forward(ctx context.Context) (address string, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, d.kubectl.Path, "port-forward", "--namespace", sampleNamespace, "service/"+sampleName, ":8080")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.kubectl.Kubeconfig)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return "", nil, err
	}
	stop = func() {
		cancel()
		_ = cmd.Wait() // ended by the line above
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if match := forwarding.FindStringSubmatch(lines.Text()); match != nil {
			// kubectl would block on a full pipe.
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return match[1], stop, nil
		}
	}
	stop()
	return "", nil, errors.New("kubectl port-forward: " + strings.TrimSpace(stderr.String()))
}

func query(ctx context.Context, address, question string) (*answer, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	payload, err := json.Marshal(map[string]any{"query": question, "include_sources": true})
	if err != nil {
		return nil, "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/query", bytes.NewReader(payload))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, "", err
	}
	if response.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("the question %q got %s: %s", question, response.Status, content)
	}
	var body answer
	if err := json.Unmarshal(content, &body); err != nil {
		return nil, "", fmt.Errorf("the question %q got no JSON: %w", question, err)
	}
	return &body, response.Header.Get("X-Cache"), nil
}
