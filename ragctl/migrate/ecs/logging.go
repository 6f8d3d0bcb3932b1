package ecs

import (
	"fmt"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// logOptions say what becomes of the options of log drivers. What they ask for is
// the log agent's work now; those that name a place to send to are for a person.
var logOptions = map[string]struct {
	bucket ledger.Bucket
	note   string
}{
	"awslogs-group":           {human, "Alarms and metric filters are of this log group: let the log agent write to the same one, or move them."},
	"awslogs-region":          {near, "The log agent's region."},
	"awslogs-stream-prefix":   {near, "The log agent names streams after pods."},
	"awslogs-create-group":    {dropped, "The log agent makes its groups."},
	"awslogs-datetime-format": {near, "Lines that belong together: a multi-line parser of the log agent."},
	"awslogs-multiline-pattern": {near,
		"Lines that belong together: a multi-line parser of the log agent."},
	"mode":                    {dropped, "Standard output never blocks the process."},
	"max-buffer-size":         {dropped, "Standard output never blocks the process."},
	"max-size":                {dropped, "The kubelet rotates logs."},
	"max-file":                {dropped, "The kubelet rotates logs."},
	"enable-ecs-log-metadata": {near, "The log agent adds the metadata of Kubernetes."},
	"auto_create_group":       {dropped, "The log agent makes its groups."},
	"workers":                 {dropped, "A setting of the router's output."},
	"retry_limit":             {dropped, "A setting of the router's output."},
	"provider":                {dropped, "It named ECS as the source."},
}

// logDestination is what to do about the options that are not in the list.
const logDestination = "Where and how the router sent logs: set the same output in the cluster's log agent."

// convertLogging maps logging to standard output, which the cluster's log agent
// collects.
func (w *workload) convertLogging(ctr *container) {
	configuration := ctr.node.Get("logConfiguration")
	driver := configuration.Get("logDriver")
	switch strings.ToLower(driver.Text()) {
	case "awslogs", "awsfirelens", "json-file":
		w.approximated(driver, "standard output", "")
	default:
		w.person(driver, ledger.StepObserve, "The cluster's log agent must send logs where this driver did.")
	}
	w.convertLogOptions(configuration.Get("options"))
	w.convertLogOptions(ctr.node.Find("firelensConfiguration", "options"))
	w.approximated(ctr.node.Find("firelensConfiguration", "type"), "log agent", "")
}

func (w *workload) convertLogOptions(options *jsontree.Node) {
	for _, option := range options.Children() {
		known, ok := logOptions[strings.ToLower(option.Key)]
		switch {
		case looksSecret(option.Key, option.Text()):
			w.person(option, ledger.StepSecrets, "Looks like a secret in plain text: not copied. Change it, and give it to the log agent as a Secret.")
		case !ok:
			w.person(option, ledger.StepObserve, logDestination)
		default:
			w.claim(option, known.bucket, "log agent", known.note, ledger.StepObserve)
		}
	}
}

// routerTask says that a log router that came with the task is one too many. It
// stays in a Deployment, because only a person can tell what else it does.
func (w *workload) routerTask() {
	for _, ctr := range w.containers {
		if ctr.role != roleLogRouter {
			continue
		}
		w.task(ledger.Task{
			Step:   ledger.StepObserve,
			Title:  fmt.Sprintf("Let the cluster's log agent do the work of the container %s", ctr.name),
			Detail: "FireLens sent the other containers' output to this router; in a pod nothing does. Its outputs belong into the log agent (Fluent Bit as a DaemonSet), and the container can then go.",
		})
	}
}
