package ecs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	api "ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// queryPort is the port of the query runtime and of the Service the operator makes.
const queryPort = 8080

// convertToRAGService declares the service that the query runtime takes over, and
// accounts for the containers that it replaces.
func (w *workload) convertToRAGService() {
	meta := w.meta(w.name)
	delete(meta.Labels, "app.kubernetes.io/name") // the operator's own on the children
	service := &api.RAGService{ObjectMeta: objectMeta(meta, w.annotations)}
	spec := &service.Spec
	w.ragModel(spec)
	w.ragEmbedding(spec)
	w.ragVectorStore(spec)
	w.ragCache(spec)
	w.ragUserContext(spec)
	w.ragScaling(spec)
	w.ragObjectives(spec)
	w.ragWorkload(spec)
	w.claimDuplicates(w.main)
	w.convertEnvironmentFiles(w.main)
	w.rag.rest()
	w.claimMain()
	for _, ctr := range w.containers {
		if ctr != w.main {
			w.claimOther(ctr)
		}
	}
	w.claimTask()
	w.add(service)
}

func (w *workload) ragModel(spec *api.RAGServiceSpec) {
	r := w.rag
	switch r.modelProvider() {
	case "Azure OpenAI":
		spec.Model.OpenAI = w.azureModel()
	case "OpenAI":
		spec.Model.OpenAI = w.openAIModel()
	case "Anthropic":
		spec.Model.Anthropic = w.anthropicModel()
	case "Bedrock":
		spec.Model.Bedrock = w.bedrockModel()
	}
	if temperature, ok := numberIn(r.text(modelTemperature), 0, 2); ok {
		spec.Model.Temperature = decimal(temperature)
		r.use(modelTemperature, "spec.model.temperature", "")
	}
	if tokens, ok := numberIn(r.text(modelTokens), 1, 1_000_000); ok {
		spec.Model.MaxOutputTokens = int32(tokens)
		r.use(modelTokens, "spec.model.maxOutputTokens", "")
	}
	if timeout, ok := numberIn(r.text(modelTimeout), 0.1, 3600); ok {
		spec.Model.Timeout = seconds(timeout)
		r.use(modelTimeout, "spec.model.timeout", "")
	}
	if prompt := r.text(modelPrompt); prompt != "" && len(prompt) <= 32768 {
		spec.Model.SystemPrompt = prompt
		r.use(modelPrompt, "spec.model.systemPrompt", "")
	}
}

func (w *workload) openAIModel() *api.OpenAIModel {
	r := w.rag
	model := &api.OpenAIModel{Model: w.known(modelName, "spec.model.openAI.model", "gpt-4o-mini")}
	if url := r.text(modelURL); isHTTP(url) {
		model.BaseURL = url
		guess := ""
		if strings.HasPrefix(strings.ToUpper(r.parts[modelURL].name), "OLLAMA") && !strings.HasSuffix(strings.TrimSuffix(url, "/"), "/v1") {
			model.BaseURL = strings.TrimSuffix(url, "/") + "/v1"
			guess = "Ollama speaks the OpenAI API under /v1."
		}
		r.use(modelURL, "spec.model.openAI.baseURL", guess)
	}
	model.APIKey = r.secret(modelKey, "spec.model.openAI.apiKey")
	return model
}

func (w *workload) azureModel() *api.OpenAIModel {
	r := w.rag
	model := &api.OpenAIModel{Model: w.known(azureDeployment, "spec.model.openAI.model", "DEPLOYMENT_TO_FILL_IN")}
	model.OpenAIEndpoint = w.azureEndpoint("spec.model.openAI", azureKey)
	if model.APIKey == nil {
		model.APIKey = r.secret(modelKey, "spec.model.openAI.apiKey")
	}
	return model
}

func (w *workload) azureEndpoint(field string, key part) api.OpenAIEndpoint {
	r := w.rag
	endpoint := api.OpenAIEndpoint{BaseURL: "https://ENDPOINT-TO-FILL-IN.openai.azure.com", Azure: &api.AzureOpenAI{APIVersion: "2024-10-21"}}
	if url := r.text(azureURL); isHTTP(url) {
		endpoint.BaseURL = strings.TrimSuffix(url, "/")
		r.use(azureURL, field+".baseURL", "")
	}
	if version := r.text(azureVersion); azureAPIVersion.MatchString(version) {
		endpoint.Azure.APIVersion = version
		r.use(azureVersion, field+".azure.apiVersion", "")
	}
	endpoint.APIKey = r.secret(key, field+".apiKey")
	return endpoint
}

func (w *workload) anthropicModel() *api.AnthropicModel {
	r := w.rag
	model := &api.AnthropicModel{Model: w.known(anthropicName, "spec.model.anthropic.model", "MODEL_TO_FILL_IN")}
	if url := r.text(anthropicURL); isHTTP(url) {
		model.BaseURL = url
		r.use(anthropicURL, "spec.model.anthropic.baseURL", "")
	}
	model.APIKey = *r.secret(anthropicKey, "spec.model.anthropic.apiKey")
	return model
}

func (w *workload) bedrockModel() *api.BedrockModel {
	return &api.BedrockModel{
		Model:  w.known(bedrockName, "spec.model.bedrock.model", "MODEL_TO_FILL_IN"),
		Region: w.bedrockRegion("spec.model.bedrock.region"),
	}
}

func (w *workload) bedrockRegion(field string) string {
	for _, p := range []part{bedrockRegion, awsRegion} {
		if region := w.rag.text(p); awsRegionName.MatchString(region) {
			w.rag.use(p, field, "")
			return region
		}
	}
	if region := w.region(); awsRegionName.MatchString(region) {
		return region
	}
	w.fillIn(field, "us-east-1", "The settings name no region.")
	return "us-east-1"
}

// known returns a part's text and claims it, or the fallback with a task to check
// it.
func (w *workload) known(p part, field, fallback string) string {
	if text := w.rag.text(p); text != "" && len(text) <= 253 {
		w.rag.use(p, field, "")
		return text
	}
	why := "The settings do not name it."
	if w.rag.has(p) {
		why = "Its value is in a Secret, which can't be read here."
		w.rag.refuse(p, "The value is needed in the RAGService itself, "+field+": put it there in plain text. It is no secret.")
	}
	w.fillIn(field, fallback, why)
	return fallback
}

// fillIn asks a person to put a value where a stand-in stands.
func (w *workload) fillIn(field, standIn, why string) {
	w.task(ledger.Task{
		Step:   ledger.StepPrepare,
		Title:  fmt.Sprintf("Set %s of the RAGService %s (now %s)", field, w.name, standIn),
		Detail: why,
	})
}

// ragScaling fills in the plan.
func (w *workload) ragScaling(spec *api.RAGServiceSpec) {
	p := &w.scaling
	if !p.known {
		return // the defaults of the schema
	}
	spec.Scaling.MinReplicas, spec.Scaling.MaxReplicas = p.min, max(p.max, p.min)
	if spec.Scaling.MinReplicas == spec.Scaling.MaxReplicas {
		return
	}
	targets := &api.ScalingTargets{}
	if p.cpuPercent > 0 {
		targets.CPUPercent = new(p.cpuPercent)
	}
	if p.memoryPercent > 0 {
		targets.MemoryPercent = new(p.memoryPercent)
	}
	if p.perSecond > 0 {
		targets.QueriesPerSecond = new(p.perSecond)
	}
	if *targets != (api.ScalingTargets{}) {
		spec.Scaling.Targets = targets
	}
	spec.Scaling.Behavior = p.behavior()
}

// ragWorkload fills in size, identity and where the pods run.
func (w *workload) ragWorkload(spec *api.RAGServiceSpec) {
	size := w.size()
	list := corev1.ResourceList{}
	if size.milliCPU > 0 {
		list[corev1.ResourceCPU] = milliCPU(size.milliCPU)
	}
	if size.mebi > 0 {
		list[corev1.ResourceMemory] = mebibytes(size.mebi)
	}
	w.claimTaskSize("resources.limits.")
	w.sizeOfMain(list, size)
	if storage, ok := w.storageQuantity("resources.limits.ephemeral-storage"); ok {
		list[corev1.ResourceEphemeralStorage] = storage
	}
	if len(list) > 0 {
		spec.Workload.Resources = corev1.ResourceRequirements{Requests: list, Limits: list.DeepCopy()}
		if _, ok := list[corev1.ResourceMemory]; !ok {
			spec.Workload.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("512Mi")
		}
	}
	spec.Workload.ServiceAccount.Annotations = w.serviceAccountAnnotations()
	w.convertPlatform(&spec.Workload.NodeSelector)
	embedOn(spec)
	w.ragPlacement(spec)
}

// embedOn keeps an embedding server that the operator runs on the processor that the
// old process ran on: each has an image of its own, and the default is for x86-64.
func embedOn(spec *api.RAGServiceSpec) {
	tei, architecture := spec.Embedding.TextEmbeddingsInference, spec.Workload.NodeSelector[corev1.LabelArchStable]
	if tei == nil || tei.Endpoint != "" || architecture == "" {
		return
	}
	tei.Server = &api.EmbeddingServer{NodeSelector: map[string]string{corev1.LabelArchStable: architecture}}
	if architecture == "arm64" {
		tei.Server.Image = "ghcr.io/huggingface/text-embeddings-inference:cpu-arm64-1.9.3"
	}
}

// sizeOfMain takes the main container's own size where the task has none.
func (w *workload) sizeOfMain(list corev1.ResourceList, size taskSize) {
	node := w.main.node
	cpu, memory := parseCPU(node.Get("cpu")), cmp.Or(parseMemory(node.Get("memory")), parseMemory(node.Get("memoryReservation")))
	if size.milliCPU == 0 && cpu > 0 {
		list[corev1.ResourceCPU] = milliCPU(cpu)
		w.approximated(node.Get("cpu"), w.podField("resources.requests.cpu"), "")
	}
	if size.mebi == 0 && memory > 0 {
		list[corev1.ResourceMemory] = mebibytes(memory)
		for _, name := range []string{"memory", "memoryReservation"} {
			w.approximated(node.Get(name), w.podField("resources.limits.memory"), "")
		}
	}
	for _, name := range []string{"cpu", "memory", "memoryReservation"} {
		w.ignore(node.Get(name), "The runtime gets the whole size of the task: its sidecars are gone.")
	}
}

// ragPlacement maps where tasks ran. A RAGService spreads its pods over zones and
// hosts by itself.
func (w *workload) ragPlacement(spec *api.RAGServiceSpec) {
	pod := &corev1.PodSpec{}
	w.convertConstraints(pod, w.node.Get("placementConstraints"))
	w.convertConstraints(pod, w.serviceNode("placementConstraints"))
	for _, strategy := range w.serviceNode("placementStrategy").Items() {
		if strings.EqualFold(strategy.Get("type").Text(), "spread") {
			w.claim(strategy, ledger.Mapped, "Deployment/"+w.name+" (the operator's) topologySpreadConstraints", "A RAGService spreads over zones and hosts by default.", "")
			continue
		}
		w.convertStrategy(pod, strategy)
	}
	w.convertCapacity(pod)
	if pod.Affinity != nil {
		// It marshals, being made of strings and numbers.
		raw, _ := json.Marshal(pod.Affinity)
		spec.Workload.Affinity = &runtime.RawExtension{Raw: raw}
	}
}
