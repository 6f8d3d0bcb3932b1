package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/ask"
	"ragops.dev/ragservice/ragctl/forward"
)

// apiKeyVariable holds the caller's API key, so that it is in no command line.
const apiKeyVariable = "RAGCTL_API_KEY"

type queryFlags struct {
	kube     kubeFlags
	url      string
	keyFile  string
	output   string
	timeout  time.Duration
	question ask.Question
}

func newQueryCommand(streams Streams) *cobra.Command {
	f := &queryFlags{}
	cmd := &cobra.Command{
		Use:   "query (NAME | --url URL) QUESTION",
		Short: "Ask a RAGService a question and show the answer, its sources and the cache's word",
		Long: `Ask a RAGService a question. The answer is written to standard output as it
arrives; its sources and the cache tier that gave it follow on standard error. The
service is reached through a port-forward to one of its ready pods, or directly at
--url. A QUESTION of - is read from standard input. Where the service wants an API
key, put it into a file (--api-key-file) or into $` + apiKeyVariable + `.`,
		Example: `  ragctl query support "How do I reset my password?" -n rag
  ragctl query --url http://localhost:8080 "What happens when Redis is down?"`,
	}
	f.kube = addKubeFlags(cmd)
	cmd.Flags().StringVar(&f.url, "url", "", "ask the query runtime at this URL rather than a RAGService of the cluster")
	cmd.Flags().StringVar(&f.keyFile, "api-key-file", "", "file that holds the API key")
	cmd.Flags().StringVar(&f.question.User, "user-id", "", "user on whose behalf to ask")
	cmd.Flags().IntVar(&f.question.TopK, "top-k", 0, "passages to answer from; 0 for what is configured")
	cmd.Flags().BoolVar(&f.question.NoCache, "no-cache", false, "make the answer anew and do not keep it")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "give up after this long")
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
	cmd.Args = wrongUsage(func(_ *cobra.Command, args []string) error { return f.checkArgs(args) })
	cmd.ValidArgsFunction = f.kube.completeNames
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args, streams) }
	return cmd
}

func (f *queryFlags) checkArgs(args []string) error {
	switch {
	case f.url != "" && len(args) != 1:
		return fmt.Errorf("with --url there is one argument, the question; got %d (put the question in quotes)", len(args))
	case f.url == "" && len(args) != 2:
		return fmt.Errorf("there are two arguments, the name of a RAGService and the question; got %d (put the question in quotes)", len(args))
	case f.output != "text" && f.output != "json":
		return fmt.Errorf("--output is %q, and must be text or json", f.output)
	case f.question.TopK < 0:
		return fmt.Errorf("--top-k is %d, and must not be negative", f.question.TopK)
	case f.timeout <= 0:
		return fmt.Errorf("--timeout is %s, and must be positive", f.timeout)
	}
	return nil
}

func (f *queryFlags) run(ctx context.Context, args []string, streams Streams) (err error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	question := f.question
	if question.Text, err = questionOf(args[len(args)-1], streams.In); err != nil {
		return err
	}
	client := ask.Client{BaseURL: f.url, HTTP: &http.Client{}}
	if client.APIKey, err = f.apiKey(); err != nil {
		return err
	}
	if f.url == "" {
		way, err := f.forward(ctx, args[0])
		if err != nil {
			return err
		}
		defer way.Close()
		client.BaseURL = way.URL
	}
	piece := func(text string) error {
		_, err := io.WriteString(streams.Out, text)
		return err
	}
	if f.output == "json" {
		piece = func(string) error { return nil }
	}
	answer, err := client.Ask(ctx, question, piece)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("no whole answer within %s (--timeout): %w", f.timeout, err)
		}
		return err
	}
	if f.output == "json" {
		encoder := json.NewEncoder(streams.Out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(answer)
	}
	if !strings.HasSuffix(answer.Text, "\n") {
		fmt.Fprintln(streams.Out)
	}
	return printSources(streams.Err, answer)
}

// printSources says for people where the answer came from.
func printSources(w io.Writer, a *ask.Answer) error {
	var b strings.Builder
	if len(a.Sources) > 0 {
		b.WriteString("\nSources\n")
	}
	for _, s := range a.Sources {
		name := s.Source
		if name == "" {
			name = s.ID
		}
		fmt.Fprintf(&b, "  [%d] %s (%.2f)\n", s.Index, name, s.Score)
	}
	fmt.Fprintf(&b, "\nX-Cache: %s", a.Cache)
	if a.Age != "" {
		fmt.Fprintf(&b, ", %s s old", a.Age)
	}
	fmt.Fprintf(&b, ", first words after %s, all after %s\n", rounded(a.FirstPiece), rounded(a.Took))
	_, err := io.WriteString(w, b.String())
	return err
}

func rounded(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

func questionOf(arg string, in io.Reader) (string, error) {
	if arg == "-" {
		data, err := io.ReadAll(in)
		if err != nil {
			return "", fmt.Errorf("read the question from standard input: %w", err)
		}
		arg = string(data)
	}
	if arg = strings.TrimSpace(arg); arg == "" {
		return "", usagef("the question is empty")
	}
	return arg, nil
}

func (f *queryFlags) apiKey() (string, error) {
	if f.keyFile == "" {
		return strings.TrimSpace(os.Getenv(apiKeyVariable)), nil
	}
	data, err := os.ReadFile(f.keyFile)
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// forward leads to a ready pod of the service.
func (f *queryFlags) forward(ctx context.Context, name string) (*forward.Forward, error) {
	reader, namespace, err := f.kube.client()
	if err != nil {
		return nil, err
	}
	service := &v1alpha1.RAGService{}
	if err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, service); err != nil {
		return nil, err
	}
	config, err := f.kube.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	return forward.Open(ctx, config, service)
}
