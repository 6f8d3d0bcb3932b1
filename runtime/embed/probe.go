package embed

import (
	"context"
	"log/slog"
	"time"
)

// The pauses between attempts of [Probe]. A model that is starting may take
// minutes to load, and nobody waits for the answer.
const (
	probePause    = time.Second
	probePauseMax = time.Minute
)

// probeText is what is embedded to see how long the vectors are.
const probeText = "dimensions"

// Probe asks e for a vector until one came, so that [Dimensions] knows their
// length before the first question. A length other than the configured one is
// logged; [Dimensions] tells it too. Probe returns when it knows or ctx ends.
func Probe(ctx context.Context, e Embedder) {
	for pause := probePause; Dimensions(e) == 0; pause = min(2*pause, probePauseMax) {
		_, err := e.Embed(ctx, []string{probeText})
		if Dimensions(e) != 0 {
			if err != nil && ctx.Err() == nil {
				slog.Error("no question can be answered", "error", err)
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
