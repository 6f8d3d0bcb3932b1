package ecs

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// workload is one task definition on its way to Kubernetes, with everything that
// is about it.
type workload struct {
	*converter
	*document // of the task definition

	name        string // of every object
	family      string
	service     *document
	serviceName string
	others      []*document // scaling, load balancing, monitoring

	containers []*container
	main       *container
	rag        *recognition
	replaced   bool   // the query runtime replaces the main container
	reason     string // why that, or why not

	labels      map[string]string
	annotations map[string]string
	secrets     secretBook
	identity    identity
	scaling     scalingPlan
	objects     objects
}

func newWorkload(c *converter, doc *document) *workload {
	family := doc.node.Get("family").Text()
	w := &workload{
		converter:   c,
		document:    doc,
		family:      family,
		name:        serviceName(cmp.Or(family, firstContainerName(doc.node))),
		labels:      map[string]string{},
		annotations: map[string]string{},
	}
	w.secrets.workload = w
	return w
}

func firstContainerName(task *jsontree.Node) string {
	for _, item := range task.Get("containerDefinitions").Items() {
		if name := item.Get("name").Text(); name != "" {
			return name
		}
	}
	return ""
}

// convert maps the workload. The order matters where one step decides what another
// does; the claims keep the steps from doing anything twice.
func (w *workload) convert() {
	w.readContainers()
	w.chooseMain()
	w.recogniseRAG()
	w.decide()

	w.convertNames()
	w.convertIdentity()
	w.planScaling()
	if w.replaced {
		w.convertToRAGService()
	} else {
		w.convertToDeployment()
	}
	w.convertService()
	w.convertLoadBalancing()
	w.convertMonitoring()
	w.emitSecrets()
	w.emitIdentity()
}

// decide chooses between a RAGService and a Deployment of the image, and says why.
func (w *workload) decide() {
	missing := w.rag.missing()
	switch {
	case w.options.KeepImage:
		w.reason = "The image is kept, as asked (--keep-image)."
		if len(missing) == 0 {
			w.reason += " Without that flag its RAG part becomes a RAGService."
		}
	case w.isDaemon():
		w.reason = "A daemon runs once on every node; a RAGService is a service of replicas."
	case len(missing) == 0:
		w.replaced = true
		w.reason = "Its settings name " + w.rag.describe() + ": the query runtime replaces the container " + w.main.name + "."
		if own := w.rag.unrecognised(); len(own) > 0 {
			w.reason += " It also reads " + strings.Join(own, ", ") + ", which may be business logic of its own that the runtime does not have:" +
				" either keep the image (--keep-image gives a plain Deployment), or move that part elsewhere and let the RAGService answer."
		}
	case w.rag.found():
		w.reason = "Its settings name " + w.rag.describe() + ", but not " + strings.Join(missing, " and ") +
			": the image is kept as a plain Deployment. Add the settings to the environment to get a RAGService, or write one that this service calls."
	default:
		w.reason = "Nothing in its settings says that it is a RAG service: the image is kept as a plain Deployment."
	}
}

func (w *workload) isDaemon() bool {
	return w.service != nil && strings.EqualFold(w.service.node.Get("schedulingStrategy").Text(), "DAEMON")
}

func (w *workload) summary() ledger.Workload {
	return ledger.Workload{Name: w.name, Kind: w.workloadKind(), Reason: w.reason}
}

func (w *workload) workloadKind() string {
	switch {
	case w.replaced:
		return "RAGService"
	case w.isDaemon():
		return "DaemonSet"
	default:
		return "Deployment"
	}
}

// field names a field of the workload's main object, for the report.
func (w *workload) field(path string) string {
	return w.workloadKind() + "/" + w.name + " " + path
}

// podField names a field of the pod template, for the report.
func (w *workload) podField(path string) string {
	if w.replaced {
		return w.field("spec.workload." + path)
	}
	return w.field("spec.template.spec." + path)
}

// meta is the metadata of an object called name that belongs to the workload.
func (w *workload) meta(name string) metav1.ObjectMeta {
	labels := map[string]string{}
	maps.Copy(labels, w.labels)
	labels["app.kubernetes.io/name"] = w.name
	labels["app.kubernetes.io/managed-by"] = "ragctl-migrate"
	return metav1.ObjectMeta{Name: name, Namespace: w.options.Namespace, Labels: labels}
}

// selector matches the pods of the workload, where it is a Deployment.
func (w *workload) selector() map[string]string {
	return map[string]string{"app.kubernetes.io/name": w.name}
}

// document kinds among the others.
func (w *workload) otherDocuments(k kind) []*jsontree.Node {
	var nodes []*jsontree.Node
	for _, doc := range w.others {
		if doc.kind == k {
			nodes = append(nodes, doc.node)
		}
	}
	return nodes
}

// serviceNode returns a member of the service, or nil where no service is given.
func (w *workload) serviceNode(names ...string) *jsontree.Node {
	if w.service == nil {
		return nil
	}
	return w.service.node.Find(names...)
}

// convertNames maps the names and the tags.
func (w *workload) convertNames() {
	task := w.node
	if w.name == w.family {
		w.mapped(task.Get("family"), "metadata.name")
	} else {
		w.approximated(task.Get("family"), "metadata.name", "Kubernetes takes no such name: it became "+w.name+".")
	}
	w.labelFrom(task.Get("tags"))
	if parent := task.Parent; parent != nil && parent.IsObject() {
		w.labelFrom(parent.Get("tags"))
	}
	w.labelFrom(w.serviceNode("tags"))
}

// labelFrom makes labels of tags where Kubernetes allows it, else annotations.
func (w *workload) labelFrom(tags *jsontree.Node) {
	for _, tag := range tags.Items() {
		key, value := tag.Get("key").Text(), tag.Get("value").Text()
		switch {
		case strings.HasPrefix(key, "aws:"):
			w.ignore(tag, "A tag that AWS sets itself.")
		case looksSecret(key, value):
			w.ignore(tag, "Looks like a secret, which is no label: not copied.")
		case labelKey.MatchString(key) && labelValue.MatchString(value):
			w.labels[key] = value
			w.mapped(tag, "metadata.labels["+key+"]")
		default:
			annotation := "ecs.migrate.ragops.dev/" + annotationKey(key)
			w.annotations[annotation] = value
			w.approximated(tag, "metadata.annotations["+annotation+"]", "A label can't hold it: it became an annotation.")
		}
	}
}

var annotationRunes = func(r rune) rune {
	if r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
		return r
	}
	return '-'
}

// annotationKey makes a key's name part of any text.
func annotationKey(text string) string {
	key := strings.Map(annotationRunes, text)
	if len(key) > maxLabel {
		key = key[:maxLabel]
	}
	return cmp.Or(strings.Trim(key, "-_."), "tag")
}

// region guesses the AWS region from the ARNs and options of the documents.
func (w *workload) region() string {
	var regions []string
	scan := func(root *jsontree.Node) {
		for leaf := range root.Leaves() {
			if a, ok := parseARN(leaf.Text()); ok && a.region != "" && !isPlaceholder(a.region) {
				regions = append(regions, a.region)
			} else if leaf.Key == "awslogs-region" && !isPlaceholder(leaf.Text()) {
				regions = append(regions, leaf.Text())
			}
		}
	}
	scan(w.node)
	if w.service != nil {
		scan(w.service.node)
	}
	if len(regions) == 0 {
		return ""
	}
	counts := map[string]int{}
	for _, region := range regions {
		counts[region]++
	}
	return slices.MaxFunc(regions, func(a, b string) int { return cmp.Or(counts[a]-counts[b], strings.Compare(b, a)) })
}

// containerNamed returns the container that ECS knows by name.
func (w *workload) containerNamed(name string) *container {
	for _, ctr := range w.containers {
		if ctr.ecsName == name {
			return ctr
		}
	}
	return nil
}
