package build

import (
	"maps"

	"ragops.dev/ragservice/api/v1alpha1"
)

// httpRoute leads queries from a Gateway to the service. Written out, since the
// types of the Gateway API would bring more along than these lines.
func httpRoute(s *v1alpha1.RAGService) *Custom {
	if s.Spec.Exposure == nil || s.Spec.Exposure.Gateway == nil {
		return nil
	}
	g := s.Spec.Exposure.Gateway
	parent := map[string]any{"name": g.Name}
	if g.Namespace != "" {
		parent["namespace"] = g.Namespace
	}
	if g.SectionName != "" {
		parent["sectionName"] = g.SectionName
	}
	spec := map[string]any{
		"parentRefs": []any{parent},
		"rules": []any{map[string]any{
			"matches":     []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": s.Spec.Exposure.Path}}},
			"backendRefs": []any{map[string]any{"name": s.Name, "port": int64(QueryPort)}},
		}},
	}
	if len(s.Spec.Exposure.Hosts) > 0 {
		var hosts []any
		for _, host := range s.Spec.Exposure.Hosts {
			hosts = append(hosts, host)
		}
		spec["hostnames"] = hosts
	}
	return custom(s, HTTPRouteKind, s.Name, maps.Clone(g.Labels), spec)
}
