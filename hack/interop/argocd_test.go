package interop

import (
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const healthKey = "resource.customizations.health.rag.ragops.dev_RAGService"

// TestArgoCDHealth judges objects that the operator of today does not make, and what
// Argo CD shows people of those that it does.
func TestArgoCDHealth(t *testing.T) {
	tests := []struct {
		name        string
		object      string
		wantStatus  string
		wantMessage string
	}{
		{
			name:        "just created",
			object:      "{metadata: {generation: 1}, spec: {}, status: {observedGeneration: -1}}",
			wantStatus:  "Progressing",
			wantMessage: "Waiting for the operator to look at the resource",
		},
		{
			name: "old status",
			object: `{metadata: {generation: 2}, spec: {}, status: {observedGeneration: 1, conditions: [
			  {type: Ready, status: "True", message: answers}]}}`,
			wantStatus:  "Progressing",
			wantMessage: "Waiting for the operator to look at the newest generation",
		},
		{
			name: "rolling out",
			object: `{metadata: {generation: 2}, spec: {}, status: {observedGeneration: 2, conditions: [
			  {type: Ready, status: "False", message: 1 of 2 pods},
			  {type: Reconciling, status: "True", message: rolling out}]}}`,
			wantStatus:  "Progressing",
			wantMessage: "rolling out",
		},
		{
			name: "ready, with objectives missed and a condition of a later version",
			object: `{metadata: {generation: 1}, spec: {}, status: {observedGeneration: 1, conditions: [
			  {type: Stopped, status: "False", message: unknown to this script},
			  {type: ObjectivesMet, status: "False", message: p95 is 3s},
			  {type: Ready, status: "True", message: answers queries}]}}`,
			wantStatus:  "Healthy",
			wantMessage: "answers queries",
		},
		{
			name: "stalled by a missing Secret",
			object: `{metadata: {generation: 1}, spec: {}, status: {observedGeneration: 1, conditions: [
			  {type: Ready, status: "False", message: not ready},
			  {type: Stalled, status: "True", message: Secret openai not found}]}}`,
			wantStatus:  "Degraded",
			wantMessage: "Secret openai not found",
		},
		{
			name: "not ready, and nothing under way",
			object: `{metadata: {generation: 1}, spec: {}, status: {observedGeneration: 1, conditions: [
			  {type: Ready, status: "False", message: no pod is ready}]}}`,
			wantStatus:  "Progressing",
			wantMessage: "no pod is ready",
		},
		{
			name: "suspended",
			object: `{metadata: {generation: 1}, spec: {suspend: true}, status: {observedGeneration: 1, conditions: [
			  {type: Ready, status: "True", message: answers}]}}`,
			wantStatus:  "Suspended",
			wantMessage: "spec.suspend is set: the operator changes nothing",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := yaml.YAMLToJSON([]byte("{apiVersion: rag.ragops.dev/v1alpha1, kind: RAGService, " + tt.object[1:]))
			if err != nil {
				t.Fatal(err)
			}
			object := &unstructured.Unstructured{}
			if err := object.UnmarshalJSON(data); err != nil {
				t.Fatal(err)
			}
			got, message := argoHealth(t, object)
			if got != tt.wantStatus || message != tt.wantMessage {
				t.Errorf("got %s (%s), want %s (%s)", got, message, tt.wantStatus, tt.wantMessage)
			}
			inStep(t, object)
		})
	}
}

// TestArgoCDConfigMap holds the ConfigMap that users apply to the script that is
// tested.
func TestArgoCDConfigMap(t *testing.T) {
	script, err := os.ReadFile("../../config/argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../../config/argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var configMap corev1.ConfigMap
	if err := yaml.UnmarshalStrict(data, &configMap); err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(configMap.Data[healthKey]) != strings.TrimSpace(string(script)) {
		t.Errorf("config/argocd/argocd-cm.yaml holds another script than config/argocd/health.lua")
	}
}

// argoHealth is what Argo CD says of an object: with the script of the ConfigMap, run
// as Argo CD runs it. The object is the global obj, of Lua's libraries there are three,
// and the table returned has status and message.
func argoHealth(t *testing.T, object *unstructured.Unstructured) (status, message string) {
	t.Helper()
	if object.GetDeletionTimestamp() != nil {
		return "Progressing", "Pending deletion" // for which Argo CD asks no script
	}
	script, err := os.ReadFile("../../config/argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(library.open), Protect: true}, lua.LString(library.name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetGlobal("obj", toLua(t, state, object.Object))
	if err := state.DoString(string(script)); err != nil {
		t.Fatal(err)
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returned %s, want a table", state.Get(-1).Type())
	}
	return lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message"))
}

func toLua(t *testing.T, state *lua.LState, value any) lua.LValue {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, member := range v {
			table.RawSetString(key, toLua(t, state, member))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, member := range v {
			table.Append(toLua(t, state, member))
		}
		return table
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	case nil:
		return lua.LNil
	default:
		t.Fatalf("an object has a %T", value)
		return nil
	}
}
