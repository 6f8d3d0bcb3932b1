package build

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

const (
	redisPortName = "redis"
	redisConfPath = "/etc/ragservice/redis"
	// redisPasswordKey is the key of the password in the Secret of the managed
	// Redis, redisConfKey that of the configuration that holds it.
	redisPasswordKey = "password"
	redisConfKey     = "redis.conf"
	// RedisMaxClients is how many connections the managed Redis takes: Redis' own
	// default.
	RedisMaxClients = 10000
	// redisOverhead is what Redis takes beside the answers, in bytes.
	redisOverhead = 32 << 20
)

// redisPassword is where the password of the managed Redis is.
func redisPassword(s *v1alpha1.RAGService) v1alpha1.SecretKey {
	return v1alpha1.SecretKey{Name: RedisName(s), Key: redisPasswordKey}
}

// RedisSecret holds a new password. It is created once and never applied again,
// so that no reconcile rotates it.
func RedisSecret(s *v1alpha1.RAGService, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:            RedisName(s),
			Namespace:       s.Namespace,
			Labels:          labels(s, ComponentRedis),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(s, v1alpha1.SchemeGroupVersion.WithKind("RAGService"))},
		},
		Data: map[string][]byte{
			redisPasswordKey: []byte(password),
			redisConfKey:     []byte("requirepass " + password + "\n"),
		},
	}
}

// RedisSecretIdentity is whose the Secret of a managed Redis is, without what is in
// it.
func RedisSecretIdentity(s *v1alpha1.RAGService) Child {
	return child(SecretKind, RedisName(s), corev1ac.Secret(RedisName(s), s.Namespace).
		WithLabels(labels(s, ComponentRedis)).
		WithOwnerReferences(owner(s)))
}

// redisStatefulSet is a cache and nothing else: no persistence, the least
// recently used answers go first.
func redisStatefulSet(in Input) *appsv1ac.StatefulSetApplyConfiguration {
	s := in.Service
	r := ManagedRedis(s)
	if r == nil {
		return nil
	}
	pod := corev1ac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(10).
		WithSecurityContext(podSecurity()).
		WithContainers(redisContainer(*r)).
		WithVolumes(
			corev1ac.Volume().WithName("conf").WithSecret(corev1ac.SecretVolumeSource().
				WithSecretName(RedisName(s)).
				WithDefaultMode(secretMode).
				WithItems(corev1ac.KeyToPath().WithKey(redisConfKey).WithPath(redisConfKey))),
			corev1ac.Volume().WithName("data").WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
		)
	for _, secret := range s.Spec.Workload.ImagePullSecrets {
		pod.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(secret.Name))
	}
	return appsv1ac.StatefulSet(RedisName(s), s.Namespace).
		WithLabels(labels(s, ComponentRedis)).
		WithOwnerReferences(owner(s)).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithReplicas(1).
			WithServiceName(RedisName(s)).
			WithRevisionHistoryLimit(revisionHistory).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(s, ComponentRedis))).
			WithTemplate(corev1ac.PodTemplateSpec().
				WithLabels(labels(s, ComponentRedis)).
				WithAnnotations(map[string]string{AnnotationPassword: in.RedisPassword}).
				WithSpec(pod)))
}

func redisContainer(r v1alpha1.ManagedRedis) *corev1ac.ContainerApplyConfiguration {
	memory := r.Memory.Value()
	limit := resource.NewQuantity(memory+memory/4+redisOverhead, resource.BinarySI)
	tcp := func() *corev1ac.ProbeApplyConfiguration {
		return corev1ac.Probe().WithTCPSocket(corev1ac.TCPSocketAction().WithPort(intstr.FromString(redisPortName))).WithTimeoutSeconds(3)
	}
	return corev1ac.Container().
		WithName("redis").
		WithImage(r.Image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand("redis-server").
		WithArgs(
			redisConfPath+"/"+redisConfKey,
			"--port", strconv.Itoa(redisPort),
			"--dir", "/data",
			"--save", "",
			"--appendonly", "no",
			"--maxmemory", strconv.FormatInt(memory, 10),
			"--maxmemory-policy", "allkeys-lru",
			"--maxclients", strconv.Itoa(RedisMaxClients),
			"--tcp-keepalive", "60",
		).
		WithPorts(corev1ac.ContainerPort().WithName(redisPortName).WithContainerPort(redisPort).WithProtocol(corev1.ProtocolTCP)).
		WithResources(corev1ac.ResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: *limit}).
			WithLimits(corev1.ResourceList{corev1.ResourceMemory: *limit})).
		WithSecurityContext(containerSecurity()).
		WithVolumeMounts(
			corev1ac.VolumeMount().WithName("conf").WithMountPath(redisConfPath).WithReadOnly(true),
			corev1ac.VolumeMount().WithName("data").WithMountPath("/data"),
		).
		WithReadinessProbe(tcp().WithPeriodSeconds(5)).
		WithLivenessProbe(tcp().WithPeriodSeconds(10).WithFailureThreshold(6))
}

func redisService(s *v1alpha1.RAGService) *corev1ac.ServiceApplyConfiguration {
	if ManagedRedis(s) == nil {
		return nil
	}
	return corev1ac.Service(RedisName(s), s.Namespace).
		WithLabels(labels(s, ComponentRedis)).
		WithOwnerReferences(owner(s)).
		WithSpec(corev1ac.ServiceSpec().
			WithSelector(Selector(s, ComponentRedis)).
			WithPorts(servicePort(redisPortName, redisPort)))
}

// redisNetworkPolicy lets in the pods of the service, and nobody else.
func redisNetworkPolicy(s *v1alpha1.RAGService) *networkingv1ac.NetworkPolicyApplyConfiguration {
	if ManagedRedis(s) == nil || !networkPolicyWanted(s) {
		return nil
	}
	return ingressPolicy(s, RedisName(s), ComponentRedis, fromRuntime(s, redisPortName))
}

// RedisConnections is how many connections the replicas open at most, all of them
// and those of a rollout's surge (a quarter, rounded up) included. Each replica
// keeps two beside its pool: one to hear of invalidations, one to spare.
func RedisConnections(s *v1alpha1.RAGService) int64 {
	return MostPods(s) * (int64(s.Spec.Cache.Redis.PoolSize) + 2)
}

// MostPods is how many pods of the runtime there may be at once: the surge of a
// rollout, a quarter rounded up, on top of maxReplicas.
func MostPods(s *v1alpha1.RAGService) int64 {
	replicas := int64(s.Spec.Scaling.MaxReplicas)
	return replicas + (replicas+3)/4
}

// CheckRedis says why the managed Redis cannot carry the replicas; nil where it
// can.
func CheckRedis(s *v1alpha1.RAGService) error {
	if ManagedRedis(s) == nil {
		return nil
	}
	if need := RedisConnections(s); need > RedisMaxClients {
		return fmt.Errorf("spec.cache.redis.poolSize: with %d connections each, %d replicas and the surge of a rollout would open %d connections, and the managed Redis takes %d: lower poolSize or scaling.maxReplicas",
			s.Spec.Cache.Redis.PoolSize, s.Spec.Scaling.MaxReplicas, need, RedisMaxClients)
	}
	return nil
}
