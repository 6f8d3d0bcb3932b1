package telemetry

import (
	"fmt"
	"io"
	"log/slog"

	"ragops.dev/ragservice/runtime/config"
)

// NewLogger writes JSON lines of the configured level and above.
func NewLogger(w io.Writer, cfg config.Telemetry) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("telemetry.logLevel: %w", err)
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: readable})), nil
}

// readable writes durations as people do, 1.5s, instead of in nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
