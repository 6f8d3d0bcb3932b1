package query

import (
	"context"
	"errors"
	"time"

	"ragops.dev/ragservice/runtime/telemetry"
	"ragops.dev/ragservice/runtime/upstream"
)

// stage times a stage of the pipeline and, where traces are on, makes it a span.
// The function it returns ends it.
func (s *Service) stage(ctx context.Context, stage telemetry.Stage) (context.Context, func(error)) {
	start := time.Now()
	ctx, span := s.Tracer.Stage(ctx, stage)
	return ctx, func(err error) {
		s.Metrics.StageEnded(stage, start)
		span.End(errorKind(err))
	}
}

// errorKind is one word for an error, "" for none: what a span may say of it.
func errorKind(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return string(e.Kind)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "_OTHER" // the conventions' word for what has none
}
