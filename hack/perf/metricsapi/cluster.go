package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers"
)

const (
	namespace         = "bench"
	operatorNamespace = "ragservice-system"
)

// apiServer is a kube-apiserver and etcd without nodes.
type apiServer struct {
	server *envtest.Environment
	config *rest.Config
	client client.Client
	folder string
}

func start(crd string) (*apiServer, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set; make bench-metrics-api sets it")
	}
	server := &envtest.Environment{CRDDirectoryPaths: []string{crd}, ErrorIfCRDPathMissing: true}
	config, err := server.Start()
	if err != nil {
		return nil, fmt.Errorf("start kube-apiserver and etcd: %w", err)
	}
	a := &apiServer{server: server, config: config}
	config.QPS = -1
	scheme, err := controllers.NewScheme()
	if err == nil {
		a.client, err = client.New(config, client.Options{Scheme: scheme})
	}
	if err == nil {
		a.folder, err = os.MkdirTemp("", "metricsapi-")
	}
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return a, nil
}

func (a *apiServer) stop() error { return errors.Join(a.server.Stop(), os.RemoveAll(a.folder)) }

func (a *apiServer) kubeconfig() (string, error) {
	path := filepath.Join(a.folder, "kubeconfig")
	return path, os.WriteFile(path, a.server.KubeConfig, 0o600)
}

// fill makes the services and their pods.
func (a *apiServer) fill(ctx context.Context, o options, pods *simulated) error {
	for _, name := range []string{namespace, operatorNamespace} {
		if err := a.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	var work errgroup.Group
	work.SetLimit(16)
	for i := range o.services {
		work.Go(func() error {
			if err := a.client.Create(ctx, service(serviceName(i))); err != nil {
				return err
			}
			for j := range o.pods {
				if err := a.pod(ctx, i, j, pods.addresses[i*o.pods+j]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return work.Wait()
}

func serviceName(i int) string { return fmt.Sprintf("service-%03d", i) }

func service(name string) *v1alpha1.RAGService {
	s := &v1alpha1.RAGService{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	s.Spec.Model.Extractive = &v1alpha1.ExtractiveModel{}
	s.Spec.Embedding.Lexical = &v1alpha1.LexicalEmbedding{}
	s.Spec.VectorStore.HTTP = &v1alpha1.HTTPStore{URL: "http://vectors:8000/query"}
	s.Spec.Scaling = v1alpha1.Scaling{MinReplicas: 1, MaxReplicas: 20, Targets: &v1alpha1.ScalingTargets{QueriesInFlight: new(int32(10))}}
	return s
}

// pod makes a pod as the service's ReplicaSet would, and says that it runs, as its
// kubelet would.
func (a *apiServer) pod(ctx context.Context, service, number int, address string) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("%s-%d", serviceName(service), number),
			Labels: map[string]string{
				"app.kubernetes.io/name": "ragservice", "app.kubernetes.io/instance": serviceName(service),
				"app.kubernetes.io/component": "runtime", "app.kubernetes.io/managed-by": "ragservice-operator",
			},
		},
		Spec: corev1.PodSpec{NodeName: "nowhere", Containers: []corev1.Container{{
			Name: "runtime", Image: "ragservice/runtime:bench",
			Ports: []corev1.ContainerPort{{Name: "admin", ContainerPort: adminPort}},
		}}},
	}
	if err := a.client.Create(ctx, pod); err != nil {
		return err
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP, pod.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	return a.client.Status().Update(ctx, pod)
}
