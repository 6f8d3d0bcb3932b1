package interop

import (
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const healthKey = "resource.customizations.health.rag.ragops.dev_RAGService"

func TestArgoCDHealth(t *testing.T) {
	script, err := os.ReadFile("../../config/argocd/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		object      string
		wantStatus  string
		wantMessage string
	}{
		{
			name:        "just created",
			object:      "metadata: {generation: 1}\nspec: {}",
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
			wantStatus:  "Degraded",
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
			var object map[string]any
			if err := yaml.Unmarshal([]byte(tt.object), &object); err != nil {
				t.Fatal(err)
			}
			status, message := runHealth(t, string(script), object)
			if status != tt.wantStatus || message != tt.wantMessage {
				t.Errorf("got %s (%s), want %s (%s)", status, message, tt.wantStatus, tt.wantMessage)
			}
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

// runHealth runs the script as Argo CD does: the object is the global obj, and the
// table returned has status and message.
func runHealth(t *testing.T, script string, object map[string]any) (status, message string) {
	t.Helper()
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returned %s, want a table", state.Get(-1).Type())
	}
	return lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message"))
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, member := range v {
			table.RawSetString(key, toLua(state, member))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, member := range v {
			table.Append(toLua(state, member))
		}
		return table
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	default:
		return lua.LNil
	}
}
