package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"ragops.dev/ragservice/runtime/config"
)

// Tracer makes spans. A nil Tracer makes none and costs nothing.
type Tracer struct {
	tracer     trace.Tracer
	provider   *sdktrace.TracerProvider
	propagator propagation.TraceContext
}

// NewTracer sends traces over OTLP/HTTP; nil where no endpoint is configured. A
// collector that is away costs the traces, nothing else.
func NewTracer(ctx context.Context, cfg *config.Config, version string) (*Tracer, error) {
	if cfg.Telemetry.OTLPEndpoint == "" {
		return nil, nil
	}
	endpoint, err := tracesURL(cfg.Telemetry.OTLPEndpoint)
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlpEndpoint: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint), otlptracehttp.WithTimeout(5*time.Second),
		// A collector that is away must not hold up the end of the process.
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 2 * time.Second, MaxElapsedTime: 5 * time.Second}))
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlpEndpoint: %w", err)
	}
	ratio := 0.1
	if r := cfg.Telemetry.TraceRatio; r != nil {
		ratio = *r
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String(attrServiceName, cfg.Service.Name), attribute.String(attrServiceNamespace, cfg.Service.Namespace),
			attribute.String(attrServiceVersion, version),
		)),
	)
	return &Tracer{tracer: provider.Tracer("ragops.dev/ragservice/runtime"), provider: provider}, nil
}

// tracesURL adds the path of OTLP/HTTP where the endpoint has none.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// Close sends what was collected, for as long as the context allows. That this
// fails is logged and nobody's error.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		slog.Warn("the last traces could not be sent", "error", err)
	}
}

// Span is one timed part of a query. The zero Span is one that is not recorded.
type Span struct{ span trace.Span }

// Request begins the span of a request, as part of the caller's trace where the
// request names one, and tells the caller the trace.
func (t *Tracer) Request(ctx context.Context, header, reply http.Header, route, requestID string, start time.Time) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx = t.propagator.Extract(ctx, propagation.HeaderCarrier(header))
	ctx, span := t.tracer.Start(ctx, http.MethodPost+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start),
		trace.WithAttributes(attribute.String(attrHTTPMethod, http.MethodPost), attribute.String(attrHTTPRoute, route), attribute.String(attrRequestID, requestID)))
	t.propagator.Inject(ctx, propagation.HeaderCarrier(reply))
	return ctx, Span{span}
}

// Stage begins the span of a stage of the pipeline.
func (t *Tracer) Stage(ctx context.Context, stage Stage) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, string(stage), trace.WithSpanKind(trace.SpanKindInternal))
	return ctx, Span{span}
}

// Generation begins the span of a call of the model, named as the GenAI
// conventions want it.
func (t *Tracer) Generation(ctx context.Context, provider, model string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, operationChat+" "+model, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String(attrOperation, operationChat), attribute.String(attrProvider, provider), attribute.String(attrRequestModel, model)))
	return ctx, Span{span}
}

// Answered adds what is known of a model's answer.
func (s Span) Answered(model, finishReason string, inputTokens, outputTokens int) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attribute.String(attrResponseModel, model), attribute.StringSlice(attrFinishReasons, []string{finishReason}),
		attribute.Int(attrInputTokens, inputTokens), attribute.Int(attrOutputTokens, outputTokens))
}

// Cache adds which tier answered.
func (s Span) Cache(tier string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(attrCacheTier, tier))
	}
}

// End ends the span; kind says what went wrong, in one word, and is empty where
// nothing did. The error's text stays in the log.
func (s Span) End(kind string) {
	if s.span == nil {
		return
	}
	if kind != "" {
		s.span.SetAttributes(attribute.String(attrErrorType, kind))
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}
