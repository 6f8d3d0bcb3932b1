package decide

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
)

// Check finds what the rules of the schema cannot see: combinations that could
// never work.
func Check(s *v1alpha1.RAGService) error {
	return errors.Join(build.CheckRedis(s), checkLocalCache(s))
}

// checkLocalCache leaves a quarter of the container's memory to the rest of the
// runtime.
func checkLocalCache(s *v1alpha1.RAGService) error {
	if s.Spec.Cache == nil || s.Spec.Cache.Local == nil {
		return nil
	}
	limit, ok := s.Spec.Workload.Resources.Limits[corev1.ResourceMemory]
	if !ok {
		return nil
	}
	size := s.Spec.Cache.Local.MaxSize
	if size.Value() > limit.Value()/4*3 {
		return fmt.Errorf("spec.cache.local.maxSize: is %s, more than three quarters of spec.workload.resources.limits.memory (%s): lower it or raise the limit",
			size.String(), limit.String())
	}
	return nil
}
