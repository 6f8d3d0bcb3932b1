package ecs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// convertSecurity maps who a container runs as and what it may do.
func (w *workload) convertSecurity(ctr *container, pod *corev1.PodSpec) {
	node := ctr.node
	field := w.podField("containers[" + ctr.name + "].securityContext.")
	security := &corev1.SecurityContext{}
	w.convertUser(ctr, security, field)
	if node.Get("privileged").True() {
		security.Privileged = new(true)
		w.mapped(node.Get("privileged"), field+"privileged")
	}
	w.ignore(node.Get("privileged"), "Off, as in Kubernetes.")
	if node.Get("readonlyRootFilesystem").True() {
		security.ReadOnlyRootFilesystem = new(true)
		w.mapped(node.Get("readonlyRootFilesystem"), field+"readOnlyRootFilesystem")
	}
	w.ignore(node.Get("readonlyRootFilesystem"), "Off, as in Kubernetes.")

	capabilities := node.Find("linuxParameters", "capabilities")
	added, dropped := capabilityNames(capabilities.Get("add")), capabilityNames(capabilities.Get("drop"))
	if len(added)+len(dropped) > 0 {
		security.Capabilities = &corev1.Capabilities{Add: added, Drop: dropped}
		w.mapped(capabilities.Get("add"), field+"capabilities.add")
		w.mapped(capabilities.Get("drop"), field+"capabilities.drop")
	}
	w.convertSysctls(ctr, pod)
	w.convertSecurityOptions(ctr, security, field)
	if *security != (corev1.SecurityContext{}) {
		ctr.spec.SecurityContext = security
	}
}

func capabilityNames(list *jsontree.Node) []corev1.Capability {
	var names []corev1.Capability
	for _, item := range list.Items() {
		if name := strings.TrimPrefix(strings.ToUpper(item.Text()), "CAP_"); name != "" {
			names = append(names, corev1.Capability(name))
		}
	}
	return names
}

var numericUser = regexp.MustCompile(`^(\d{1,9})(?::(\d{1,9}))?$`)

func (w *workload) convertUser(ctr *container, security *corev1.SecurityContext, field string) {
	user := ctr.node.Get("user")
	parts := numericUser.FindStringSubmatch(user.Text())
	if parts == nil {
		if user.Text() != "" {
			w.person(user, ledger.StepWorkload, "Kubernetes takes numbers only: set runAsUser and runAsGroup to the ids that these names have in the image.")
		}
		return
	}
	id, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return
	}
	security.RunAsUser = new(id)
	if group, err := strconv.ParseInt(parts[2], 10, 64); err == nil {
		security.RunAsGroup = new(group)
	}
	w.mapped(user, field+"runAsUser")
}

// safeSysctls may be set without asking the node's administrator.
var safeSysctls = []string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
	"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}

func (w *workload) convertSysctls(ctr *container, pod *corev1.PodSpec) {
	for _, control := range ctr.node.Get("systemControls").Items() {
		name := control.Get("namespace").Text()
		if !slices.Contains(safeSysctls, name) {
			w.person(control, ledger.StepWorkload, "The node must allow this sysctl (the kubelet's --allowed-unsafe-sysctls): then set it in the pod's securityContext.")
			continue
		}
		if pod.SecurityContext == nil {
			pod.SecurityContext = &corev1.PodSecurityContext{}
		}
		if !slices.ContainsFunc(pod.SecurityContext.Sysctls, func(s corev1.Sysctl) bool { return s.Name == name }) {
			pod.SecurityContext.Sysctls = append(pod.SecurityContext.Sysctls, corev1.Sysctl{Name: name, Value: control.Get("value").Text()})
		}
		w.approximated(control, w.podField("securityContext.sysctls"), "")
	}
}

func (w *workload) convertSecurityOptions(ctr *container, security *corev1.SecurityContext, field string) {
	for _, option := range ctr.node.Get("dockerSecurityOptions").Items() {
		if option.Text() == "no-new-privileges" || option.Text() == "no-new-privileges:true" {
			if security.Privileged == nil && (security.Capabilities == nil || !slices.Contains(security.Capabilities.Add, "SYS_ADMIN")) {
				security.AllowPrivilegeEscalation = new(false)
				w.approximated(option, field+"allowPrivilegeEscalation", "")
			}
		}
	}
}

// convertLinux maps the rest of linuxParameters: memory that looks like files.
func (w *workload) convertLinux(ctr *container, pod *corev1.PodSpec) {
	parameters := ctr.node.Get("linuxParameters")
	for i, tmpfs := range parameters.Get("tmpfs").Items() {
		name := dnsLabel(fmt.Sprintf("tmpfs-%d-%s", i+1, ctr.name), maxLabel)
		if w.memoryVolume(ctr, pod, name, tmpfs.Get("containerPath").Text(), tmpfs.Get("size")) {
			w.mapped(tmpfs.Get("containerPath"), w.podField("volumes["+name+"]"))
			w.mapped(tmpfs.Get("size"), w.podField("volumes["+name+"].emptyDir.sizeLimit"))
		}
		w.ignore(tmpfs.Get("containerPath"), "Something is mounted there already, or it is no path.")
		w.ignore(tmpfs.Get("size"), "The volume is left out.")
	}
	shared := parameters.Get("sharedMemorySize")
	name := dnsLabel("shm-"+ctr.name, maxLabel)
	if size, ok := shared.Int(); ok && size > 0 && w.memoryVolume(ctr, pod, name, "/dev/shm", shared) {
		w.mapped(shared, w.podField("volumes["+name+"]"))
	}
	w.ignore(shared, "Not a size, or something is mounted there already.")
	if !parameters.Get("initProcessEnabled").True() {
		w.ignore(parameters.Get("initProcessEnabled"), "Off, as in Kubernetes.")
	}
}

func (w *workload) memoryVolume(ctr *container, pod *corev1.PodSpec, name, path string, size *jsontree.Node) bool {
	if path == "" || strings.Contains(path, ":") || hasMount(ctr, path) {
		return false
	}
	source := &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
	if mebi, ok := size.Int(); ok && mebi > 0 {
		source.SizeLimit = new(mebibytes(mebi))
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: source}})
	ctr.spec.VolumeMounts = append(ctr.spec.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path})
	return true
}

// convertHosts maps names that a container resolves by itself.
func (w *workload) convertHosts(ctr *container, pod *corev1.PodSpec) {
	for _, link := range ctr.node.Get("links").Items() {
		target, alias, _ := strings.Cut(link.Text(), ":")
		alias = cmp.Or(alias, target)
		if w.containerNamed(target) == nil || !addHostAlias(pod, "127.0.0.1", alias) {
			w.person(link, ledger.StepNetwork, "No container of this task, or no name that Kubernetes takes: give it a Service name.")
			continue
		}
		w.approximated(link, w.podField("hostAliases[127.0.0.1]"), "")
	}
	for _, host := range ctr.node.Get("extraHosts").Items() {
		if !addHostAlias(pod, host.Get("ipAddress").Text(), host.Get("hostname").Text()) {
			w.person(host, ledger.StepNetwork, "No address or no host name: left out.")
			continue
		}
		w.mapped(host, w.podField("hostAliases"))
	}
	w.convertDNS(ctr, pod)
	if ctr.node.Get("disableNetworking").True() {
		w.person(ctr.node.Get("disableNetworking"), ledger.StepNetwork, "A NetworkPolicy that allows nothing takes its place.")
	}
	w.ignore(ctr.node.Get("disableNetworking"), "Off.")
}

func addHostAlias(pod *corev1.PodSpec, address, name string) bool {
	name = strings.ToLower(name)
	if len(validation.IsDNS1123Subdomain(name)) > 0 || len(validation.IsValidIP(nil, address)) > 0 {
		return false
	}
	for i := range pod.HostAliases {
		if pod.HostAliases[i].IP == address {
			if !slices.Contains(pod.HostAliases[i].Hostnames, name) {
				pod.HostAliases[i].Hostnames = append(pod.HostAliases[i].Hostnames, name)
			}
			return true
		}
	}
	pod.HostAliases = append(pod.HostAliases, corev1.HostAlias{IP: address, Hostnames: []string{name}})
	return true
}

// convertDNS maps a container's resolver settings, which in a pod are for all.
func (w *workload) convertDNS(ctr *container, pod *corev1.PodSpec) {
	servers, domains := ctr.node.Get("dnsServers"), ctr.node.Get("dnsSearchDomains")
	if len(servers.Items())+len(domains.Items()) == 0 {
		return
	}
	if pod.DNSConfig == nil {
		pod.DNSConfig = &corev1.PodDNSConfig{}
	}
	for _, server := range servers.Items() {
		if len(validation.IsValidIP(nil, server.Text())) > 0 || len(pod.DNSConfig.Nameservers) == 3 {
			w.person(server, ledger.StepNetwork, "Not an address, or the fourth: Kubernetes takes three.")
			continue
		}
		pod.DNSPolicy = corev1.DNSNone
		if !slices.Contains(pod.DNSConfig.Nameservers, server.Text()) {
			pod.DNSConfig.Nameservers = append(pod.DNSConfig.Nameservers, server.Text())
		}
		w.approximated(server, w.podField("dnsConfig.nameservers"), "")
	}
	for _, domain := range domains.Items() {
		if len(validation.IsDNS1123Subdomain(domain.Text())) > 0 {
			w.person(domain, ledger.StepNetwork, "Not a domain name: left out.")
			continue
		}
		pod.DNSConfig.Searches = append(pod.DNSConfig.Searches, domain.Text())
		w.mapped(domain, w.podField("dnsConfig.searches"))
	}
}

// convertDockerLabels makes annotations of the labels of a container, except those
// that look like a secret.
func (w *workload) convertDockerLabels(ctr *container) {
	for _, label := range ctr.node.Get("dockerLabels").Children() {
		if looksSecret(label.Key, label.Text()) {
			w.person(label, ledger.StepSecrets, "Looks like a secret, which is no label: not copied. Change it.")
			continue
		}
		key := "docker.migrate.ragops.dev/" + annotationKey(label.Key)
		w.annotations[key] = label.Text()
		w.approximated(label, w.podField("metadata.annotations["+key+"]"), "")
	}
}
