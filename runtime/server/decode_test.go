package server

import (
	"testing"
)

func TestPlainQuestion(t *testing.T) {
	tests := []struct {
		name, body, want string
		wantOK           bool
	}{
		{"as most send it", `{"query": "What is it?"}`, "What is it?", true},
		{"space everywhere", " {\n\"query\"\t: \"What is it?\"\r\n} ", "What is it?", true},
		{"not ASCII", `{"query":"Wie heißt das?"}`, "Wie heißt das?", true},
		{"empty", `{"query":""}`, "", true},
		{"an escape", `{"query":"a\nb"}`, "", false},
		{"another field", `{"query":"a","top_k":3}`, "", false},
		{"twice", `{"query":"a","query":"b"}`, "", false},
		{"another name", `{"Query":"a"}`, "", false},
		{"more behind", `{"query":"a"} {}`, "", false},
		{"a control character", "{\"query\":\"a\x01\"}", "", false},
		{"not UTF-8", "{\"query\":\"\xff\"}", "", false},
		{"cut off", `{"query":"a"`, "", false},
		{"nothing", ``, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := plainQuestion([]byte(tt.body)); ok != tt.wantOK || ok && got != tt.want {
				t.Errorf("got %q, %t; want %q, %t", got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

// FuzzPlainQuestion holds the short way to the long one: what it takes, the
// decoder takes too and reads as the same question.
func FuzzPlainQuestion(f *testing.F) {
	f.Add([]byte(`{"query": "What is it?"}`))
	f.Add([]byte(" {\"query\" :\t\"\u2028\x7f\"}\n"))
	f.Add([]byte(`{"query":"a"}{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		question, ok := plainQuestion(body)
		if !ok {
			return
		}
		var l legacyRequest
		if err := unmarshal(body, true, &l); err != nil || l.Query == nil || *l.Query != question || l.extended() {
			t.Errorf("%q is read as %q; the decoder reads %+v, %v", body, question, l, err)
		}
	})
}
