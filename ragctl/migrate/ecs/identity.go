package ecs

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// roleAnnotation is how IAM roles for service accounts name the role.
const roleAnnotation = "eks.amazonaws.com/role-arn"

// identity is who the pods are towards AWS.
type identity struct {
	taskRole      string // ARN; empty where the task has none
	executionRole string
	reader        bool // the secret store reads with the execution role
}

// convertIdentity maps the two roles of a task. They must not be mixed up: the
// execution role was ECS's, never the application's.
func (w *workload) convertIdentity() {
	task := w.node
	if role := task.Get("taskRoleArn"); role.Text() != "" {
		w.convertTaskRole(role.Text())
		if _, ok := parseARN(role.Text()); ok || isPlaceholder(role.Text()) {
			w.mapped(role, "ServiceAccount/"+w.name+" "+w.identityField())
		} else {
			w.claim(role, ledger.Person, "ServiceAccount/"+w.name+" "+w.identityField(), "A role's name without its account: complete the ARN, arn:aws:iam::ACCOUNT:role/NAME.", ledger.StepIdentity)
		}
	}
	if role := task.Get("executionRoleArn"); role.Text() != "" {
		w.identity.executionRole = role.Text()
		note := ""
		if role.Text() == task.Get("taskRoleArn").Text() {
			note = "The same role as the task's: the pods keep all it allows, also what only ECS needed. Split it."
		}
		w.approximated(role, "", note)
	}
}

func (w *workload) identityField() string {
	if w.options.Identity == PodIdentity {
		return "(PodIdentityAssociation)"
	}
	return "annotation " + roleAnnotation
}

func (w *workload) convertTaskRole(role string) {
	w.identity.taskRole = role
	w.task(ledger.Task{
		Step:    ledger.StepIdentity,
		Title:   "Let the ServiceAccount " + w.name + " assume the role " + lastPart(role),
		Detail:  "Add this statement to the role's trust policy; keep the one for ecs-tasks.amazonaws.com until the old service is gone.",
		Command: w.trustPolicy(w.name),
	})
}

// serviceAccountAnnotations are of the pods' ServiceAccount.
func (w *workload) serviceAccountAnnotations() map[string]string {
	if w.identity.taskRole == "" || w.options.Identity == PodIdentity {
		return nil
	}
	return map[string]string{roleAnnotation: w.identity.taskRole}
}

// trustPolicy is the statement that lets a ServiceAccount assume a role. The
// account and the cluster's OIDC provider are not in the inputs.
func (w *workload) trustPolicy(account string) string {
	if w.options.Identity == PodIdentity {
		return `{"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]}`
	}
	return fmt.Sprintf(`{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::<ACCOUNT>:oidc-provider/<OIDC_PROVIDER>"}, "Action": "sts:AssumeRoleWithWebIdentity",
 "Condition": {"StringEquals": {"<OIDC_PROVIDER>:sub": "system:serviceaccount:%s:%s", "<OIDC_PROVIDER>:aud": "sts.amazonaws.com"}}}`, w.options.Namespace, account)
}

// secretsReader returns the ServiceAccount with which the secret store reads, or ""
// where it reads with its own identity.
func (w *workload) secretsReader() string {
	if w.identity.executionRole == "" || w.options.Identity == PodIdentity {
		return ""
	}
	w.identity.reader = true
	return w.name + "-secrets-reader"
}

// emitIdentity adds the ServiceAccounts that no operator makes, and what binds
// roles to them.
func (w *workload) emitIdentity() {
	if !w.replaced {
		account := &corev1.ServiceAccount{ObjectMeta: w.meta(w.name)}
		account.Annotations = w.serviceAccountAnnotations()
		w.add(account)
	}
	if w.options.Identity == PodIdentity && w.identity.taskRole != "" {
		w.add(w.custom("eks.services.k8s.aws/v1alpha1", "PodIdentityAssociation", w.name, map[string]any{
			"clusterName":    "CLUSTER_TO_FILL_IN",
			"namespace":      w.options.Namespace,
			"serviceAccount": w.name,
			"roleARN":        w.identity.taskRole,
		}))
		w.task(ledger.Task{
			Step:    ledger.StepIdentity,
			Title:   "Fill in the cluster's name in the PodIdentityAssociation " + w.name,
			Detail:  "It is applied by the ACK controller for EKS. Without that controller make the association with the aws command line.",
			Command: fmt.Sprintf("aws eks create-pod-identity-association --cluster-name <CLUSTER> --namespace %s --service-account %s --role-arn %s", w.options.Namespace, w.name, w.identity.taskRole),
		})
	}
	if w.identity.reader {
		reader := &corev1.ServiceAccount{ObjectMeta: w.meta(w.name + "-secrets-reader")}
		reader.Annotations = map[string]string{roleAnnotation: w.identity.executionRole}
		w.add(reader)
		w.task(ledger.Task{
			Step:    ledger.StepIdentity,
			Title:   "Let the secret store read with the execution role " + lastPart(w.identity.executionRole),
			Detail:  "Better: a role of its own with only secretsmanager:GetSecretValue and ssm:GetParameter for these secrets. Add this to its trust policy.",
			Command: w.trustPolicy(reader.Name),
		})
	}
}
