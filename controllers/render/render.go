package render

import (
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
)

// Options are what children depend on beside the service.
type Options struct {
	// RuntimeImage runs a service that names no image of its own.
	RuntimeImage string
	// OperatorNamespace and MonitoringNamespaces may reach the admin port.
	OperatorNamespace    string
	MonitoringNamespaces []string
}

// Children are the objects that the operator would make for the service, in the
// order it would. Left out are what only a cluster knows: the owner references, the
// password of a managed Redis and the digests of documents.
func Children(service *v1alpha1.RAGService, o Options) ([]*unstructured.Unstructured, error) {
	service = service.DeepCopy()
	if service.Namespace == "" {
		service.Namespace = "default"
	}
	content, err := build.Configuration(service)
	if err := errors.Join(err, decide.Check(service)); err != nil {
		return nil, err
	}
	snapshot := decide.Snapshot{Service: service, RuntimeImage: o.RuntimeImage}
	image, record := decide.Image(snapshot)
	children, err := build.Children(build.Input{
		Service:        service,
		Content:        content,
		Image:          image,
		RecordImage:    record,
		EmbeddingImage: decide.EmbeddingImage(snapshot),
		Operator:       build.Operator{Namespace: o.OperatorNamespace, MonitoringNamespaces: o.MonitoringNamespaces},
	})
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, child := range children {
		if child.Config == nil {
			continue
		}
		data, err := json.Marshal(child.Config)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", child, err)
		}
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal(data, &object.Object); err != nil {
			return nil, fmt.Errorf("decode %s: %w", child, err)
		}
		unstructured.RemoveNestedField(object.Object, "metadata", "ownerReferences")
		objects = append(objects, object)
	}
	return objects, nil
}
