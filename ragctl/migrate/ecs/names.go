package ecs

import (
	"regexp"
	"strings"
)

// Lengths that Kubernetes and the RAGService allow.
const (
	maxServiceName = 46 // what the RAGService allows, so that the labels of its children fit
	maxLabel       = 63
	maxPortName    = 15
)

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// dnsLabel turns a name of ECS into one that Kubernetes takes.
func dnsLabel(name string, limit int) string {
	label := strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(label) > limit {
		label = strings.TrimRight(label[:limit], "-")
	}
	return label
}

// serviceName is dnsLabel for names that must start with a letter, as those of
// Services do.
func serviceName(name string) string {
	label := dnsLabel(name, maxServiceName)
	if label == "" {
		return "service"
	}
	if label[0] >= '0' && label[0] <= '9' {
		label = strings.TrimRight(("s-" + label)[:min(len(label)+2, maxServiceName)], "-")
	}
	return label
}

var portNameRuns = regexp.MustCompile(`-+`)

// portName turns a name into one that ports may have: at most 15 characters, of
// which one is a letter.
func portName(name string) string {
	label := portNameRuns.ReplaceAllString(dnsLabel(name, maxPortName), "-")
	if !strings.ContainsAny(label, "abcdefghijklmnopqrstuvwxyz") {
		return ""
	}
	return label
}

var (
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	labelKey   = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	secretKey  = regexp.MustCompile(`[^-._a-zA-Z0-9]`)
	envName    = regexp.MustCompile(`^[!-<>-~][ -<>-~]*$`)
)

// arn is the parts of an Amazon Resource Name that matter here.
type arn struct{ service, region, account, resource string }

// parseARN splits an ARN; ok is false where text is none.
func parseARN(text string) (a arn, ok bool) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return arn{}, false
	}
	return arn{service: parts[2], region: parts[3], account: parts[4], resource: parts[5]}, true
}

// lastPart returns what follows the last slash, or all of it.
func lastPart(text string) string { return text[strings.LastIndexByte(text, '/')+1:] }
