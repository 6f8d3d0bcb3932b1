package ecs

import (
	"slices"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

var loadBalancerRules = slices.Concat(
	[]rule{
		ignored("LoadBalancerName", "The Ingress gets a load balancer of its own; see the checklist for sharing one.").or(near),
		mapsTo("Scheme", "Ingress annotation scheme", "").or(human, dropped),
		comesNear("Type", "Ingress", "An Application Load Balancer is an Ingress.").or(human, exact, dropped).at(ledger.StepTraffic),
		mapsTo("IpAddressType", "Ingress annotation ip-address-type", "").or(dropped),
		comesNear("SecurityGroups[]", "Ingress annotation security-groups", "With rules for the pods' ports managed by the controller.").or(human, dropped).at(ledger.StepNetwork),
		comesNear("AvailabilityZones[].SubnetId", "Ingress annotation subnets", "The same subnets; left out, the controller finds them by their tags.").or(dropped, exact, human),
		ignored("AvailabilityZones[].**", "Follows from the subnets."),
		needsPerson("CustomerOwnedIpv4Pool", ledger.StepNetwork, "An address pool of an Outpost."),
		ignored("VpcId", "The controller knows its VPC."),
		needsPerson("DNSName", ledger.StepDNS, "The name that clients or DNS records point at: move the records to the new load balancer.").or(dropped),
	},
	readOnly("LoadBalancerArn", "CanonicalHostedZoneId", "CreatedTime", "State.**", "IpamPools.**", "EnablePrefixForIpv6SourceNat", "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"),
)

var targetGroupRules = slices.Concat(
	[]rule{
		ignored("TargetGroupName", "The controller makes a target group of its own."),
		comesNear("Protocol", "Ingress annotation backend-protocol", "Between the load balancer and the pods.").or(exact, human, dropped).at(ledger.StepTraffic),
		mapsTo("ProtocolVersion", "Ingress annotation backend-protocol-version", "").or(near, dropped),
		ignored("Port", "The default of targets that register without one; pods register with theirs."),
		ignored("VpcId", "The controller knows its VPC."),
		ignored("TargetType", "Pods register by address: target-type ip."),
		mapsTo("IpAddressType", "Ingress annotation target-group-attributes", "").or(dropped),
		comesNear("HealthCheckProtocol", "readinessProbe, Ingress annotation healthcheck-protocol", "The probe and the load balancer both ask.").or(exact, dropped),
		comesNear("HealthCheckPort", "readinessProbe, Ingress annotation healthcheck-port", "The probe and the load balancer both ask.").or(exact, dropped, human),
		ignored("HealthCheckEnabled", "Targets by address always have a check."),
		mapsTo("HealthCheckPath", "readinessProbe, Ingress annotation healthcheck-path", "A RAGService answers /health.").or(near, dropped),
		mapsTo("HealthCheckIntervalSeconds", "readinessProbe, Ingress annotation healthcheck-interval-seconds", "").or(near, dropped),
		mapsTo("HealthCheckTimeoutSeconds", "readinessProbe, Ingress annotation healthcheck-timeout-seconds", "").or(near, dropped),
		mapsTo("HealthyThresholdCount", "readinessProbe, Ingress annotation healthy-threshold-count", "").or(near, dropped),
		mapsTo("UnhealthyThresholdCount", "readinessProbe, Ingress annotation unhealthy-threshold-count", "").or(near, dropped),
		mapsTo("Matcher.HttpCode", "Ingress annotation success-codes", "A probe takes any code from 200 to 399.").or(near, dropped),
		mapsTo("Matcher.GrpcCode", "Ingress annotation success-codes", "").or(near, dropped),
		ignored("LoadBalancerArns[]", "The load balancers that forward to it."),
		ignored("TargetControlPort", "A detail of target optimisation."),
	},
	readOnly("TargetGroupArn"),
)

var targetGroupAttributeRules = []rule{
	mapsTo("Attributes[].Key", "Ingress annotation target-group-attributes", "").or(near, dropped),
	mapsTo("Attributes[].Value", "Ingress annotation target-group-attributes", "").or(near, dropped),
}

var listenerRules = slices.Concat(
	[]rule{
		mapsTo("Port", "Ingress annotation listen-ports", "").or(human, dropped),
		mapsTo("Protocol", "Ingress annotation listen-ports", "").or(human, dropped).at(ledger.StepTraffic),
		mapsTo("SslPolicy", "Ingress annotation ssl-policy", "").or(dropped),
		mapsTo("Certificates[].CertificateArn", "Ingress annotation certificate-arn", "").or(near, human, dropped).at(ledger.StepTraffic),
		ignored("Certificates[].IsDefault", "The first certificate is the default one."),
		needsPerson("AlpnPolicy[]", ledger.StepTraffic, "Set alb.ingress.kubernetes.io/listener-attributes."),
		needsPerson("MutualAuthentication.**", ledger.StepTraffic, "Set the annotation alb.ingress.kubernetes.io/mutual-authentication.").or(dropped),
	},
	prefixed("DefaultActions[].", actionRules),
	readOnly("ListenerArn", "LoadBalancerArn"),
)

var listenerRuleRules = slices.Concat(
	[]rule{
		comesNear("Priority", "order of the Ingress' rules", "The controller numbers the rules itself, in the order of the Ingress.").or(dropped, human),
		ignored("IsDefault", "The default rule is the listener's default action."),
		needsPerson("Transforms[].**", ledger.StepTraffic, "Set the annotation alb.ingress.kubernetes.io/transforms."),
		ignored("Tags.**", "Tags of the rule."),
		ignored("ListenerArn", "The listener that the rule is of."),
	},
	prefixed("Conditions[].", conditionRules), prefixed("Actions[].", actionRules),
	readOnly("RuleArn"),
)

// rulePartRules are of the conditions and actions that the create commands take in
// files of their own.
var rulePartRules = []rule{
	needsPerson("**", ledger.StepTraffic, "A part of a listener rule on its own: give the whole rule, as `aws elbv2 describe-rules` prints it."),
}

var conditionRules = []rule{
	mapsTo("Field", "Ingress rule", "").or(near, human, dropped).at(ledger.StepTraffic),
	mapsTo("Values[]", "Ingress rule", "").or(near, human, dropped).at(ledger.StepTraffic),
	mapsTo("HostHeaderConfig.**", "Ingress rule's host", "").or(near, human, dropped).at(ledger.StepTraffic),
	comesNear("PathPatternConfig.**", "Ingress rule's path", "A pattern that ends in * becomes a prefix.").or(exact, human, dropped).at(ledger.StepTraffic),
	mapsTo("HttpHeaderConfig.**", "Ingress annotation conditions", "").or(human, dropped).at(ledger.StepTraffic),
	mapsTo("QueryStringConfig.**", "Ingress annotation conditions", "").or(human, dropped).at(ledger.StepTraffic),
	mapsTo("HttpRequestMethodConfig.**", "Ingress annotation conditions", "").or(human, dropped).at(ledger.StepTraffic),
	mapsTo("SourceIpConfig.**", "Ingress annotation conditions", "").or(human, dropped).at(ledger.StepTraffic),
}

var actionRules = []rule{
	mapsTo("Type", "Ingress backend or annotation actions", "").or(near, human, dropped).at(ledger.StepTraffic),
	ignored("Order", "The order of a rule's actions is theirs."),
	mapsTo("TargetGroupArn", "Ingress backend", "").or(near, human, dropped).at(ledger.StepTraffic),
	comesNear("ForwardConfig.**", "Ingress backend", "Sent to the pods, without the weights of the old deployment.").or(exact, human, dropped).at(ledger.StepTraffic),
	mapsTo("RedirectConfig.**", "Ingress annotation actions", "").or(near, human, dropped).at(ledger.StepTraffic),
	mapsTo("FixedResponseConfig.**", "Ingress annotation actions", "").or(near, human, dropped).at(ledger.StepTraffic),
	needsPerson("AuthenticateOidcConfig.**", ledger.StepTraffic, "Set the annotations alb.ingress.kubernetes.io/auth-type and auth-idp-oidc; client id and secret go into a Secret they name, and the secret's value was not copied.").or(dropped),
	needsPerson("AuthenticateCognitoConfig.**", ledger.StepTraffic, "Set the annotations alb.ingress.kubernetes.io/auth-type and auth-idp-cognito.").or(dropped),
	needsPerson("JwtValidationConfig.**", ledger.StepTraffic, "Set the RAGService's access.jwt, or the annotation of the controller.").or(dropped),
}
