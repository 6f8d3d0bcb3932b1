package telemetry

// The names of attributes: OpenTelemetry's semantic conventions for services, HTTP
// and generative AI (opentelemetry.io/docs/specs/semconv/gen-ai), and two of ours
// under rag. No attribute holds a question, an answer, a user or a tenant.
const (
	attrServiceName      = "service.name"
	attrServiceNamespace = "service.namespace"
	attrServiceVersion   = "service.version"
	attrHTTPMethod       = "http.request.method"
	attrHTTPRoute        = "http.route"
	attrErrorType        = "error.type"

	attrOperation     = "gen_ai.operation.name"
	attrProvider      = "gen_ai.provider.name"
	attrRequestModel  = "gen_ai.request.model"
	attrResponseModel = "gen_ai.response.model"
	attrFinishReasons = "gen_ai.response.finish_reasons"
	attrInputTokens   = "gen_ai.usage.input_tokens"
	attrOutputTokens  = "gen_ai.usage.output_tokens"

	attrRequestID = "rag.request.id"
	attrCacheTier = "rag.cache.tier"

	operationChat = "chat"
)
