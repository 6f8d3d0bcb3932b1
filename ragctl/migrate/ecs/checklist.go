package ecs

import (
	"cmp"
	"fmt"
	"slices"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// checklist puts everything a person has to do in the order of a cut-over: what the
// leaves ask for, what the conversion found out, and the cut-over itself.
func (c *converter) checklist(entries []ledger.Entry) []ledger.Task {
	tasks := slices.Clone(c.tasks)
	tasks = append(tasks, leafTasks(entries)...)
	for _, w := range c.workloads {
		tasks = append(tasks, w.cutOver()...)
	}
	slices.SortStableFunc(tasks, func(a, b ledger.Task) int {
		return cmp.Compare(slices.Index(ledger.Steps, a.Step), slices.Index(ledger.Steps, b.Step))
	})
	if tasks == nil {
		return []ledger.Task{}
	}
	return tasks
}

// leafTasks makes one task of all leaves that ask for the same.
func leafTasks(entries []ledger.Entry) []ledger.Task {
	var tasks []ledger.Task
	index := map[string]int{}
	for _, entry := range entries {
		if entry.Bucket != ledger.Person {
			continue
		}
		key := string(entry.Step) + "\x00" + entry.Note
		i, ok := index[key]
		if !ok {
			i = len(tasks)
			index[key] = i
			tasks = append(tasks, ledger.Task{Step: entry.Step, Title: entry.Note})
		}
		tasks[i].Leaves = append(tasks[i].Leaves, entry.Source+" "+entry.Path)
	}
	return tasks
}

// cutOver is how traffic moves from ECS to a workload, and back if need be.
func (w *workload) cutOver() []ledger.Task {
	namespace, service := w.options.Namespace, cmp.Or(w.serviceName, "<SERVICE>")
	wait := fmt.Sprintf("kubectl -n %s rollout status deployment/%s", namespace, w.name)
	if w.replaced {
		wait = fmt.Sprintf("kubectl -n %s wait ragservice/%s --for=condition=Ready --timeout=5m", namespace, w.name)
	}
	tasks := []ledger.Task{
		{Step: ledger.StepWorkload, Title: "Apply the objects and wait for " + w.name, Command: "kubectl apply -f converted.yaml\n" + wait},
	}
	if w.isDaemon() {
		return tasks
	}
	tasks = append(tasks, w.moveTraffic()...)
	tasks = append(tasks,
		ledger.Task{
			Step: ledger.StepDrain, Title: "Scale the ECS service down, and keep it",
			Detail:  "Its tasks finish what they are at. Keep the service at 0 and its roles, secrets and target group until the new one has seen a whole week.",
			Command: "aws ecs update-service --cluster <CLUSTER> --service " + service + " --desired-count 0",
		},
		ledger.Task{
			Step: ledger.StepRollback, Title: "Know the way back before the first step",
			Detail:  "Scale the ECS service up, wait for its tasks to be healthy, and set the weight of the old target group to 100.",
			Command: "aws ecs update-service --cluster <CLUSTER> --service " + service + " --desired-count " + itoa(w.scaling.min),
		})
	if w.mayNeedFiles() {
		tasks = append(tasks, ledger.Task{
			Step: ledger.StepWorkload, Title: "Check the limit of open files on the nodes",
			Detail:  "Fargate gives every container 65535 unless told otherwise; on Kubernetes it is the container runtime's (often 1048576).",
			Command: fmt.Sprintf("kubectl -n %s exec deploy/%s -- sh -c 'ulimit -n'", namespace, w.name),
		})
	}
	return tasks
}

// moveTraffic is how callers get from the old service to the new one.
func (w *workload) moveTraffic() []ledger.Task {
	if len(w.targetGroupARNs()) == 0 && len(w.otherDocuments(kindListener))+len(w.otherDocuments(kindTargetGroup)) == 0 {
		return []ledger.Task{{
			Step: ledger.StepTraffic, Title: "Point the callers of " + w.name + " at its Service, some first and then all",
			Detail: "The inputs name no load balancer. Inside the cluster it is " + w.name + "." + w.options.Namespace + ":" + itoa(w.servicePort()) + ".",
		}}
	}
	return []ledger.Task{
		{
			Step: ledger.StepTraffic, Title: "Move traffic to " + w.name + " in steps",
			Detail: "Both run side by side. Forward with weights from the listener's rule to the old target group and to the new one that the Ingress made: 1 %, 10 %, 50 %, 100 %, and watch latency and errors at each. " +
				"Do not bind pods to the target group of the ECS service: its controller would deregister the tasks.",
			Command: `aws elbv2 modify-rule --rule-arn <RULE> --actions '[{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "<OLD>", "Weight": 99}, {"TargetGroupArn": "<NEW>", "Weight": 1}]}}]'`,
		},
		{
			Step: ledger.StepDNS, Title: "Lower the TTL of the DNS records of " + w.name + " to 60 seconds, and move them once all traffic goes to the new target group",
			Detail: "Lower it at least one old TTL before the move.",
		},
	}
}

// mayNeedFiles reports whether the service ran with Fargate's own limit of open
// files.
func (w *workload) mayNeedFiles() bool {
	fargate := slices.Contains(w.node.Get("requiresCompatibilities").Texts(), "FARGATE")
	return fargate && !w.replaced && len(w.main.node.Get("ulimits").Items()) == 0
}
