// Package callers lets only those read the operator's metrics whom the API server
// knows and allows to. It decides nothing itself: who somebody is and what they may
// do, the API server says.
package callers

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	authenticationv1 "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// How long an answer of the API server counts. A token that is taken back is good
// for so long still.
const (
	tokenTTL = time.Minute
	allowTTL = 5 * time.Minute
	denyTTL  = 30 * time.Second
)

// askTimeout is how long the API server may take to say who somebody is.
const askTimeout = 10 * time.Second

// Filter lets requests through whose bearer token the API server knows (TokenReview),
// and whose user may do what the request does with its path (SubjectAccessReview),
// such as get /metrics. It is a metricsserver.Options.FilterProvider.
//
// That of controller-runtime answers 500 to a token that nobody knows, and logs an
// error: whoever reaches the port could fill the log, and a Prometheus with a stale
// token would look for the fault on the wrong side.
func Filter(config *rest.Config, httpClient *http.Client) (metricsserver.Filter, error) {
	authentication, err := authenticationv1.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	authorization, err := authorizationv1.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	// Five tries in four seconds.
	backoff := &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 1.5, Jitter: 0.2, Steps: 5}
	who, _, err := authenticatorfactory.DelegatingAuthenticatorConfig{
		TokenAccessReviewClient:  authentication,
		TokenAccessReviewTimeout: askTimeout,
		CacheTTL:                 tokenTTL,
		WebhookRetryBackoff:      backoff,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("prepare to ask who reads the metrics: %w", err)
	}
	may, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: authorization,
		AllowCacheTTL:             allowTTL,
		DenyCacheTTL:              denyTTL,
		WebhookRetryBackoff:       backoff,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("prepare to ask who may read the metrics: %w", err)
	}
	return func(log logr.Logger, next http.Handler) (http.Handler, error) {
		return &guard{who: who, may: may, log: log, next: next}, nil
	}, nil
}

// guard stands before a handler.
type guard struct {
	who  authenticator.Request
	may  authorizer.Authorizer
	log  logr.Logger
	next http.Handler
}

// ServeHTTP implements [http.Handler].
func (g *guard) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	caller, known, err := g.who.AuthenticateRequest(request)
	if err != nil || !known {
		// A token that is not known is an error here, as is an API server that cannot be
		// asked; that one logs the client that asks.
		g.log.V(1).Info("Refused a caller of unknown identity", "reason", fmt.Sprint(err))
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "Unauthorized: a bearer token that the API server knows is needed", http.StatusUnauthorized)
		return
	}
	decision, reason, err := g.may.Authorize(request.Context(), authorizer.AttributesRecord{
		User: caller.User,
		Verb: strings.ToLower(request.Method),
		Path: request.URL.Path,
	})
	switch {
	case err != nil:
		g.log.Error(err, "Cannot ask whether a caller may read the metrics", "user", caller.User.GetName())
		http.Error(w, "The API server does not say whether you may", http.StatusInternalServerError)
	case decision != authorizer.DecisionAllow:
		g.log.V(1).Info("Refused a caller", "user", caller.User.GetName(), "reason", reason)
		http.Error(w, fmt.Sprintf("Forbidden: %s may not %s %s", caller.User.GetName(), strings.ToLower(request.Method), request.URL.Path), http.StatusForbidden)
	default:
		g.next.ServeHTTP(w, request)
	}
}
