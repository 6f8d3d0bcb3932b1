package metricsapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Names of what the keeper keeps.
const (
	// SecretName is the Secret of the serving certificate, in the operator's
	// namespace.
	SecretName = "ragservice-metrics-api"
	// apiGroup is registered with the cluster once a version. A cluster has one
	// owner of it.
	apiGroup = "custom.metrics.k8s.io"

	fieldOwner   = client.FieldOwner("ragservice-operator")
	managedBy    = "app.kubernetes.io/managed-by"
	operatorName = "ragservice-operator"

	// keepInterval is how often the certificate and the registration are looked
	// at. Renewal is a matter of time, which no watch reports.
	keepInterval = time.Minute
	retry        = 2 * time.Second
)

// keyAuthorities is the Secret's key of the authorities to trust.
const keyAuthorities = "ca.crt"

// apiVersions are the versions that HorizontalPodAutoscalers of different ages
// ask for, the preferred one first.
var apiVersions = []string{"v1beta2", "v1beta1"}

var apiServiceKind = schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}

// keeper makes, renews and registers the certificate. Each replica runs one: the
// API server decides by resource version which of them makes a new one, and the
// others take that.
type keeper struct {
	client      client.Client
	reader      client.Reader
	recorder    events.EventRecorder
	certificate *certificate
	owner       *Owner
	options     Options
}

var (
	_ manager.Runnable               = (*keeper)(nil)
	_ manager.LeaderElectionRunnable = (*keeper)(nil)
)

// NeedLeaderElection implements [manager.LeaderElectionRunnable].
func (k *keeper) NeedLeaderElection() bool { return false }

// Start implements [manager.Runnable].
func (k *keeper) Start(ctx context.Context) error {
	log := logf.FromContext(ctx).WithName("metrics-api")
	for {
		settled, err := k.keep(ctx)
		pause := keepInterval
		switch {
		case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err):
			pause = retry // another replica was first: its certificate is taken
		case err != nil && ctx.Err() == nil:
			log.Error(err, "The metrics API is not kept in place; trying again")
			pause = retry
		case !settled:
			pause = retry
		}
		timer := k.options.Clock.NewTimer(wait.Jitter(pause, 0.2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		}
	}
}

// keep makes one pass. A renewed certificate is served only once the API server has
// been told to trust it, a pass later, so that no call fails in between; settled
// is false until then.
func (k *keeper) keep(ctx context.Context) (settled bool, err error) {
	current, err := k.ensureSecret(ctx)
	if err != nil {
		return false, fmt.Errorf("keep the certificate: %w", err)
	}
	told, err := k.ensureRegistration(ctx, current.authorities)
	if err != nil {
		return false, fmt.Errorf("keep the registration: %w", err)
	}
	if told && k.certificate.good(k.names(), k.options.Clock.Now()) {
		return false, nil
	}
	k.certificate.use(current)
	return true, nil
}

// names are what the API server calls the service by.
func (k *keeper) names() []string {
	name := k.options.Service + "." + k.options.Namespace
	return []string{name + ".svc", name, k.options.Service, name + ".svc.cluster.local"}
}

func (k *keeper) ensureSecret(ctx context.Context) (pair, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: k.options.Namespace, Name: SecretName}
	err := k.reader.Get(ctx, key, secret)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return pair{}, err
	}
	current := pair{
		certificate: secret.Data[corev1.TLSCertKey],
		key:         secret.Data[corev1.TLSPrivateKeyKey],
		authorities: secret.Data[keyAuthorities],
	}
	why := current.check(k.names(), k.options.Clock.Now())
	if !missing && why == nil {
		return current, nil
	}
	made, err := newPair(k.names(), current, k.options.Clock.Now())
	if err != nil {
		return pair{}, err
	}
	secret.Data = map[string][]byte{
		corev1.TLSCertKey:       made.certificate,
		corev1.TLSPrivateKeyKey: made.key,
		keyAuthorities:          made.authorities,
	}
	logf.FromContext(ctx).Info("Making a certificate for the metrics API", "reason", fmt.Sprint(why))
	if missing {
		secret.ObjectMeta = metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{managedBy: operatorName}}
		secret.Type = corev1.SecretTypeTLS
		return made, k.client.Create(ctx, secret, fieldOwner) // a replica that was first makes this fail, and the next look finds its certificate
	}
	return made, k.client.Update(ctx, secret, fieldOwner) // likewise, by resource version
}

// ensureRegistration points the cluster at this service, unless another one has
// the API in any version: then it says so and leaves all of it. Told is whether the
// API server was told something new.
func (k *keeper) ensureRegistration(ctx context.Context, authorities []byte) (told bool, err error) {
	var missing []string
	for _, version := range apiVersions {
		found := &unstructured.Unstructured{}
		found.SetGroupVersionKind(apiServiceKind)
		err := k.reader.Get(ctx, client.ObjectKey{Name: version + "." + apiGroup}, found)
		switch {
		case apierrors.IsNotFound(err):
			missing = append(missing, version)
		case err != nil:
			return false, err
		case k.foreignOwner(found) != "":
			k.reportRival(ctx, found, k.foreignOwner(found))
			return false, nil
		case !trusts(found, authorities):
			missing = append(missing, version)
		}
	}
	k.owner.set("")
	for _, version := range missing {
		registration := client.ApplyConfigurationFromUnstructured(k.registration(version, authorities))
		if err := k.client.Apply(ctx, registration, fieldOwner, client.ForceOwnership); err != nil {
			return false, err
		}
	}
	return len(missing) > 0, nil
}

// trusts reports whether a registration names exactly these authorities.
func trusts(registration *unstructured.Unstructured, authorities []byte) bool {
	bundle, _, _ := unstructured.NestedString(registration.Object, "spec", "caBundle")
	decoded, err := base64.StdEncoding.DecodeString(bundle)
	return err == nil && bytes.Equal(decoded, authorities)
}

// foreignOwner names the service that a registration points at, where it is not
// ours.
func (k *keeper) foreignOwner(registration *unstructured.Unstructured) string {
	namespace, _, _ := unstructured.NestedString(registration.Object, "spec", "service", "namespace")
	name, _, _ := unstructured.NestedString(registration.Object, "spec", "service", "name")
	if namespace == k.options.Namespace && name == k.options.Service {
		return ""
	}
	return namespace + "/" + name
}

func (k *keeper) reportRival(ctx context.Context, registration *unstructured.Unstructured, owner string) {
	if !k.owner.set(owner) {
		return
	}
	logf.FromContext(ctx).Info("Another service has the custom metrics API; it is left in place and this operator's metrics cannot be scaled on", "service", owner)
	k.recorder.Eventf(registration, nil, corev1.EventTypeWarning, "MetricsAPIOwnedByAnother", "Register",
		"The custom metrics API belongs to the service %s. RAGServices with the metrics source Operator cannot scale on queries until its registration is removed.", owner)
}

func (k *keeper) registration(version string, authorities []byte) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiServiceKind.GroupVersion().String(),
		"kind":       apiServiceKind.Kind,
		"metadata":   map[string]any{"name": version + "." + apiGroup, "labels": map[string]any{managedBy: operatorName}},
		"spec": map[string]any{
			"group":                apiGroup,
			"version":              version,
			"groupPriorityMinimum": int64(100),
			"versionPriority":      int64(100 * (len(apiVersions) - slices.Index(apiVersions, version))),
			"service":              map[string]any{"namespace": k.options.Namespace, "name": k.options.Service, "port": int64(443)},
			"caBundle":             base64.StdEncoding.EncodeToString(authorities),
		},
	}}
}
