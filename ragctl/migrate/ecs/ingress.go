package ecs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// albPrefix is that of the AWS Load Balancer Controller's annotations.
const albPrefix = "alb.ingress.kubernetes.io/"

// ingress is one on its way.
type ingress struct {
	*workload
	annotations  map[string]string
	listens      []string
	certificates []string
	groupAttrs   []string
	rules        []networkingv1.IngressRule
	routed       bool // a rule or default action forwards to the workload
}

func newIngress(w *workload) *ingress {
	return &ingress{workload: w, annotations: map[string]string{albPrefix + "target-type": "ip"}}
}

// set records an annotation and claims the leaf that asks for it.
func (ing *ingress) set(node *jsontree.Node, name, value string) {
	if value == "" {
		return
	}
	ing.annotations[albPrefix+name] = value
	ing.mapped(node, ing.target(name))
}

func (ing *ingress) target(annotation string) string {
	return "Ingress/" + ing.name + " annotation " + albPrefix + annotation
}

func (ing *ingress) balancer(node *jsontree.Node) {
	ing.set(node.Get("Scheme"), "scheme", node.Get("Scheme").Text())
	ing.mapped(node.Get("Type"), "Ingress/"+ing.name)
	ing.set(node.Get("IpAddressType"), "ip-address-type", node.Get("IpAddressType").Text())
	if groups := node.Get("SecurityGroups").Texts(); len(groups) > 0 {
		ing.annotations[albPrefix+"security-groups"] = strings.Join(groups, ",")
		ing.annotations[albPrefix+"manage-backend-security-group-rules"] = "true"
		ing.approximated(node.Get("SecurityGroups"), ing.target("security-groups"), "")
	}
	var subnets []string
	for _, zone := range node.Get("AvailabilityZones").Items() {
		if subnet := zone.Get("SubnetId"); subnet.Text() != "" {
			subnets = append(subnets, subnet.Text())
			ing.approximated(subnet, ing.target("subnets"), "")
		}
	}
	if len(subnets) > 0 {
		ing.annotations[albPrefix+"subnets"] = strings.Join(subnets, ",")
	}
}

// checks are the fields of a target group's health check, by annotation.
var checks = []struct{ field, annotation string }{
	{"HealthCheckProtocol", "healthcheck-protocol"},
	{"HealthCheckPort", "healthcheck-port"},
	{"HealthCheckPath", "healthcheck-path"},
	{"HealthCheckIntervalSeconds", "healthcheck-interval-seconds"},
	{"HealthCheckTimeoutSeconds", "healthcheck-timeout-seconds"},
	{"HealthyThresholdCount", "healthy-threshold-count"},
	{"UnhealthyThresholdCount", "unhealthy-threshold-count"},
}

// targetGroups maps the check of the group that decides; the others are of other
// ports or sides of a deployment.
func (ing *ingress) targetGroups(groups []*jsontree.Node) {
	chosen := ing.targetGroup()
	for _, group := range groups {
		if group != chosen {
			ing.leaveOut(&document{node: group}, ledger.Ignored, "Another target group than the service's first: the Ingress makes one of its own.")
			continue
		}
		for _, check := range checks {
			ing.check(group.Get(check.field), check.field, check.annotation)
		}
		ing.set(group.Find("Matcher", "HttpCode"), "success-codes", group.Find("Matcher", "HttpCode").Text())
		ing.set(group.Find("Matcher", "GrpcCode"), "success-codes", group.Find("Matcher", "GrpcCode").Text())
		ing.backendProtocol(group)
		if address := group.Get("IpAddressType"); address.IsSet() {
			ing.ignore(address, "Follows the Service's addresses.")
		}
	}
}

func (ing *ingress) check(node *jsontree.Node, field, annotation string) {
	value := node.Text()
	switch {
	case !node.IsSet() || value == "":
		return
	case field == "HealthCheckPath" && ing.replaced && value != "/health":
		ing.annotations[albPrefix+annotation] = "/health"
		ing.approximated(node, ing.target(annotation), "The runtime answers /health.")
		return
	case field == "HealthCheckPort" && ing.replaced && value != "traffic-port":
		ing.approximated(node, ing.target(annotation), "The runtime answers on the port of queries: traffic-port.")
		return
	case field == "HealthCheckProtocol" && ing.replaced && !strings.EqualFold(value, "HTTP"):
		ing.approximated(node, ing.target(annotation), "The runtime answers plain HTTP.")
		return
	}
	ing.set(node, annotation, value)
}

func (ing *ingress) backendProtocol(group *jsontree.Node) {
	protocol := group.Get("Protocol")
	switch strings.ToUpper(protocol.Text()) {
	case "HTTP":
		ing.set(protocol, "backend-protocol", "HTTP")
	case "HTTPS":
		if ing.replaced {
			ing.approximated(protocol, ing.target("backend-protocol"), "The runtime speaks plain HTTP behind the load balancer.")
		} else {
			ing.set(protocol, "backend-protocol", "HTTPS")
		}
	default:
		ing.person(protocol, ledger.StepTraffic, "Not a protocol of an Application Load Balancer: use a Service of type LoadBalancer.")
	}
	version := group.Get("ProtocolVersion")
	if ing.replaced && !strings.EqualFold(version.Text(), "HTTP1") {
		ing.approximated(version, ing.target("backend-protocol-version"), "The runtime speaks HTTP/1.1 behind the load balancer.")
		return
	}
	ing.set(version, "backend-protocol-version", strings.ToUpper(version.Text()))
}

// attributes maps the attributes of a target group. They are of application load
// balancers as they are.
func (ing *ingress) attributes(node *jsontree.Node) {
	for _, attribute := range node.Get("Attributes").Items() {
		key, value := attribute.Get("Key").Text(), attribute.Get("Value").Text()
		if key == "" || strings.ContainsAny(key+value, ",=") || slices.Contains(ing.groupAttrs, key+"="+value) {
			ing.claim(attribute, ledger.Ignored, "", "No attribute, or one that is there already.", "")
			continue
		}
		ing.groupAttrs = append(ing.groupAttrs, key+"="+value)
		ing.mapped(attribute, ing.target("target-group-attributes"))
	}
}

func (ing *ingress) listener(node *jsontree.Node) {
	protocol, number := strings.ToUpper(node.Get("Protocol").Text()), node.Get("Port")
	port, ok := number.Int()
	if protocol != "HTTP" && protocol != "HTTPS" || !ok || port < 1 || port > 65535 {
		ing.person(number, ledger.StepTraffic, "Not a port and protocol of an Application Load Balancer.")
		ing.person(node.Get("Protocol"), ledger.StepTraffic, "Not a port and protocol of an Application Load Balancer.")
		return
	}
	listen := fmt.Sprintf(`{"%s": %d}`, protocol, port)
	if !slices.Contains(ing.listens, listen) {
		ing.listens = append(ing.listens, listen)
	}
	ing.mapped(number, ing.target("listen-ports"))
	ing.mapped(node.Get("Protocol"), ing.target("listen-ports"))
	ing.set(node.Get("SslPolicy"), "ssl-policy", node.Get("SslPolicy").Text())
	for _, certificate := range node.Get("Certificates").Items() {
		ing.certificate(certificate.Get("CertificateArn"))
	}
	actions := node.Get("DefaultActions").Items()
	if len(actions) == 1 && isRedirectToHTTPS(actions[0]) && protocol == "HTTP" {
		ing.annotations[albPrefix+"ssl-redirect"] = redirectPort(actions[0])
		ing.mapped(actions[0], ing.target("ssl-redirect"))
		return
	}
	for _, action := range actions {
		ing.defaultAction(port, action)
	}
}

func (ing *ingress) certificate(node *jsontree.Node) {
	a, ok := parseARN(node.Text())
	switch {
	case !node.IsSet():
		return
	case ok && a.service == "iam":
		ing.person(node, ledger.StepTraffic, "A server certificate in IAM: the controller takes those too, but a certificate of ACM renews itself. Added as it is.")
	default:
		ing.mapped(node, ing.target("certificate-arn"))
	}
	if !slices.Contains(ing.certificates, node.Text()) {
		ing.certificates = append(ing.certificates, node.Text())
	}
}

func isRedirectToHTTPS(action *jsontree.Node) bool {
	return strings.EqualFold(action.Get("Type").Text(), "redirect") && strings.EqualFold(action.Find("RedirectConfig", "Protocol").Text(), "HTTPS")
}

func redirectPort(action *jsontree.Node) string {
	if port := action.Find("RedirectConfig", "Port").Text(); digits.MatchString(port) {
		return port
	}
	return "443"
}

var digits = regexp.MustCompile(`^\d{1,5}$`)

// defaultAction maps what a listener does where no rule matches.
func (ing *ingress) defaultAction(port int, action *jsontree.Node) {
	name := fmt.Sprintf("default-%d", port)
	backend, ok := ing.backend(name, action)
	if !ok {
		return
	}
	ing.route("", "/", networkingv1.PathTypePrefix, backend)
}

// rule maps one rule of a listener.
func (ing *ingress) rule(number int, node *jsontree.Node) {
	ing.approximated(node.Get("Priority"), "Ingress/"+ing.name+" spec.rules", "")
	name := fmt.Sprintf("rule-%d", number)
	hosts, paths, extra := ing.conditions(node.Get("Conditions").Items())
	actions := node.Get("Actions").Items()
	for _, action := range actions {
		backend, ok := ing.backend(name, action)
		if !ok {
			continue
		}
		if len(extra) > 0 {
			backend = ing.annotated(name, action, extra, backend)
		}
		for _, host := range hosts {
			for _, p := range paths {
				ing.route(host, p.path, p.kind, backend)
			}
		}
	}
}

type pathMatch struct {
	path string
	kind networkingv1.PathType
}

// conditions splits the conditions of a rule into what an Ingress has fields for
// and the rest, which goes into an annotation.
func (ing *ingress) conditions(nodes []*jsontree.Node) (hosts []string, paths []pathMatch, extra []any) {
	for _, node := range nodes {
		values, config := conditionValues(node)
		switch field := strings.ToLower(node.Get("Field").Text()); field {
		case "host-header":
			for _, value := range values {
				if len(validation.IsDNS1123Subdomain(value.Text())) > 0 && len(validation.IsWildcardDNS1123Subdomain(value.Text())) > 0 {
					ing.personOnce(value, "Not a host that an Ingress takes: only *. at the start may stand for something.")
					continue
				}
				hosts = append(hosts, value.Text())
				ing.mapped(value, "Ingress/"+ing.name+" spec.rules[].host")
			}
		case "path-pattern":
			for _, value := range values {
				match, note := pathOf(value.Text())
				paths = append(paths, match)
				ing.approximated(value, "Ingress/"+ing.name+" spec.rules[].http.paths", note)
			}
		case "http-header", "query-string", "http-request-method", "source-ip":
			extra = append(extra, map[string]any{"field": field, configName(config.Key): lowerKeys(config)})
			ing.mapped(config, ing.target("conditions"))
		}
		ing.mapped(node.Get("Field"), "Ingress/"+ing.name+" spec.rules")
		ing.ignoreTree(node, "Said again in the condition's configuration.")
	}
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	if len(paths) == 0 {
		paths = []pathMatch{{path: "/", kind: networkingv1.PathTypePrefix}}
	}
	return hosts, paths, extra
}

func (ing *ingress) personOnce(node *jsontree.Node, note string) {
	if !ing.book.Claimed(node) {
		ing.person(node, ledger.StepTraffic, note)
	}
}

// conditionValues returns the values of a condition, from its configuration where
// it has one: describe-rules prints them twice.
func conditionValues(node *jsontree.Node) (values []*jsontree.Node, config *jsontree.Node) {
	for _, member := range node.Children() {
		if member.IsObject() {
			return member.Get("Values").Items(), member
		}
	}
	return node.Get("Values").Items(), nil
}

// pathOf turns a pattern of a listener rule into a path of an Ingress.
func pathOf(pattern string) (match pathMatch, note string) {
	if !strings.HasPrefix(pattern, "/") {
		pattern = "/" + pattern
	}
	prefix, isPrefix := strings.CutSuffix(pattern, "/*")
	switch {
	case isPrefix && !strings.ContainsAny(prefix, "*?"):
		return pathMatch{path: prefix + "/", kind: networkingv1.PathTypePrefix}, "A prefix also matches the path without what follows."
	case strings.ContainsAny(pattern, "*?"):
		return pathMatch{path: pattern, kind: networkingv1.PathTypeImplementationSpecific}, "A pattern only this controller understands."
	default:
		return pathMatch{path: pattern, kind: networkingv1.PathTypeExact}, "The exact path."
	}
}

// backend returns where an action sends requests; ok is false where it needs a
// person.
func (ing *ingress) backend(name string, action *jsontree.Node) (networkingv1.IngressBackend, bool) {
	switch strings.ToLower(action.Get("Type").Text()) {
	case "forward":
		return ing.forward(action)
	case "redirect", "fixed-response":
		ing.annotations[albPrefix+"actions."+name] = compactJSON(actionJSON(action))
		ing.mapped(action, ing.target("actions."+name))
		return annotationBackend(name), true
	default:
		ing.claimAuthentication(action)
		return networkingv1.IngressBackend{}, false
	}
}

func (ing *ingress) claimAuthentication(action *jsontree.Node) {
	ing.person(action.Get("Type"), ledger.StepTraffic, "Authentication or an action that an Ingress has only annotations for: set them.")
	for _, name := range []string{"AuthenticateOidcConfig", "AuthenticateCognitoConfig", "JwtValidationConfig"} {
		ing.claim(action.Get(name), ledger.Person, "", "", ledger.StepTraffic)
	}
}

// forward maps forwarding to the service's target group, which the Ingress replaces
// by one of its own. Weights between several groups are the old deployment's.
func (ing *ingress) forward(action *jsontree.Node) (networkingv1.IngressBackend, bool) {
	groups := targetGroupsIn(action)
	own := ing.targetGroupARNs()
	foreign := func(group string) bool { return len(own) > 0 && !slices.Contains(own, group) }
	if len(groups) > 0 && !slices.ContainsFunc(groups, func(group string) bool { return !foreign(group) }) {
		ing.claim(action, ledger.Ignored, "", "Forwards to a target group of another service.", "")
		return networkingv1.IngressBackend{}, false
	}
	if slices.ContainsFunc(groups, foreign) {
		ing.claim(action, ledger.Person, "Ingress/"+ing.name, "Forwards with weights to target groups of other services as well: the Ingress sends everything to "+ing.name+".", ledger.StepTraffic)
	} else {
		ing.mapped(action, "Ingress/"+ing.name+" spec.rules[].http.paths[].backend")
	}
	ing.routed = true
	return ing.serviceBackend(), true
}

func (w *workload) serviceBackend() networkingv1.IngressBackend {
	return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: w.name, Port: networkingv1.ServiceBackendPort{Number: w.servicePort()},
	}}
}

// annotationBackend is how the controller finds an action in an annotation.
func annotationBackend(name string) networkingv1.IngressBackend {
	return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: name, Port: networkingv1.ServiceBackendPort{Name: "use-annotation"},
	}}
}

// annotated puts a rule's further conditions into an annotation. They go by the
// name of the backend, so a forward becomes an action of its own.
func (ing *ingress) annotated(name string, action *jsontree.Node, extra []any, backend networkingv1.IngressBackend) networkingv1.IngressBackend {
	ing.annotations[albPrefix+"conditions."+name] = compactJSON(extra)
	if strings.EqualFold(action.Get("Type").Text(), "forward") {
		ing.annotations[albPrefix+"actions."+name] = compactJSON(map[string]any{
			"type":          "forward",
			"forwardConfig": map[string]any{"targetGroups": []any{map[string]any{"serviceName": ing.name, "servicePort": ing.servicePort()}}},
		})
		return annotationBackend(name)
	}
	return backend
}

func (ing *ingress) route(host, path string, kind networkingv1.PathType, backend networkingv1.IngressBackend) {
	i := slices.IndexFunc(ing.rules, func(rule networkingv1.IngressRule) bool { return rule.Host == host })
	if i < 0 {
		ing.rules = append(ing.rules, networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{}}})
		i = len(ing.rules) - 1
	}
	http := ing.rules[i].HTTP
	same := func(p networkingv1.HTTPIngressPath) bool {
		return p.Path == path && *p.PathType == kind && *p.Backend.Service == *backend.Service
	}
	if slices.ContainsFunc(http.Paths, same) {
		return // the same again, of another listener
	}
	http.Paths = append(http.Paths, networkingv1.HTTPIngressPath{Path: path, PathType: new(kind), Backend: backend})
}

// finish adds the Ingress. Without any rule it sends everything to the workload.
func (ing *ingress) finish() {
	if len(ing.listens) > 0 {
		ing.annotations[albPrefix+"listen-ports"] = "[" + strings.Join(ing.listens, ", ") + "]"
	}
	if len(ing.certificates) > 0 {
		ing.annotations[albPrefix+"certificate-arn"] = strings.Join(ing.certificates, ",")
	}
	if len(ing.groupAttrs) > 0 {
		ing.annotations[albPrefix+"target-group-attributes"] = strings.Join(ing.groupAttrs, ",")
	}
	if ing.annotations[albPrefix+"healthcheck-path"] == "" && ing.replaced {
		ing.annotations[albPrefix+"healthcheck-path"] = "/health"
	}
	if ing.annotations[albPrefix+"scheme"] == "" {
		ing.annotations[albPrefix+"scheme"] = "internal"
		ing.task(ledger.Task{
			Step: ledger.StepTraffic, Title: "Check the scheme of the load balancer of " + ing.name,
			Detail: "The load balancer is not among the inputs, so the Ingress asks for an internal one. For one that the internet reaches, set " + albPrefix + "scheme: internet-facing.",
		})
	}
	object := &networkingv1.Ingress{
		ObjectMeta: objectMeta(ing.meta(ing.name), ing.annotations),
		Spec:       networkingv1.IngressSpec{IngressClassName: new("alb"), Rules: ing.rules},
	}
	if !ing.routed {
		object.Spec.DefaultBackend = new(ing.serviceBackend())
	}
	ing.add(object)
}

// actionJSON is an action as the controller's annotation has it.
func actionJSON(action *jsontree.Node) map[string]any {
	result := map[string]any{"type": strings.ToLower(action.Get("Type").Text())}
	for _, name := range []string{"RedirectConfig", "FixedResponseConfig"} {
		if config := action.Get(name); config.IsObject() {
			result[configName(name)] = lowerKeys(config)
		}
	}
	return result
}

// configName is a member of the API's as the annotation spells it.
func configName(name string) string {
	if name == "" {
		return name
	}
	return strings.ToLower(name[:1]) + name[1:]
}

// lowerKeys copies a value with its members spelled as the annotation has them.
func lowerKeys(node *jsontree.Node) any {
	switch node.Kind {
	case jsontree.Object:
		result := map[string]any{}
		for _, child := range node.Children() {
			result[configName(child.Key)] = lowerKeys(child)
		}
		return result
	case jsontree.Array:
		result := []any{}
		for _, child := range node.Items() {
			result = append(result, lowerKeys(child))
		}
		return result
	case jsontree.Bool:
		return node.True()
	case jsontree.Null:
		return nil
	default:
		return node.Text()
	}
}

func compactJSON(value any) string {
	data, err := json.Marshal(value)
	if err != nil { // maps and slices of strings always marshal
		return "{}"
	}
	return string(data)
}
