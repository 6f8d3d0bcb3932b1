package query

import (
	"encoding/json"
	"fmt"

	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/retrieve"
)

// options are what an answer depends on beside its question and its partition.
// Encoded they are part of the cache's key, so the order of the fields, and that
// encoding/json sorts the keys of maps, keeps keys the same everywhere.
type options struct {
	TopK            int                `json:"topK,omitempty"`
	Filter          *retrieve.Filter   `json:"filter,omitempty"`
	SystemPrompt    string             `json:"systemPrompt,omitempty"`
	MaxOutputTokens int                `json:"maxOutputTokens,omitempty"`
	Temperature     *float64           `json:"temperature,omitempty"`
	History         []generate.Message `json:"history,omitempty"`
	// User is who the answer was made for, where what is known about the user is
	// part of it. Without it a shared cache would tell others.
	User string `json:"user,omitempty"`
}

// encodeOptions returns the canonical form of the options that are not the
// default, and "" where all are: the common case, which costs nothing.
func encodeOptions(r *Request, topK int, userContext bool) (string, error) {
	o := options{
		Filter: r.Filter, SystemPrompt: r.SystemPrompt, MaxOutputTokens: r.MaxOutputTokens,
		Temperature: r.Temperature, History: r.History,
	}
	if r.TopK != topK {
		o.TopK = r.TopK
	}
	if userContext {
		o.User = r.User
	}
	if o.plain() {
		return "", nil
	}
	encoded, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("encode the options: %w", err)
	}
	return string(encoded), nil
}

func (o *options) plain() bool {
	return o.TopK == 0 && o.Filter == nil && o.SystemPrompt == "" && o.MaxOutputTokens == 0 &&
		o.Temperature == nil && len(o.History) == 0 && o.User == ""
}
