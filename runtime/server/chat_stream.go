package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/query"
)

// chatStream is POST /v1/chat/completions with "stream": true, in OpenAI's chunks:
// the role, the pieces of the answer, the finish reason with our citations, the
// usage where it was asked for, and [DONE].
type chatStream struct {
	*events
	chunk        completion // what all chunks have in common
	includeUsage bool
	pieces       bool // the answer came in pieces
}

var _ stream = (*chatStream)(nil)

func newChatStream(w http.ResponseWriter, model string, includeUsage bool) *chatStream {
	return &chatStream{events: newEvents(w), includeUsage: includeUsage, chunk: completion{
		ID: "chatcmpl-" + newID(), Object: "chat.completion.chunk", Created: time.Now().Unix(), Model: model,
	}}
}

func (s *chatStream) start(result query.Result) { s.begin(result) }

func (s *chatStream) delta(text string) error {
	if !s.pieces {
		s.pieces = true
		if err := s.send(choice{Delta: &delta{Role: "assistant", Content: new("")}}); err != nil {
			return err
		}
	}
	return s.send(choice{Delta: &delta{Content: &text}})
}

func (s *chatStream) end(result query.Result) error {
	// A finished body is what the answer is kept as, so an answer from the cache
	// and one made now end in the same way.
	var whole completion
	if err := json.Unmarshal(result.Body, &whole); err != nil {
		return fmt.Errorf("read the finished answer: %w", err)
	}
	if len(whole.Choices) != 1 || whole.Choices[0].Message == nil {
		return errors.New("the finished answer is not a chat completion")
	}
	if !s.pieces {
		s.chunk.ID, s.chunk.Created, s.chunk.Model = whole.ID, whole.Created, whole.Model
		if err := s.delta(whole.Choices[0].Message.Content); err != nil {
			return err
		}
	}
	if err := s.finish(whole); err != nil {
		return err
	}
	return s.done()
}

// finish sends what follows the text.
func (s *chatStream) finish(whole completion) error {
	last := s.chunk
	last.Citations = whole.Citations
	last.Choices = []choice{{Delta: &delta{}, FinishReason: orStop(whole.Choices[0].FinishReason)}}
	if err := s.data(last); err != nil || !s.includeUsage {
		return err
	}
	usage := s.chunk
	usage.Choices, usage.Usage = []choice{}, whole.Usage
	return s.data(usage)
}

func orStop(reason *generate.FinishReason) *generate.FinishReason {
	if reason == nil {
		return new(generate.FinishStop)
	}
	return reason
}

func (s *chatStream) send(c choice) error {
	chunk := s.chunk
	chunk.Choices = []choice{c}
	return s.data(chunk)
}

func (s *chatStream) fail(failure *statusError) {
	_ = s.raw(oneLine(failure.body(openAIErrors))) // nobody is left to tell
}
