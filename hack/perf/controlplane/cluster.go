package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"ragops.dev/ragservice/controllers"
)

// The namespaces: of the services, of the one that warms the operator up, of what
// the bare client applies, and of the Secrets that concern nobody.
const (
	operated          = "operated"
	warmUp            = "warm-up"
	bareNamespace     = "baseline"
	unrelatedSpace    = "unrelated"
	operatorNamespace = "ragservice-system"
)

// The users by whom the audit log tells who asks.
const (
	operatorUser = "operator"
	bareUser     = "bare"
)

// patience is how long all services may take to complete.
const patience = 10 * time.Minute

// policy has every request of the two in the audit log, and of nobody else.
const policy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
  users: [` + operatorUser + `, ` + bareUser + `]
- level: None
`

// cluster is a kube-apiserver and etcd without nodes.
type cluster struct {
	server *envtest.Environment
	// client is the administrator's, whose requests count for nobody.
	client client.WithWatch
	bare   client.Client
	audit  *audit
	folder string
	// children is how many objects each service has.
	children int
	kube     string
}

func start(crds []string) (_ *cluster, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set; make bench-controlplane sets it")
	}
	c := &cluster{server: &envtest.Environment{CRDDirectoryPaths: crds, ErrorIfCRDPathMissing: true}}
	if c.folder, err = os.MkdirTemp("", "controlplane-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	rules := filepath.Join(c.folder, "policy.yaml")
	if err := os.WriteFile(rules, []byte(policy), 0o600); err != nil {
		return nil, err
	}
	c.audit = &audit{path: filepath.Join(c.folder, "audit.log")}
	c.server.ControlPlane.GetAPIServer().Configure().
		Append("audit-policy-file", rules).
		Append("audit-log-path", c.audit.path).
		Set("service-cluster-ip-range", "10.0.0.0/16") // the default has addresses for 254 Services
	config, err := c.server.Start()
	if err != nil {
		return nil, fmt.Errorf("start kube-apiserver and etcd: %w", err)
	}
	scheme, err := controllers.NewScheme()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	if c.client, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	user, err := c.user(bareUser)
	if err != nil {
		return nil, err
	}
	if c.bare, err = client.New(user, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	for _, name := range []string{operated, warmUp, bareNamespace, unrelatedSpace, operatorNamespace} {
		if err := c.client.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// user may do everything, without a limit of its own.
func (c *cluster) user(name string) (*rest.Config, error) {
	user, err := c.server.AddUser(envtest.User{Name: name, Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(user.Config())
	config.QPS = -1
	if name == operatorUser {
		data, err := user.KubeConfig()
		if err != nil {
			return nil, err
		}
		c.kube = filepath.Join(c.folder, "kubeconfig")
		return config, os.WriteFile(c.kube, data, 0o600)
	}
	return config, nil
}

func (c *cluster) stop() error { return errors.Join(c.server.Stop(), os.RemoveAll(c.folder)) }
