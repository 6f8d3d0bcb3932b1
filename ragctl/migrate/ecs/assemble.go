package ecs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// assemble makes one workload per task definition and gives each the other
// documents that are about it.
func (c *converter) assemble() error {
	var errs []error
	for _, doc := range c.documents {
		if doc.kind == kindTask {
			errs = append(errs, c.addWorkload(doc))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if len(c.workloads) == 0 {
		c.warn("no task definition among the inputs: give what `aws ecs describe-task-definition` prints, without it nothing can run")
		return nil
	}
	c.attachServices()
	for _, doc := range c.documents {
		c.attach(doc)
	}
	return nil
}

func (c *converter) addWorkload(doc *document) error {
	where := fmt.Sprintf("%s:%d:%d", doc.source, doc.node.Line, doc.node.Column)
	definitions := doc.node.Get("containerDefinitions")
	if len(definitions.Items()) == 0 {
		return fmt.Errorf("%s: the task definition has no containerDefinitions: wanted an array of at least one", where)
	}
	for i, item := range definitions.Items() {
		if !item.IsObject() {
			return fmt.Errorf("%s:%d:%d: containerDefinitions[%d] is %s: wanted an object", doc.source, item.Line, item.Column, i, item.Kind)
		}
	}
	w := newWorkload(c, doc)
	for _, other := range c.workloads {
		if other.name == w.name {
			return fmt.Errorf("%s: a second task definition that is called %s (the other is in %s): give one revision of each family", where, w.name, other.source)
		}
	}
	c.workloads = append(c.workloads, w)
	return nil
}

// attachServices finds the service of each workload: the one that runs its family,
// or else, where there is one of each, that one.
func (c *converter) attachServices() {
	services := c.ofKind(kindService)
	for _, service := range services {
		family := familyOf(service.node.Get("taskDefinition").Text())
		for _, w := range c.workloads {
			if w.service == nil && family != "" && family == w.family {
				w.service = service
			}
		}
	}
	if len(services) == 1 && len(c.workloads) == 1 && c.workloads[0].service == nil {
		w, service := c.workloads[0], services[0]
		w.service = service
		if family := familyOf(service.node.Get("taskDefinition").Text()); family != "" && !isPlaceholder(family) {
			c.warn("the service runs the task definition %s, the one given is %s: taken to belong together", family, w.family)
		}
	}
	for _, w := range c.workloads {
		if w.service != nil {
			w.serviceName = w.service.node.Get("serviceName").Text()
		}
	}
}

// familyOf returns the family of a task definition's ARN or name:revision.
func familyOf(reference string) string {
	if a, ok := parseARN(reference); ok {
		reference = lastPart(a.resource)
	}
	family, _, _ := strings.Cut(reference, ":")
	return family
}

func (c *converter) ofKind(k kind) []*document {
	var found []*document
	for _, doc := range c.documents {
		if doc.kind == k {
			found = append(found, doc)
		}
	}
	return found
}

// attach gives a document to the workload that it is about, where there is one.
func (c *converter) attach(doc *document) {
	for _, w := range c.workloads {
		switch {
		case doc.kind == kindTask || doc.kind == kindService || doc.kind == kindResponse:
			return
		case c.isAbout(doc, w):
			w.others = append(w.others, doc)
			return
		}
	}
}

// isAbout reports whether a document says something of the workload. Where it
// names a service or target group, that decides; where not, it is about the only
// workload.
func (c *converter) isAbout(doc *document, w *workload) bool {
	only := len(c.workloads) == 1
	switch doc.kind {
	case kindTarget, kindPolicy, kindSchedule:
		if namespace := doc.node.Get("ServiceNamespace").Text(); namespace != "" && namespace != "ecs" {
			return false
		}
		resource := doc.node.Get("ResourceId").Text()
		if resource == "" || isPlaceholder(resource) || w.serviceName == "" {
			return only
		}
		return lastPart(resource) == w.serviceName
	case kindTargetGroup, kindListener, kindListenerRule:
		groups := w.targetGroupARNs()
		named := targetGroupsIn(doc.node)
		if only || len(named) == 0 || len(groups) == 0 {
			return only
		}
		return slices.ContainsFunc(named, func(group string) bool { return slices.Contains(groups, group) })
	case kindAlarm:
		if service := alarmDimension(doc.node, "ServiceName"); service != "" && w.serviceName != "" {
			return service == w.serviceName
		}
		return only
	case kindTaskSet:
		return false
	default:
		return only
	}
}

// targetGroupsIn lists the ARNs of target groups anywhere in a document.
func targetGroupsIn(root *jsontree.Node) []string {
	var groups []string
	for leaf := range root.Leaves() {
		if strings.EqualFold(leaf.Key, "TargetGroupArn") {
			groups = append(groups, leaf.Text())
		}
	}
	return groups
}

func alarmDimension(alarm *jsontree.Node, name string) string {
	for _, dimension := range alarm.Get("Dimensions").Items() {
		if dimension.Get("Name").Text() == name {
			return dimension.Get("Value").Text()
		}
	}
	return ""
}

// claimUnattached puts what is about no workload where it belongs: other services'
// business is ignored, the rest needs a person.
func (c *converter) claimUnattached() {
	attached := map[*document]bool{}
	for _, w := range c.workloads {
		attached[w.document] = true
		if w.service != nil {
			attached[w.service] = true
		}
		for _, doc := range w.others {
			attached[doc] = true
		}
	}
	for _, doc := range c.documents {
		if attached[doc] || doc.kind == kindResponse {
			continue
		}
		if namespace := doc.node.Get("ServiceNamespace").Text(); namespace != "" && namespace != "ecs" {
			c.leaveOut(doc, ledger.Ignored, "Scales "+namespace+", not an ECS service.")
			continue
		}
		if doc.kind == kindTaskSet {
			continue // its rules are static
		}
		c.leaveOut(doc, ledger.Person, "This "+string(doc.kind)+" is about none of the task definitions given: give the one it is about, or leave it out.")
	}
}

// leaveOut claims what is left of a document that is not converted. What its rules
// ignore stays ignored, and what they don't know unknown.
func (c *converter) leaveOut(doc *document, bucket ledger.Bucket, note string) {
	for leaf := range doc.node.Leaves() {
		r := c.ruleFor(leaf)
		if c.book.Claimed(leaf) || r == nil || r.static && r.buckets[0] == ledger.Ignored {
			continue
		}
		c.book.Claim(leaf, ledger.Disposition{Bucket: bucket, Note: note, Step: stepIfPerson(bucket, ledger.StepPrepare)})
	}
}
