package main

// template is one file of the chart: objects of the kustomization with values put
// in their place.
type template struct {
	file string
	// when is the condition on values under which the objects are there; empty for
	// always.
	when string
	// each is the value with an item for each of which the objects are there.
	each    string
	objects []string
	edits   []edit
}

// edit replaces whole lines of the objects. The old ones have to be there exactly
// once, so that an edit cannot go astray when config/ changes.
type edit struct{ old, new string }

// everywhere are the edits of all objects: parts of lines, any number of times. In a
// range the root is $, and so it is everywhere else.
var everywhere = []edit{
	{"namespace: ragservice-system\n", "namespace: {{ $.Release.Namespace }}\n"},
	{"    app.kubernetes.io/part-of: ragservice\n", `    {{- include "ragservice.labels" $ | nindent 4 }}` + "\n"},
}

// leftOut are objects that the chart does not make.
var leftOut = map[string]string{
	"Namespace/ragservice-system": "helm install --create-namespace makes it",
}

var templates = []template{
	{
		file:    "crd.yaml",
		when:    ".Values.crds.install",
		objects: []string{"CustomResourceDefinition/ragservices.rag.ragops.dev"},
		edits: []edit{{
			"  annotations:\n",
			"  annotations:\n    {{- if .Values.crds.keep }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n",
		}},
	},
	{
		file:    "serviceaccount.yaml",
		objects: []string{"ServiceAccount/ragservice-operator"},
		edits: []edit{{
			"metadata:\n",
			"metadata:\n  {{- with .Values.serviceAccount.annotations }}\n  annotations:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\n",
		}},
	},
	{
		file: "rbac.yaml",
		objects: []string{
			"ClusterRole/ragservice-operator",
			"Role/ragservice-operator-leader-election", "RoleBinding/ragservice-operator-leader-election",
			"ClusterRole/ragservice-operator-metrics-auth", "ClusterRoleBinding/ragservice-operator-metrics-auth",
			"ClusterRole/ragservice-operator-metrics-reader",
		},
	},
	{
		file:    "rbac-cluster.yaml",
		when:    "not .Values.watchNamespaces",
		objects: []string{"ClusterRoleBinding/ragservice-operator"},
	},
	{
		file:    "rbac-namespaces.yaml",
		each:    ".Values.watchNamespaces",
		objects: []string{"RoleBinding/ragservice-operator"}, // of config/namespaced
		edits:   []edit{{"  namespace: team-a\n", "  namespace: {{ . | quote }}\n"}},
	},
	{
		file:    "rbac-users.yaml",
		when:    ".Values.userRoles",
		objects: []string{"ClusterRole/ragservice-viewer", "ClusterRole/ragservice-editor"},
	},
	{
		file:    "deployment.yaml",
		objects: []string{"Deployment/ragservice-operator"},
		edits:   deploymentEdits,
	},
	{
		file:    "service.yaml",
		objects: []string{"Service/ragservice-operator-metrics"},
	},
	{
		file:    "networkpolicy.yaml",
		when:    ".Values.networkPolicy",
		objects: []string{"NetworkPolicy/ragservice-operator"},
		edits:   []edit{{"    - port: metrics-api\n", onlyWith(".Values.metricsAPI.enabled", "    - port: metrics-api\n")}},
	},
	{
		file:    "poddisruptionbudget.yaml",
		when:    "gt (int .Values.replicas) 1",
		objects: []string{"PodDisruptionBudget/ragservice-operator"},
	},
	{
		file: "metrics-api.yaml",
		when: ".Values.metricsAPI.enabled",
		objects: []string{
			"Service/ragservice-operator-metrics-api",
			"ClusterRole/ragservice-operator-metrics-api", "ClusterRoleBinding/ragservice-operator-metrics-api",
			"ClusterRoleBinding/ragservice-operator-metrics-api-delegator", "RoleBinding/ragservice-operator-metrics-api-reader",
			"Role/ragservice-operator-metrics-api", "RoleBinding/ragservice-operator-metrics-api",
		},
	},
	{
		file:    "servicemonitor.yaml",
		when:    ".Values.monitoring.serviceMonitor.enabled",
		objects: []string{"ServiceMonitor/ragservice-operator"},
		edits: []edit{
			{"  labels:\n", "  labels:\n    {{- with .Values.monitoring.serviceMonitor.labels }}\n    {{- toYaml . | nindent 4 }}\n    {{- end }}\n"},
			{"    scheme: https\n", "    scheme: https\n    {{- with .Values.monitoring.serviceMonitor.interval }}\n    interval: {{ . }}\n    {{- end }}\n"},
		},
	},
	{
		file:    "dashboard.yaml",
		when:    ".Values.monitoring.dashboard.enabled",
		objects: []string{"ConfigMap/ragservice-operator-dashboard"},
		edits: []edit{{
			"    grafana_dashboard: \"1\"\n",
			"    {{- toYaml .Values.monitoring.dashboard.labels | nindent 4 }}\n",
		}},
	},
}

// deploymentEdits go from the top of the Deployment to its bottom.
var deploymentEdits = []edit{
	{"  replicas: 2\n", "  replicas: {{ .Values.replicas }}\n"},
	{
		"        kubectl.kubernetes.io/default-container: operator\n",
		"        kubectl.kubernetes.io/default-container: operator\n        {{- with .Values.podAnnotations }}\n        {{- toYaml . | nindent 8 }}\n        {{- end }}\n",
	},
	{
		"      labels:\n        app.kubernetes.io/name: ragservice-operator\n",
		"      labels:\n        app.kubernetes.io/name: ragservice-operator\n        {{- with .Values.podLabels }}\n        {{- toYaml . | nindent 8 }}\n        {{- end }}\n",
	},
	{
		"    spec:\n      containers:\n",
		"    spec:\n" +
			pod("imagePullSecrets") + pod("nodeSelector") + pod("tolerations") + pod("affinity") +
			"      {{- with .Values.priorityClassName }}\n      priorityClassName: {{ . }}\n      {{- end }}\n" +
			"      containers:\n",
	},
	{
		"        - --monitoring-namespaces=monitoring\n",
		onlyWith(".Values.monitoringNamespaces", "        - --monitoring-namespaces={{ join \",\" .Values.monitoringNamespaces }}\n") +
			onlyWith(".Values.watchNamespaces", "        - --watch-namespaces={{ join \",\" .Values.watchNamespaces }}\n") +
			onlyWith(".Values.runtimeImage", "        - --runtime-image={{ .Values.runtimeImage }}\n"),
	},
	{
		"        - --metrics-api-port=6443\n",
		onlyWith(".Values.metricsAPI.enabled", "        - --metrics-api-port=6443\n") +
			"        {{- range .Values.extraArgs }}\n        - {{ . | quote }}\n        {{- end }}\n",
	},
	{"        image: ragservice-operator:dev\n", "        image: {{ include \"ragservice.image\" . }}\n"},
	{"        imagePullPolicy: IfNotPresent\n", "        imagePullPolicy: {{ .Values.image.pullPolicy }}\n"},
	{
		"        - containerPort: 6443\n          name: metrics-api\n",
		onlyWith(".Values.metricsAPI.enabled", "        - containerPort: 6443\n          name: metrics-api\n"),
	},
	{
		"        resources:\n          limits:\n            memory: 384Mi\n          requests:\n            cpu: 20m\n            memory: 128Mi\n",
		"        resources:\n          {{- toYaml .Values.resources | nindent 10 }}\n",
	},
}

// onlyWith makes lines depend on a condition.
func onlyWith(condition, lines string) string {
	indent := lines[:len(lines)-len(trimIndent(lines))]
	return indent + "{{- if " + condition + " }}\n" + lines + indent + "{{- end }}\n"
}

// pod is a field of the pod with a value of the same name.
func pod(field string) string {
	return "      {{- with .Values." + field + " }}\n      " + field + ":\n        {{- toYaml . | nindent 8 }}\n      {{- end }}\n"
}
