package testkit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// auditPolicy has the API server write down all that one user asks, and nothing else.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [%q]
- level: None
`

// Audited starts an environment for one test whose API server writes down what a user
// asks, and by which role that is allowed. It is stricter than others: who makes an
// object with blockOwnerDeletion must be allowed to update the owner's finalizers, as
// on OpenShift.
func Audited(t *testing.T, user string) (*Environment, *Audit) {
	t.Helper()
	folder := t.TempDir()
	audit := &Audit{path: filepath.Join(folder, "audit.log")}
	policy := filepath.Join(folder, "policy.yaml")
	if err := os.WriteFile(policy, fmt.Appendf(nil, auditPolicy, user), 0o600); err != nil {
		t.Fatal(err)
	}
	return forOne(t, func(server *envtest.Environment) {
		server.ControlPlane.GetAPIServer().Configure().
			Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement").
			Set("audit-policy-file", policy).
			Set("audit-log-path", audit.path)
	}), audit
}

// Audit is what a user asked of an API server.
type Audit struct{ path string }

// Permission is what it takes to be allowed a request.
type Permission struct {
	// Role that grants it, such as "ClusterRole/view".
	Role string
	// Resource with its group and, where there is one, its subresource, such as
	// "apps/deployments/scale". That of the core group begins with a slash.
	Resource string
	Verb     string
}

func (p Permission) String() string { return p.Role + ": " + p.Verb + " " + p.Resource }

// allowedBy finds the role in the reason that the API server gives.
var allowedBy = regexp.MustCompile(`of (ClusterRole|Role) "([^"]+)"`)

// Read returns the permissions that were used so far, and the requests that were
// denied.
func (a *Audit) Read(t *testing.T) (used map[Permission]bool, denied []string) {
	t.Helper()
	file, err := os.Open(a.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	used = map[Permission]bool{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditv1.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			continue // the last line is being written
		}
		switch role := allowedBy.FindStringSubmatch(event.Annotations["authorization.k8s.io/reason"]); {
		case event.Annotations["authorization.k8s.io/decision"] != "allow":
			denied = append(denied, event.Verb+" "+event.RequestURI)
		case event.ObjectRef != nil && role != nil:
			p := Permission{Role: role[1] + "/" + role[2], Resource: event.ObjectRef.APIGroup + "/" + event.ObjectRef.Resource, Verb: event.Verb}
			if event.ObjectRef.Subresource != "" {
				p.Resource += "/" + event.ObjectRef.Subresource
			}
			used[p] = true
			if p.Verb == "patch" && event.ResponseStatus != nil && event.ResponseStatus.Code == http.StatusCreated {
				p.Verb = "create" // which the API server checks as well
				used[p] = true
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return used, denied
}
