package v1alpha1

// Exposure leads queries from outside the cluster to the service.
//
// +kubebuilder:validation:XValidation:rule="has(self.ingress) != has(self.gateway)",message="exactly one must be set: ingress or gateway"
// +kubebuilder:validation:XValidation:rule="!has(self.ingress) || !has(self.ingress.tlsSecretName) || has(self.hosts)",message="hosts must be set with ingress.tlsSecretName: a certificate is for a host"
type Exposure struct {
	// hosts that queries are sent to. Leave them out for any.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +listType=atomic
	// +optional
	Hosts []string `json:"hosts,omitempty"`

	// path that queries start with. Defaults to /.
	// +kubebuilder:default="/"
	// +kubebuilder:validation:Pattern=`^/`
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Path string `json:"path,omitempty"`

	// ingress makes an Ingress.
	// +optional
	Ingress *IngressExposure `json:"ingress,omitempty"`

	// gateway makes an HTTPRoute of the Gateway API, once its CRD is installed.
	// +optional
	Gateway *GatewayExposure `json:"gateway,omitempty"`
}

// IngressExposure makes an Ingress.
type IngressExposure struct {
	// className of the Ingress, such as alb or nginx; by default the cluster's
	// own.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ClassName string `json:"className,omitempty"`

	// annotations of the Ingress.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// tlsSecretName is the Secret with the certificate of the hosts.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TLSSecretName string `json:"tlsSecretName,omitempty"`

	// aws sets the annotations that the AWS Load Balancer Controller reads.
	// +optional
	AWS *AWSLoadBalancer `json:"aws,omitempty"`
}

// LoadBalancerScheme is who reaches a load balancer of AWS.
//
// +kubebuilder:validation:Enum=internal;internet-facing
type LoadBalancerScheme string

// AWSLoadBalancer is an Application Load Balancer, made by the AWS Load Balancer
// Controller. It sends queries to the pods directly.
//
// +kubebuilder:validation:XValidation:rule="has(self.targetGroups) || !has(self.weight)",message="weight has no effect without targetGroups"
// +kubebuilder:validation:XValidation:rule="!has(self.targetGroups) || has(self.weight)",message="weight must be set with targetGroups: the share of this service"
type AWSLoadBalancer struct {
	// scheme is who reaches it; internal by the controller's default.
	// +optional
	Scheme LoadBalancerScheme `json:"scheme,omitempty"`

	// certificateARN of AWS Certificate Manager; with it, queries are taken over
	// HTTPS only.
	// +kubebuilder:validation:Pattern=`^arn:aws[a-z-]*:acm:`
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	CertificateARN string `json:"certificateARN,omitempty"`

	// groupName shares one load balancer with other Ingresses.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	GroupName string `json:"groupName,omitempty"`

	// weight of this service against the target groups.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=999
	// +optional
	Weight *int32 `json:"weight,omitempty"`

	// targetGroups that exist already and share the traffic, such as that of the
	// service on ECS while traffic moves.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +listType=atomic
	// +optional
	TargetGroups []TargetGroup `json:"targetGroups,omitempty"`
}

// TargetGroup is a target group of AWS that exists already.
type TargetGroup struct {
	// arn of the target group.
	// +kubebuilder:validation:Pattern=`^arn:aws[a-z-]*:elasticloadbalancing:`
	// +kubebuilder:validation:MaxLength=2048
	// +required
	ARN string `json:"arn"`

	// weight of the target group against the others.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=999
	// +required
	Weight int32 `json:"weight"`
}

// GatewayExposure names the Gateway that the HTTPRoute belongs to.
type GatewayExposure struct {
	// name of the Gateway.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// namespace of the Gateway; by default the service's own.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// sectionName is the listener of the Gateway; by default all that match.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SectionName string `json:"sectionName,omitempty"`

	// labels of the HTTPRoute.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}
