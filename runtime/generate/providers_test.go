package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"ragops.dev/ragservice/runtime/config"
)

// api is one provider's HTTP API, as far as it is published: what the fakes of
// this test send. The real servers cannot be had here.
type api struct {
	name string
	// provider configures the provider for a server and a key file.
	provider func(url, keyFile string) config.ModelProvider
	// streamOnly is set where no other than the streaming operation is used.
	streamOnly bool
	// The finish reasons in the provider's words.
	stop, length, filtered string
	// whole writes a finished answer.
	whole func(w http.ResponseWriter, text, finish string)
	// begin, piece, failure and end write the parts of a stream.
	begin   func(w http.ResponseWriter)
	piece   func(w http.ResponseWriter, text string)
	failure func(w http.ResponseWriter)
	end     func(w http.ResponseWriter, finish string)
	// read takes a request apart.
	read func(t *testing.T, r *http.Request) asked
}

// asked is what a provider was asked, in one form for all.
type asked struct {
	Path, Key, Model, System string
	Messages                 []Message
	MaxTokens                int
	Temperature              float64
	Stream                   bool
}

var apis = []api{openAIAPI, anthropicAPI, bedrockAPI}

// openAIAPI is from the API reference of OpenAI, "Create chat completion" and
// "The chat completion chunk object".
var openAIAPI = api{
	name: "openai", stop: "stop", length: "length", filtered: "content_filter",
	provider: func(url, keyFile string) config.ModelProvider {
		return config.ModelProvider{OpenAI: &config.OpenAI{Model: "m-1", BaseURL: url + "/v1", APIKeyFile: keyFile}}
	},
	whole: func(w http.ResponseWriter, text, finish string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m-1-2026","choices":[{"index":0,"message":{"role":"assistant","content":%q,"refusal":null},"logprobs":null,"finish_reason":%q}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}`, text, finish)
	},
	begin: func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream")
		openAIChunk(w, `"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null`)
	},
	piece: func(w http.ResponseWriter, text string) {
		openAIChunk(w, fmt.Sprintf(`"choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}],"usage":null`, text))
	},
	failure: func(w http.ResponseWriter) {
		fmt.Fprint(w, `data: {"error":{"message":"a question","type":"server_error","code":null}}`+"\n\n")
	},
	end: func(w http.ResponseWriter, finish string) {
		openAIChunk(w, fmt.Sprintf(`"choices":[{"index":0,"delta":{},"finish_reason":%q}],"usage":null`, finish))
		openAIChunk(w, `"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}`)
		fmt.Fprint(w, "data: [DONE]\n\n")
	},
	read: func(t *testing.T, r *http.Request) asked {
		var body struct {
			Model     string    `json:"model"`
			Messages  []Message `json:"messages"`
			MaxTokens int       `json:"max_tokens"`
			Bound     int       `json:"max_completion_tokens"`
			Heat      float64   `json:"temperature"`
			Stream    bool      `json:"stream"`
		}
		decode(t, r, &body)
		a := asked{
			Path: r.URL.RequestURI(), Key: r.Header.Get("Authorization") + r.Header.Get("Api-Key"), Model: body.Model,
			Messages: body.Messages, MaxTokens: body.MaxTokens + body.Bound, Temperature: body.Heat, Stream: body.Stream,
		}
		if len(a.Messages) > 0 && a.Messages[0].Role == "system" {
			a.System, a.Messages = a.Messages[0].Content, a.Messages[1:]
		}
		return a
	},
}

func openAIChunk(w http.ResponseWriter, fields string) {
	fmt.Fprintf(w, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m-1-2026",%s}`+"\n\n", fields)
	flush(w)
}

// anthropicAPI is from the Messages API's reference, "Streaming messages".
var anthropicAPI = api{
	name: "anthropic", stop: "end_turn", length: "max_tokens", filtered: "refusal", streamOnly: true,
	provider: func(url, keyFile string) config.ModelProvider {
		return config.ModelProvider{Anthropic: &config.Anthropic{Model: "m-1", BaseURL: url, APIKeyFile: keyFile}}
	},
	begin: func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		anthropicEvent(w, "message_start", `"message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m-1-2026","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}`)
		anthropicEvent(w, "content_block_start", `"index":0,"content_block":{"type":"text","text":""}`)
		anthropicEvent(w, "ping", `"x":0`)
	},
	piece: func(w http.ResponseWriter, text string) {
		anthropicEvent(w, "content_block_delta", fmt.Sprintf(`"index":0,"delta":{"type":"text_delta","text":%q}`, text))
	},
	failure: func(w http.ResponseWriter) {
		anthropicEvent(w, "error", `"error":{"type":"server_error","message":"a question"}`)
	},
	end: func(w http.ResponseWriter, finish string) {
		anthropicEvent(w, "content_block_stop", `"index":0`)
		anthropicEvent(w, "message_delta", fmt.Sprintf(`"delta":{"stop_reason":%q,"stop_sequence":null},"usage":{"output_tokens":3}`, finish))
		anthropicEvent(w, "message_stop", `"x":0`)
	},
	read: func(t *testing.T, r *http.Request) asked {
		type block struct {
			Text string `json:"text"`
		}
		var body struct {
			Model    string  `json:"model"`
			System   []block `json:"system"`
			Messages []struct {
				Role    string  `json:"role"`
				Content []block `json:"content"`
			} `json:"messages"`
			MaxTokens int     `json:"max_tokens"`
			Heat      float64 `json:"temperature"`
			Stream    bool    `json:"stream"`
		}
		decode(t, r, &body)
		a := asked{
			Path: r.URL.RequestURI(), Key: r.Header.Get("X-Api-Key"), Model: body.Model,
			MaxTokens: body.MaxTokens, Temperature: body.Heat, Stream: body.Stream,
		}
		for _, b := range body.System {
			a.System += b.Text
		}
		for _, m := range body.Messages {
			a.Messages = append(a.Messages, Message{Role: m.Role, Content: m.Content[0].Text})
		}
		return a
	},
}

func anthropicEvent(w http.ResponseWriter, event, fields string) {
	fmt.Fprintf(w, "event: %s\ndata: {\"type\":%q,%s}\n\n", event, event, fields)
	flush(w)
}

// bedrockAPI is from the API reference of Amazon Bedrock Runtime, Converse and
// ConverseStream, and the event stream encoding of the AWS SDKs.
var bedrockAPI = api{
	name: "bedrock", stop: "end_turn", length: "max_tokens", filtered: "guardrail_intervened",
	provider: func(url, _ string) config.ModelProvider {
		return config.ModelProvider{Bedrock: &config.Bedrock{Model: "m-1", Region: "eu-west-1", Endpoint: url}}
	},
	whole: func(w http.ResponseWriter, text, finish string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"output":{"message":{"role":"assistant","content":[{"text":%q}]}},"stopReason":%q,"usage":{"inputTokens":7,"outputTokens":3,"totalTokens":10},"metrics":{"latencyMs":1}}`, text, finish)
	},
	begin: func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		bedrockEvent(w, "event", "messageStart", `{"role":"assistant"}`)
	},
	piece: func(w http.ResponseWriter, text string) {
		bedrockEvent(w, "event", "contentBlockDelta", fmt.Sprintf(`{"contentBlockIndex":0,"delta":{"text":%q}}`, text))
	},
	failure: func(w http.ResponseWriter) {
		bedrockEvent(w, "exception", "server_error", `{"message":"a question"}`)
	},
	end: func(w http.ResponseWriter, finish string) {
		bedrockEvent(w, "event", "contentBlockStop", `{"contentBlockIndex":0}`)
		bedrockEvent(w, "event", "messageStop", fmt.Sprintf(`{"stopReason":%q}`, finish))
		bedrockEvent(w, "event", "metadata", `{"usage":{"inputTokens":7,"outputTokens":3,"totalTokens":10},"metrics":{"latencyMs":1}}`)
	},
	read: func(t *testing.T, r *http.Request) asked {
		type block struct {
			Text string `json:"text"`
		}
		var body struct {
			System   []block `json:"system"`
			Messages []struct {
				Role    string  `json:"role"`
				Content []block `json:"content"`
			} `json:"messages"`
			Inference struct {
				MaxTokens   int     `json:"maxTokens"`
				Temperature float64 `json:"temperature"`
			} `json:"inferenceConfig"`
		}
		decode(t, r, &body)
		model, operation, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/model/"), "/")
		a := asked{
			Path: r.URL.Path, Model: model, MaxTokens: body.Inference.MaxTokens, Temperature: body.Inference.Temperature,
			Stream: operation == "converse-stream",
		}
		if strings.Contains(r.Header.Get("Authorization"), "Credential=AKIDEXAMPLE/") {
			a.Key = "signed"
		}
		for _, b := range body.System {
			a.System += b.Text
		}
		for _, m := range body.Messages {
			a.Messages = append(a.Messages, Message{Role: m.Role, Content: m.Content[0].Text})
		}
		return a
	},
}

func bedrockEvent(w http.ResponseWriter, kind, event, payload string) {
	headers := eventstream.Headers{
		{Name: ":message-type", Value: eventstream.StringValue(kind)},
		{Name: ":" + kind + "-type", Value: eventstream.StringValue(event)},
		{Name: ":content-type", Value: eventstream.StringValue("application/json")},
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, eventstream.Message{Headers: headers, Payload: []byte(payload)}); err != nil {
		panic(err)
	}
	w.Write(b.Bytes())
	flush(w)
}

// answer writes a finished answer in the form that was asked for.
func (a api) answer(w http.ResponseWriter, stream bool, finish string, pieces ...string) {
	if !stream {
		a.whole(w, strings.Join(pieces, ""), finish)
		return
	}
	a.begin(w)
	for _, p := range pieces {
		a.piece(w, p)
	}
	a.end(w, finish)
}

func flush(w http.ResponseWriter) { w.(http.Flusher).Flush() }

func decode(t *testing.T, r *http.Request, into any) {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Errorf("the request is no JSON: %v\n%s", err, data)
	}
}

// fake is a server that answers each request with the next step, the last one
// again and again, and keeps what it was asked.
type fake struct {
	api
	url   string
	steps []step

	mu    sync.Mutex
	asked []asked
}

// step answers one request.
type step func(a api, w http.ResponseWriter, r *http.Request, stream bool)

func newFake(t *testing.T, a api, steps ...step) *fake {
	t.Helper()
	f := &fake{api: a, steps: steps}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := a.read(t, r)
		f.mu.Lock()
		f.asked = append(f.asked, got)
		next := f.steps[min(len(f.asked), len(f.steps))-1]
		f.mu.Unlock()
		next(a, w, r, got.Stream || a.streamOnly)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// requests returns what was asked so far.
func (f *fake) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]asked{}, f.asked...)
}

const secret = "sk-not-for-anybody"

// keyFile writes a key.
func keyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
