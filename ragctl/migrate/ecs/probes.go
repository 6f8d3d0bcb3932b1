package ecs

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

// ECS's defaults of a container health check.
const (
	defaultInterval = 30
	defaultTimeout  = 5
	defaultRetries  = 3
)

// checkCommand is the command of a health check, understood.
type checkCommand struct {
	http   *corev1.HTTPGetAction
	exec   []string
	note   string // how the http check differs from the command
	broken string // why it can't be converted
}

// parseCheck understands the command of a container's health check. A bare path
// without CMD or CMD-SHELL exists in the wild; ECS runs it as CMD.
func parseCheck(command []string) checkCommand {
	if len(command) == 0 {
		return checkCommand{broken: "There is no command."}
	}
	switch strings.ToUpper(command[0]) {
	case "NONE":
		return checkCommand{broken: "NONE switches the image's own check off, of which Kubernetes knows nothing."}
	case "CMD-SHELL":
		script := strings.Join(command[1:], " ")
		if http, note := httpCheck(script); http != nil {
			return checkCommand{http: http, note: note}
		}
		return checkCommand{exec: []string{"/bin/sh", "-c", script}}
	case "CMD":
		command = command[1:]
	}
	if len(command) == 0 {
		return checkCommand{broken: "There is no command."}
	}
	if http, note := httpCheck(strings.Join(command, " ")); http != nil {
		return checkCommand{http: http, note: note}
	}
	return checkCommand{exec: command}
}

var (
	exitClause = regexp.MustCompile(`\s*\|\|\s*(exit\s+\d+|false|kill\s.*)\s*;?\s*$`)
	checkURL   = regexp.MustCompile(`https?://(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(:\d+)?(/[^\s'")]*)?`)
)

// httpCheck returns the request that a script makes, if that is all it does.
func httpCheck(script string) (*corev1.HTTPGetAction, string) {
	plain := exitClause.ReplaceAllString(script, "")
	target := checkURL.FindString(plain)
	if target == "" || strings.ContainsAny(strings.ReplaceAll(plain, target, ""), "|&;`$><") && !strings.Contains(plain, "urllib") {
		return nil, ""
	}
	words := strings.Fields(plain)
	note := ""
	switch {
	case strings.HasSuffix(words[0], "curl"):
		for _, word := range words[1:] {
			if slices.Contains([]string{"-X", "-d", "-H", "--data", "--header", "--request", "-u", "--user"}, word) {
				return nil, ""
			}
		}
		if !slices.ContainsFunc(words[1:], fails) {
			note = "The command took any answer for healthy (curl without -f); the probe wants a status from 200 to 399."
		}
	case strings.HasSuffix(words[0], "wget"):
	case strings.Contains(words[0], "python") && strings.Contains(plain, "urllib"):
	default:
		return nil, ""
	}
	return httpAction(target), note
}

// fails reports whether a word of curl's makes it fail on a status of 400 or more.
func fails(word string) bool {
	return word == "--fail" || word == "--fail-with-body" || strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") && strings.Contains(word, "f")
}

func httpAction(target string) *corev1.HTTPGetAction {
	u, err := url.Parse(target)
	if err != nil {
		return nil
	}
	action := &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(80)}
	if u.Path != "" {
		action.Path = u.RequestURI()
	}
	if u.Scheme == "https" {
		action.Scheme = corev1.URISchemeHTTPS
		action.Port = intstr.FromInt32(443)
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil && port > 0 {
		action.Port = intstr.FromInt32(int32(port))
	}
	return action
}

// positive reads a number of at least 1, or the default.
func positive(node *jsontree.Node, fallback int32) int32 {
	if value, ok := node.Int(); ok && value > 0 {
		return int32(value)
	}
	return fallback
}

// convertHealthCheck maps a container's health check to startup and liveness
// probes. grace is the service's healthCheckGracePeriodSeconds.
func (w *workload) convertHealthCheck(ctr *container, grace int32) {
	check := ctr.node.Get("healthCheck")
	if !check.IsSet() {
		return
	}
	command := check.Get("command")
	parsed := parseCheck(command.Texts())
	if parsed.broken != "" {
		w.ignore(check, parsed.broken)
		return
	}
	probe := corev1.Probe{
		PeriodSeconds:    positive(check.Get("interval"), defaultInterval),
		TimeoutSeconds:   positive(check.Get("timeout"), defaultTimeout),
		FailureThreshold: positive(check.Get("retries"), defaultRetries),
	}
	field := "containers[" + ctr.name + "]."
	if parsed.http != nil {
		probe.HTTPGet = parsed.http
		if parsed.note != "" {
			w.approximated(command, w.podField(field+"livenessProbe.httpGet"), parsed.note)
		}
		w.mapped(command, w.podField(field+"livenessProbe.httpGet"))
	} else {
		probe.Exec = &corev1.ExecAction{Command: w.arguments(ctr, command, parsed.exec)}
		w.mapped(command, w.podField(field+"livenessProbe.exec"))
	}
	w.mapped(check.Get("interval"), w.podField(field+"livenessProbe.periodSeconds"))
	w.mapped(check.Get("timeout"), w.podField(field+"livenessProbe.timeoutSeconds"))
	w.mapped(check.Get("retries"), w.podField(field+"livenessProbe.failureThreshold"))
	w.approximated(check.Get("startPeriod"), w.podField(field+"startupProbe.failureThreshold"), "")

	startup := probe
	budget := max(positive(check.Get("startPeriod"), 0), grace)
	startup.FailureThreshold = probe.FailureThreshold + (budget+probe.PeriodSeconds-1)/probe.PeriodSeconds
	ctr.spec.StartupProbe = &startup
	ctr.spec.LivenessProbe = &probe
}
