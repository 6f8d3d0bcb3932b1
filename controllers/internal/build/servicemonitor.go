package build

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"ragops.dev/ragservice/api/v1alpha1"
)

// serviceMonitor is for the Prometheus operator, whose own apply configurations
// would bring its client along: its API is small and stable, so it is written out.
func serviceMonitor(s *v1alpha1.RAGService) *Custom {
	m := s.Spec.Monitoring.ServiceMonitor
	if m == nil {
		return nil
	}
	endpoint := map[string]any{"port": AdminPortName, "path": "/metrics"}
	if m.Interval != nil {
		endpoint["interval"] = m.Interval.Duration.String()
	}
	return custom(s, ServiceMonitorKind, s.Name, m.Labels, map[string]any{
		"selector":  map[string]any{"matchLabels": stringMap(Selector(s, ComponentRuntime))},
		"endpoints": []any{endpoint},
	})
}

// Custom is the apply configuration of an object whose type is not linked in.
type Custom struct{ *unstructured.Unstructured }

// IsApplyConfiguration makes it one.
func (*Custom) IsApplyConfiguration() {}

func custom(s *v1alpha1.RAGService, kind schema.GroupVersionKind, name string, extra map[string]string, spec map[string]any) *Custom {
	l := maps.Clone(extra)
	if l == nil {
		l = map[string]string{}
	}
	maps.Copy(l, labels(s, ComponentRuntime))
	return &Custom{&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kind.GroupVersion().String(),
		"kind":       kind.Kind,
		"metadata": map[string]any{
			"name":      name,
			"namespace": s.Namespace,
			"labels":    stringMap(l),
			"ownerReferences": []any{map[string]any{
				"apiVersion":         v1alpha1.SchemeGroupVersion.String(),
				"kind":               "RAGService",
				"name":               s.Name,
				"uid":                string(s.UID),
				"controller":         true,
				"blockOwnerDeletion": true,
			}},
		},
		"spec": spec,
	}}}
}

func stringMap(m map[string]string) map[string]any {
	result := make(map[string]any, len(m))
	for k, v := range m {
		result[k] = v
	}
	return result
}
