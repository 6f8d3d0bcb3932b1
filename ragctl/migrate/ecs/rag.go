package ecs

import (
	"slices"
	"strings"

	api "ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// settingParts finds the entry of a variable's name.
var settingParts = func() map[string]*ragSetting {
	parts := map[string]*ragSetting{}
	for i := range ragSettings {
		for name := range strings.FieldsSeq(ragSettings[i].names) {
			parts[name] = &ragSettings[i]
		}
	}
	return parts
}()

// recognition is what the settings of the main container say about a RAG service.
type recognition struct {
	w       *workload
	parts   map[part]*setting // the first variable of each
	unknown []*setting
	used    map[*setting]bool
}

// recogniseRAG reads the settings of the main container.
func (w *workload) recogniseRAG() {
	r := &recognition{w: w, parts: map[part]*setting{}, used: map[*setting]bool{}}
	for _, s := range w.main.effective() {
		known, ok := settingParts[strings.ToUpper(s.name)]
		switch {
		case !ok:
			r.unknown = append(r.unknown, s)
		case r.parts[known.part] == nil:
			r.parts[known.part] = s
		}
	}
	w.rag = r
}

func (r *recognition) has(p part) bool { return r.parts[p] != nil }

// text is a part's value, where it is known and no secret.
func (r *recognition) text(p part) string {
	s := r.parts[p]
	if s == nil || s.isSecret() {
		return ""
	}
	return strings.TrimSpace(s.value)
}

// modelProvider names the provider of the generation model, or "".
func (r *recognition) modelProvider() string {
	switch {
	case r.has(azureURL):
		return "Azure OpenAI"
	case r.has(modelKey) || r.has(modelURL):
		return "OpenAI"
	case r.has(anthropicKey):
		return "Anthropic"
	case r.has(bedrockName):
		return "Bedrock"
	}
	return ""
}

// storeProvider names the vector store, or "".
func (r *recognition) storeProvider() string {
	asked := strings.ToLower(r.text(storeKind))
	stores := []struct {
		name  string
		there bool
	}{
		{"Pinecone", r.has(pineconeKey)},
		{"Qdrant", r.has(qdrantURL)},
		{"Weaviate", r.has(weaviateURL)},
		{"OpenSearch", r.has(openSearchURL)},
		{"pgvector", r.has(vectorTable) || r.hasDatabase() && (strings.Contains(asked, "pg") || strings.Contains(asked, "postgres")) || r.namesPGVector()},
		{"HTTP", r.has(storeURL)},
	}
	for _, store := range stores {
		if store.there && asked != "" && strings.Contains(asked, strings.ToLower(store.name)) {
			return store.name
		}
	}
	for _, store := range stores {
		if store.there {
			return store.name
		}
	}
	return ""
}

func (r *recognition) hasDatabase() bool { return r.has(databaseURL) || r.has(databaseHost) }

func (r *recognition) namesPGVector() bool {
	return r.has(databaseURL) && strings.HasPrefix(strings.ToUpper(r.parts[databaseURL].name), "PGVECTOR")
}

func (r *recognition) hasRedis() bool { return r.has(redisURL) || r.has(redisHost) }

// found reports whether the settings speak of a RAG service at all.
func (r *recognition) found() bool { return r.modelProvider() != "" || r.storeProvider() != "" }

// missing names the parts that a RAGService can't be without.
func (r *recognition) missing() []string {
	var missing []string
	if r.modelProvider() == "" {
		missing = append(missing, "a generation model")
	}
	if r.storeProvider() == "" {
		missing = append(missing, "a vector store")
	}
	return missing
}

// describe names what was recognised.
func (r *recognition) describe() string {
	var names []string
	if provider := r.modelProvider(); provider != "" {
		names = append(names, provider+" as the model")
	}
	if provider := r.storeProvider(); provider != "" {
		names = append(names, provider+" as the vector store")
	}
	if r.hasRedis() {
		names = append(names, "Redis as the cache")
	}
	return strings.Join(names, ", ")
}

// unrecognised lists the variables that the recogniser does not know.
func (r *recognition) unrecognised() []string {
	var names []string
	for _, s := range r.unknown {
		if !isAWSCredential(s.name) {
			names = append(names, s.name)
		}
	}
	return names
}

// use claims a part's variable as carried over to a field of the RAGService. guess
// says what was guessed; empty where nothing was.
func (r *recognition) use(p part, field, guess string) {
	s := r.take(p)
	if s == nil {
		return
	}
	target := r.w.field(field)
	switch {
	case s.isSecret():
		r.w.claimSecret(s, r.w.secrets.ref(s), target)
	case guess != "":
		r.w.claim(s.node, ledger.Approximated, target, "A guess: "+guess, "")
	default:
		r.w.mapped(s.node, target)
	}
}

// refuse claims a part's variable as one that a person has to look at.
func (r *recognition) refuse(p part, note string) {
	if s := r.take(p); s != nil {
		r.w.claim(s.node, ledger.Person, "", note, ledger.StepPrepare)
	}
}

// take returns a part's setting the first time, and nil from then on.
func (r *recognition) take(p part) *setting {
	s := r.parts[p]
	if s == nil || r.used[s] {
		return nil
	}
	r.used[s] = true
	return s
}

// secret returns the Secret key of a part and claims its variable, or nil where the
// service has none.
func (r *recognition) secret(p part, field string) *api.SecretKey {
	s := r.parts[p]
	if s == nil {
		return nil
	}
	if !s.isSecret() {
		s.plainText = true // of a part that is a secret, whatever it looks like
	}
	ref := r.w.secrets.ref(s)
	if r.take(p) != nil {
		r.w.claimSecret(s, ref, r.w.field(field))
	}
	return &ref
}

// rest claims the variables that no step used: those that are recognised as their
// entry says, and those that are not as business of the container's own.
func (r *recognition) rest() {
	for _, s := range r.w.main.effective() {
		if r.used[s] || s.node == nil {
			continue
		}
		known, ok := settingParts[strings.ToUpper(s.name)]
		switch {
		case isAWSCredential(s.name):
			r.w.dropCredentials(s)
		case !ok:
			r.w.claim(s.node, ledger.Person, "", ownSetting, ledger.StepWorkload)
		case r.parts[known.part] != s:
			r.w.claim(s.node, ledger.Person, "", "Says the same as "+r.parts[known.part].name+", which was taken: check that they agree.", ledger.StepWorkload)
		default:
			note := known.note
			if note == "" {
				note = "Of a part that the RAGService does not use: check it."
			}
			r.w.claim(s.node, known.bucket, r.target(known), note, ledger.StepWorkload)
		}
	}
}

const ownSetting = "Not a setting that a RAG service has: if the container's own code depends on it, keep the image (--keep-image) or move that code elsewhere."

func (r *recognition) target(known *ragSetting) string {
	if known.target == "" || known.bucket == ledger.Ignored || known.bucket == ledger.Person {
		return ""
	}
	return r.w.field(known.target)
}

// redisSidecar returns the container of the task that is its Redis, if one is.
func (w *workload) redisSidecar() *container {
	i := slices.IndexFunc(w.containers, func(ctr *container) bool { return ctr.role == roleRedis && ctr != w.main })
	if i < 0 {
		return nil
	}
	host := w.rag.text(redisHost) + w.rag.text(redisURL)
	if host == "" || strings.Contains(host, "localhost") || strings.Contains(host, "127.0.0.1") || strings.Contains(host, w.containers[i].ecsName) {
		return w.containers[i]
	}
	return nil
}
