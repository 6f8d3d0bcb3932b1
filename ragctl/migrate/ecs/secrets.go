package ecs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	api "ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// toFill stands for a value in a Secret that a person has to fill in.
const toFill = "REPLACE_ME"

// secretBook collects the secrets of a workload. Those that have a source in AWS
// end in one Secret; those that stood in plain text, or that nobody gave, in
// another, because nothing but a person can fill it.
type secretBook struct {
	workload *workload
	remote   []secretEntry
	local    []secretEntry
	composed []composedSecret
}

type secretEntry struct {
	key    string
	source string // valueFrom, or words
	remote remoteSecret
}

// composedSecret is a key that External Secrets writes from other keys.
type composedSecret struct {
	key      string
	template string
}

func (b *secretBook) remoteName() string { return b.workload.name + "-secrets" }
func (b *secretBook) localName() string  { return b.workload.name + "-secrets-to-fill" }

// ref returns the key of a Secret that holds the setting's value. It claims
// nothing.
func (b *secretBook) ref(s *setting) api.SecretKey {
	if s.valueFrom == nil {
		return b.fill(s.name, "the value of "+s.name+", which stood in the task definition in plain text")
	}
	text := s.valueFrom.Text()
	return b.fromRemote(s.name, text, parseValueFrom(text))
}

func (b *secretBook) fromRemote(name, source string, remote remoteSecret) api.SecretKey {
	key := b.take(&b.remote, secretEntry{key: name, source: source, remote: remote})
	return api.SecretKey{Name: b.remoteName(), Key: key}
}

// fill returns the key of a Secret that a person fills with what.
func (b *secretBook) fill(name, what string) api.SecretKey {
	key := b.take(&b.local, secretEntry{key: name, source: what})
	return api.SecretKey{Name: b.localName(), Key: key}
}

// take enters a key once, and under another name where another value has it.
func (b *secretBook) take(entries *[]secretEntry, entry secretEntry) string {
	base := cmp.Or(secretKey.ReplaceAllString(entry.key, "_"), "secret")
	entry.key = base
	for n := 2; ; n++ {
		i := slices.IndexFunc(*entries, func(e secretEntry) bool { return e.key == entry.key })
		if i < 0 {
			*entries = append(*entries, entry)
			return entry.key
		}
		if (*entries)[i].source == entry.source {
			return entry.key
		}
		entry.key = fmt.Sprintf("%s-%d", base, n)
	}
}

// compose returns a key that is written from other keys by a template, and whether
// that can be: it takes External Secrets.
func (b *secretBook) compose(key, template string) (api.SecretKey, bool) {
	if b.workload.options.Secrets != ExternalSecrets {
		return api.SecretKey{}, false
	}
	b.composed = append(b.composed, composedSecret{key: key, template: template})
	return api.SecretKey{Name: b.remoteName(), Key: key}, true
}

// claimSecret claims a setting whose value went to a key of a Secret, and which is
// used as target.
func (w *workload) claimSecret(s *setting, ref api.SecretKey, target string) {
	at := "Secret/" + ref.Name + " key " + ref.Key
	if target != "" {
		at += ", " + target
	}
	if s.node == nil {
		return // of an environment file, which is claimed as a whole
	}
	if s.valueFrom == nil {
		note := "Looks like a secret in plain text, in the task definition and in its every revision: not copied. Change it, and put the new value into the Secret."
		w.claim(s.node, ledger.Person, at, note, ledger.StepSecrets)
		return
	}
	remote := parseValueFrom(s.valueFrom.Text())
	switch {
	case remote.warning != "":
		w.claim(s.node, ledger.Person, at, "Check this: "+remote.warning+".", ledger.StepSecrets)
	case w.options.Secrets == SecretRefs:
		w.claim(s.node, ledger.Person, at, "Fill the Secret's key from this source.", ledger.StepSecrets)
	default:
		w.mapped(s.node, at)
	}
}

// emitSecrets adds the Secrets and what fills them.
func (w *workload) emitSecrets() {
	b := &w.secrets
	if len(b.remote) > 0 {
		if w.options.Secrets == ExternalSecrets {
			b.emitExternal()
		} else {
			w.add(b.placeholder(b.remoteName(), b.remote))
		}
	}
	if len(b.local) > 0 {
		w.add(b.placeholder(b.localName(), b.local))
		w.task(ledger.Task{
			Step:    ledger.StepSecrets,
			Title:   "Fill the Secret " + b.localName() + " before anything starts",
			Detail:  "Its values could not or must not be copied: " + strings.Join(sources(b.local), "; ") + ". What stood in plain text is known to everybody who can describe the task definition: change it first.",
			Command: "kubectl -n " + w.options.Namespace + " edit secret " + b.localName(),
		})
	}
}

func sources(entries []secretEntry) []string {
	var texts []string
	for _, entry := range entries {
		texts = append(texts, entry.key+" ("+entry.source+")")
	}
	return texts
}

// placeholder is a Secret whose values a person fills in.
func (b *secretBook) placeholder(name string, entries []secretEntry) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: b.workload.meta(name), Type: corev1.SecretTypeOpaque, StringData: map[string]string{}}
	secret.Annotations = map[string]string{}
	for _, entry := range entries {
		secret.StringData[entry.key] = toFill
		secret.Annotations["ecs.migrate.ragops.dev/"+annotationKey("from-"+entry.key)] = entry.source
	}
	return secret
}

// emitExternal adds the ExternalSecret and a SecretStore for each service and
// region that it reads from.
func (b *secretBook) emitExternal() {
	w := b.workload
	fallback := cmp.Or(w.region(), "REGION_TO_FILL_IN")
	var stores []string
	var data []any
	for _, entry := range b.remote {
		region := cmp.Or(entry.remote.region, fallback)
		store := b.storeName(entry.remote.service, region, fallback)
		if !slices.Contains(stores, store) {
			stores = append(stores, store)
			w.add(b.store(store, entry.remote.service, region))
		}
		remote := map[string]any{"key": entry.remote.key}
		setIfNotEmpty(remote, "property", entry.remote.property)
		setIfNotEmpty(remote, "version", entry.remote.version)
		data = append(data, map[string]any{
			"secretKey": entry.key,
			"remoteRef": remote,
			"sourceRef": map[string]any{"storeRef": map[string]any{"name": store, "kind": "SecretStore"}},
		})
	}
	target := map[string]any{"name": b.remoteName(), "creationPolicy": "Owner"}
	if len(b.composed) > 0 {
		templates := map[string]any{}
		for _, composed := range b.composed {
			templates[composed.key] = composed.template
		}
		target["template"] = map[string]any{"engineVersion": "v2", "mergePolicy": "Merge", "data": templates}
	}
	w.add(w.custom("external-secrets.io/v1", "ExternalSecret", b.remoteName(), map[string]any{
		"refreshInterval": "1h",
		"secretStoreRef":  map[string]any{"name": stores[0], "kind": "SecretStore"},
		"target":          target,
		"data":            data,
	}))
}

func setIfNotEmpty(m map[string]any, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func (b *secretBook) storeName(service, region, home string) string {
	name := b.workload.name + "-secrets-manager"
	if service == parameterStore {
		name = b.workload.name + "-parameter-store"
	}
	if region != home {
		name += "-" + dnsLabel(region, maxLabel)
	}
	return name
}

func (b *secretBook) store(name, service, region string) *unstructured.Unstructured {
	aws := map[string]any{"service": service, "region": region}
	if account := b.workload.secretsReader(); account != "" {
		aws["auth"] = map[string]any{"jwt": map[string]any{"serviceAccountRef": map[string]any{"name": account}}}
	}
	return b.workload.custom("external-secrets.io/v1", "SecretStore", name, map[string]any{"provider": map[string]any{"aws": aws}})
}

// convertEnvironmentFiles maps the environment files of a container. Where the
// image is kept and the file's contents are not given, the container reads a Secret
// for a person to fill.
func (w *workload) convertEnvironmentFiles(ctr *container) {
	for i, file := range ctr.node.Get("environmentFiles").Items() {
		source := file.Get("value").Text()
		if _, given := w.envFiles[source]; given {
			w.claim(file, ledger.Approximated, w.podField("containers["+ctr.name+"].env"), "The contents given with --env-file, as they were then; a change of the file is not seen.", "")
			continue
		}
		if w.replaced {
			w.claim(file, ledger.Person, "", "Its settings are not known: give the file with --env-file "+source+"=PATH and convert again.", ledger.StepSecrets)
			continue
		}
		w.envFromPlaceholder(ctr, file, fmt.Sprintf("%s-env-%s-%d", w.name, ctr.name, i+1))
	}
}

func (w *workload) envFromPlaceholder(ctr *container, file *jsontree.Node, name string) {
	source := file.Get("value").Text()
	secret := &corev1.Secret{ObjectMeta: w.meta(name), Type: corev1.SecretTypeOpaque}
	secret.Annotations = map[string]string{"ecs.migrate.ragops.dev/from": source}
	w.add(secret)
	ctr.spec.EnvFrom = append(ctr.spec.EnvFrom, corev1.EnvFromSource{
		SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}},
	})
	w.claim(file, ledger.Person, "Secret/"+name, "Fill the Secret with the file's contents, or give the file with --env-file and convert again.", ledger.StepSecrets)
	w.task(ledger.Task{
		Step:  ledger.StepSecrets,
		Title: "Fill the Secret " + name + " from the environment file",
		Command: fmt.Sprintf("aws s3 cp %s env.list && kubectl -n %s create secret generic %s --from-env-file env.list --dry-run=client -o yaml | kubectl apply -f -",
			strings.Replace(source, "arn:aws:s3:::", "s3://", 1), w.options.Namespace, name),
	})
}
