package e2e

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// objects lists all objects of a namespace, of whatever kind the cluster knows,
// except for events and what a node reports of pods.
func objects(ctx context.Context, namespace string, options ...client.ListOption) ([]metav1.PartialObjectMetadata, error) {
	discoverer, err := discovery.NewDiscoveryClientForConfig(cluster.config)
	if err != nil {
		return nil, err
	}
	lists, err := discoverer.ServerPreferredNamespacedResources()
	if err != nil {
		return nil, err
	}
	var found []metav1.PartialObjectMetadata
	for _, resources := range lists {
		version, err := schema.ParseGroupVersion(resources.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range resources.APIResources {
			if !slices.Contains(resource.Verbs, "list") || resource.Kind == "Event" || version.Group == "metrics.k8s.io" {
				continue
			}
			var list metav1.PartialObjectMetadataList
			list.SetGroupVersionKind(version.WithKind(resource.Kind + "List"))
			if err := cluster.client.List(ctx, &list, append(options, client.InNamespace(namespace))...); err != nil {
				return nil, err
			}
			for _, object := range list.Items {
				object.SetGroupVersionKind(version.WithKind(resource.Kind))
				found = append(found, object)
			}
		}
	}
	return found, nil
}

// children lists the objects that a RAGService controls.
func children(ctx context.Context, namespace string, owner types.UID) ([]metav1.PartialObjectMetadata, error) {
	all, err := objects(ctx, namespace)
	return slices.DeleteFunc(all, func(object metav1.PartialObjectMetadata) bool {
		return !slices.ContainsFunc(object.OwnerReferences, func(reference metav1.OwnerReference) bool { return reference.UID == owner })
	}), err
}

// labelled lists the objects that carry the name of a RAGService, which its pods
// and what grows from them do as well.
func labelled(ctx context.Context, namespace, name string) ([]metav1.PartialObjectMetadata, error) {
	return objects(ctx, namespace, client.MatchingLabels{instanceLabel: name})
}
