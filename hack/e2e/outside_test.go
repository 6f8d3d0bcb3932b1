package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// outside is what a service that was on ECS asks: a Redis with TLS that the old
// service shares, a PostgreSQL, and the APIs of others, which one program stands
// in for.
type outside struct {
	namespace string
	// redis, postgres and api are names of Services; the Secret of redis' name
	// holds its certificate authority.
	redis, postgres, api string
	apiKey, password     string
	// passage is the only one in the vector store.
	passage string
}

// preferences fills the database, a statement on each line.
const preferences = `CREATE TABLE user_preferences (user_id text, name text, value text, active boolean);
INSERT INTO user_preferences VALUES ('u1', 'style', 'short answers', true), ('u1', 'colour', 'red', false);
`

// startPostgres makes a database for as long as the pod lives.
const startPostgres = `set -e
initdb --pgdata=/data/db --username=app --pwfile=/secret/password --auth-host=scram-sha-256 --auth-local=trust
echo 'host all all all scram-sha-256' >>/data/db/pg_hba.conf
echo 'CREATE DATABASE preferences;' | postgres --single -D /data/db postgres
postgres --single -D /data/db preferences </secret/preferences.sql
exec postgres -D /data/db -k /tmp -c listen_addresses='*'
`

func newOutside(t *testing.T, namespace string) *outside {
	t.Helper()
	o := &outside{
		namespace: namespace, redis: "old-redis", postgres: "prefs", api: "externals",
		apiKey: rand.Text(), password: rand.Text(),
		passage: "An article can be kept for thirty days and sent back free of charge.",
	}
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: o.redis}, StringData: certificate(t, o.redis)})
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: o.postgres}, StringData: map[string]string{
		"password": o.password, "preferences.sql": preferences,
	}})
	o.run(t, o.redis, corev1.Container{
		Image: "redis:7.4-alpine",
		Args:  []string{"--protected-mode", "no", "--port", "0", "--tls-port", "6379", "--tls-cert-file", "/secret/tls.crt", "--tls-key-file", "/secret/tls.key", "--tls-auth-clients", "no", "--save", ""},
	}, 6379)
	o.run(t, o.postgres, corev1.Container{Image: "ragservice-postgres:dev", Args: []string{"-c", startPostgres}}, 5432)
	o.run(t, o.api, corev1.Container{Image: "ragservice-externals:dev", Args: []string{"-api-key", o.apiKey, "-passage", o.passage}}, 8080, 5081)
	for _, name := range []string{o.redis, o.postgres, o.api} {
		eventually(t, 2*time.Minute, name+" is ready", func(ctx context.Context) error {
			var pod corev1.Pod
			if err := cluster.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &pod); err != nil {
				return err
			}
			for _, condition := range pod.Status.Conditions {
				if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
					return nil
				}
			}
			return fmt.Errorf("its pod is %s", pod.Status.Phase)
		})
	}
	return o
}

// run makes a pod that is ready once the first port answers, with a Service. The
// Secret of its name, if there is one, is at /secret.
func (o *outside) run(t *testing.T, name string, container corev1.Container, ports ...int32) {
	t.Helper()
	labels := map[string]string{"app": name}
	container.Name = name
	container.ImagePullPolicy = corev1.PullIfNotPresent
	container.SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	container.ReadinessProbe = &corev1.Probe{
		PeriodSeconds: 1,
		ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(ports[0])}},
	}
	container.VolumeMounts = []corev1.VolumeMount{{Name: "secret", MountPath: "/secret"}, {Name: "data", MountPath: "/data"}}
	create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{container},
			SecurityContext:               &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			AutomountServiceAccountToken:  new(false),
			TerminationGracePeriodSeconds: new(int64(1)),
			Volumes: []corev1.Volume{
				{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name, Optional: new(true)}}},
				{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	})
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: name}, Spec: corev1.ServiceSpec{Selector: labels}}
	for _, port := range ports {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: fmt.Sprintf("port-%d", port), Port: port})
	}
	create(t, service)
}

// redisCLI runs a command in the shared Redis, as the old service would.
func (o *outside) redisCLI(ctx context.Context, args ...string) (string, error) {
	command := []string{"exec", "--namespace", o.namespace, o.redis, "--", "redis-cli", "--tls", "--cacert", "/secret/ca.crt", "--sni", o.redis}
	output, err := kubectl(ctx, append(command, args...)...)
	return strings.TrimSpace(output), err
}

// certificate makes one for a host, signed by itself, which is its own authority.
func certificate(t *testing.T, host string) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if err != nil {
		t.Fatal(err)
	}
	der, certificateErr := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	encoded, keyErr := x509.MarshalECPrivateKey(key)
	if err := errors.Join(certificateErr, keyErr); err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return map[string]string{
		"ca.crt": public, "tls.crt": public,
		"tls.key": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})),
	}
}
