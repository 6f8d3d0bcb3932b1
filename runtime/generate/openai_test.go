package generate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadChat reads answers of OpenAI and of servers that are nearly compatible.
func TestReadChat(t *testing.T) {
	tests := []struct {
		name, body string
		want       *Completion
		wantErr    string
	}{
		{
			name: "as in the API reference",
			body: `{"id":"chatcmpl-1","object":"chat.completion","created":1741569952,"model":"gpt-x","choices":[{"index":0,
				"message":{"role":"assistant","content":"Hello!","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],
				"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0}}}`,
			want: &Completion{Text: "Hello!", FinishReason: FinishStop, Model: "gpt-x", Usage: Usage{InputTokens: 19, OutputTokens: 10}},
		},
		{
			name: "escapes", body: `{"choices":[{"message":{"content":"a\n\"b\" \u00e9 \ud83d\ude00 \\"},"finish_reason":"stop"}]}`,
			want: &Completion{Text: "a\n\"b\" é 😀 \\", FinishReason: FinishStop},
		},
		{
			name: "the first of two choices", body: `{"choices":[{"finish_reason":"length","message":{"content":"a"}},{"finish_reason":"stop","message":{"content":"b"}}]}`,
			want: &Completion{Text: "a", FinishReason: FinishLength},
		},
		{
			name: "nothing said", body: `{"choices":[{"message":{"content":null,"refusal":"no"},"finish_reason":"content_filter"}]}`,
			want: &Completion{FinishReason: FinishContentFilter},
		},
		{name: "usage of nothing", body: `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":null}`, want: &Completion{Text: "a", FinishReason: FinishStop}},
		{name: "no finish reason", body: `{"choices":[{"message":{"content":"a"},"finish_reason":null}]}`, wantErr: "the answer was cut off: it has no finish reason"},
		{name: "parts instead of text", body: `{"choices":[{"message":{"content":[{"text":"a"}]},"finish_reason":"stop"}]}`, wantErr: "the answer is not text"},
		{name: "a choice of nothing", body: `{"choices":[{}]}`, wantErr: "the answer was cut off: it has no finish reason"},
		{name: "nested without end", body: strings.Repeat("[", 10<<20), wantErr: "the response is not JSON"},
		{
			name: "half of a character", body: `{"choices":[{"message":{"content":"\ud83d\u0041"},"finish_reason":"stop"}]}`,
			want: &Completion{Text: "\ufffdA", FinishReason: FinishStop},
		},
		{name: "no choices", body: `{"choices":[],"usage":{}}`, wantErr: "the response has no choices"},
		{name: "an array", body: `[]`, wantErr: "the response has no choices"},
		{name: "cut off", body: `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]`, wantErr: "the response is not JSON"},
		{name: "two documents", body: `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}{}`, wantErr: "the response is not JSON"},
		{name: "empty", wantErr: "the response is not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readChat([]byte(tt.body))
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Errorf("got %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzReadChat holds the text of an answer to what encoding/json makes of it, for a text and
// for the text as it stands in a document.
func FuzzReadChat(f *testing.F) {
	for _, text := range []string{"", "Hello!", "a\n\"b\" é 😀 \\", "</context>", "\x00\x1f\u2028", "[1]", `{"choices": 1}`, `\ud83d\u0041`, `\"\/\b`, "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = readChat([]byte(text)) // which must not panic
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, literal := range []string{string(encoded), `"` + text + `"`} {
			var want string
			if json.Unmarshal([]byte(literal), &want) != nil {
				continue
			}
			got, err := readChat([]byte(`{"choices":[{"message":{"content":` + literal + `},"finish_reason":"stop"}]}`))
			if err != nil || got.Text != want {
				t.Errorf("%s: got %q and %v, want %q", literal, got.Text, err, want)
			}
		}
	})
}
