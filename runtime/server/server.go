package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"ragops.dev/ragservice/runtime/access"
	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/ratelimit"
	"ragops.dev/ragservice/runtime/telemetry"
)

// Server answers queries over HTTP.
type Server struct {
	service   *query.Service
	access    *access.Access     // nil lets everybody in
	rate      *ratelimit.Limiter // nil without a limit
	cache     *cache.Cache       // nil without a cache
	metrics   *telemetry.Metrics
	admission *admission
	log       *slog.Logger
	warnings  *rate.Limiter
	limits    limits
	model     string // what OpenAI clients know the service's model as
	started   time.Time
}

// limits of one request.
type limits struct {
	body     int64
	question int
	topK     int
	query    time.Duration
}

// maxTopK bounds the passages that one request may ask for.
const maxTopK = 100

func newServer(cfg *config.Config, service *query.Service, metrics *telemetry.Metrics, log *slog.Logger) *Server {
	return &Server{
		service: service, cache: service.Cache, metrics: metrics, log: log, warnings: newWarningLimit(),
		model: query.ModelName(cfg.Model.ModelProvider), started: time.Now(),
		admission: newAdmission(cfg.Server, metrics),
		limits:    limits{body: cfg.Server.MaxBodyBytes, question: cfg.Server.MaxQueryBytes, topK: maxTopK, query: cfg.Server.QueryTimeout},
	}
}

// Handler serves the query port.
func (s *Server) Handler() http.Handler { return s.newMux(s.routes()) }

func (s *Server) routes() []route {
	return append([]route{
		{http.MethodPost, "/query", plainErrors, s.counted(s.query)},
		{http.MethodGet, "/health", plainErrors, s.health},
		{http.MethodGet, "/openapi.yaml", plainErrors, s.openAPI},
		{http.MethodPost, "/v1/chat/completions", openAIErrors, s.counted(s.chat)},
		{http.MethodPost, "/v1/retrieve", openAIErrors, s.retrieve},
		{http.MethodGet, "/v1/models", openAIErrors, s.models},
		{http.MethodGet, "/v1/models/{model...}", openAIErrors, s.modelByID},
	}, s.managementRoutes(s.mayManage)...)
}

// managementRoutes change what callers are answered.
func (s *Server) managementRoutes(guard func(managementHandler) handler) []route {
	return []route{
		{http.MethodPost, "/v1/cache/invalidate", openAIErrors, guard(s.invalidate)},
		{http.MethodPut, "/v1/faq", openAIErrors, guard(s.putFAQ)},
		{http.MethodPost, "/v1/documents", openAIErrors, guard(s.putDocuments)},
		{http.MethodDelete, "/v1/documents", openAIErrors, guard(s.deleteDocuments)},
	}
}

// health answers while the process can serve: the load balancers of the service
// that was replaced look here.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, []byte(`{"status":"healthy"}`))
	return nil
}

// query is the legacy endpoint.
func (s *Server) query(w http.ResponseWriter, r *http.Request) (telemetry.Outcome, error) {
	id, err := s.identify(r)
	if err != nil {
		return "", err
	}
	req, stream, err := s.decodeLegacy(w, r)
	if err != nil {
		return "", err
	}
	if err := askAs(id, req); err != nil {
		return "", err
	}
	if stream {
		return s.answer(w, r, req, newLegacyStream(w))
	}
	return s.answer(w, r, req, nil)
}

func (s *Server) checkQuestion(param, question string) error {
	switch {
	case strings.TrimSpace(question) == "":
		return badRequest(param, "The question is empty.")
	case len(question) > s.limits.question:
		return &statusError{
			status: http.StatusRequestEntityTooLarge, code: "query_too_long", param: param,
			message: fmt.Sprintf("The question is %d bytes long, and at most %d are taken.", len(question), s.limits.question),
		}
	}
	return nil
}

// checkOptions checks and takes over what a caller may ask beside the question.
func (s *Server) checkOptions(req *query.Request, wishes *cacheOptions) error {
	if req.TopK < 0 || req.TopK > s.limits.topK {
		return badRequest("top_k", fmt.Sprintf("The field top_k is %d and must be between 1 and %d.", req.TopK, s.limits.topK))
	}
	if req.Filter != nil {
		if err := req.Filter.Validate(); err != nil {
			return badRequest("filter", "The filter is wrong: "+err.Error()+".")
		}
	}
	if wishes == nil {
		return nil
	}
	switch wishes.Mode {
	case "", query.CacheDefault, query.CacheBypass, query.CacheRefresh:
	default:
		return badRequest("cache.mode", fmt.Sprintf("The cache mode is %q and must be default, bypass or refresh.", wishes.Mode))
	}
	if t := wishes.SemanticThreshold; t < 0 || t > 1 {
		return badRequest("cache.semantic_threshold", fmt.Sprintf("The semantic threshold is %v and must be between 0 and 1.", t))
	}
	if wishes.MaxAge < 0 {
		return badRequest("cache.max_age", fmt.Sprintf("The maximum age is %d and must not be negative.", wishes.MaxAge))
	}
	req.Cache = query.CacheOptions{
		Mode: wishes.Mode, SemanticThreshold: wishes.SemanticThreshold, MaxAge: time.Duration(wishes.MaxAge) * time.Second,
	}
	return nil
}
