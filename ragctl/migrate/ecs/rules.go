package ecs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// rule says what becomes of one field. The rules of all kinds are the map of the
// conversion: code can claim a leaf only as its rule allows, and the matrix in the
// docs is generated from them.
type rule struct {
	// path of the field from the root of the document, such as
	// containerDefinitions[].cpu. A last part * stands for any member, ** for
	// everything below.
	path    string
	buckets []ledger.Bucket // the usual one first; the others depend on the value
	target  string          // what it becomes
	note    string          // what to mind; for a person, what to do
	step    ledger.Step     // of the cut-over, where a person is needed
	// static rules need no code: what no code claimed is put in the first bucket.
	// Only what is not carried over can be static.
	static bool

	lower string // path in lower case, as matching has it
}

// mapsTo is a field with an exact counterpart.
func mapsTo(path, target, note string) rule {
	return rule{path: path, buckets: []ledger.Bucket{ledger.Mapped}, target: target, note: note, step: ledger.StepWorkload}
}

// comesNear is a field whose counterpart differs.
func comesNear(path, target, note string) rule {
	return rule{path: path, buckets: []ledger.Bucket{ledger.Approximated}, target: target, note: note, step: ledger.StepWorkload}
}

// needsPerson is a field that always needs a person.
func needsPerson(path string, step ledger.Step, note string) rule {
	return rule{path: path, buckets: []ledger.Bucket{ledger.Person}, note: note, step: step, static: true}
}

// ignored is a field that carries nothing over.
func ignored(path, note string) rule {
	return rule{path: path, buckets: []ledger.Bucket{ledger.Ignored}, note: note, static: true}
}

// or adds the buckets a field can also end in.
func (r rule) or(buckets ...ledger.Bucket) rule {
	r.buckets = append(slices.Clone(r.buckets), buckets...)
	return r
}

// at sets the step of the cut-over that a person takes it in.
func (r rule) at(step ledger.Step) rule {
	r.step = step
	return r
}

// readOnly makes a rule of each field that the service only reports.
func readOnly(paths ...string) []rule {
	rules := make([]rule, 0, len(paths))
	for _, path := range paths {
		rules = append(rules, ignored(path, "Read-only: ECS reports it, nobody sets it."))
	}
	return rules
}

// rulesOf holds the rules of each kind.
var rulesOf = ready(map[kind][]rule{
	kindResponse:      responseRules,
	kindTask:          slices.Concat(taskRules, containerRules),
	kindService:       serviceRules,
	kindTaskSet:       taskSetRules,
	kindTarget:        targetRules,
	kindPolicy:        policyRules,
	kindSchedule:      scheduleRules,
	kindLoadBalancer:  loadBalancerRules,
	kindTargetGroup:   targetGroupRules,
	kindTGAttributes:  targetGroupAttributeRules,
	kindListener:      listenerRules,
	kindListenerRule:  listenerRuleRules,
	kindRuleCondition: rulePartRules,
	kindRuleAction:    rulePartRules,
	kindAlarm:         alarmRules,
	kindDashboard:     dashboardRules,
	kindWidgets:       widgetRules,
})

// ready fills in what matching needs of every rule.
func ready(rules map[kind][]rule) map[kind][]rule {
	for k := range rules {
		rules[k] = slices.Clone(rules[k]) // some share their members
		for i := range rules[k] {
			rules[k][i].lower = strings.ToLower(rules[k][i].path)
		}
	}
	return rules
}

// prefixed returns the rules with each path below prefix.
func prefixed(prefix string, rules []rule) []rule {
	below := slices.Clone(rules)
	for i := range below {
		below[i].path = prefix + below[i].path
	}
	return below
}

// commentRule is the rule of members that hold comments, in every document.
var commentRule = ignored("_comment", "A comment.")

// isComment reports whether a member's name is one of those people put comments
// under, JSON having none.
func isComment(name string) bool {
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, "//") || strings.HasPrefix(name, "#") || name == "$schema" || name == "comment"
}

// locate returns the document that a node belongs to and the node's path in it,
// as rules write paths.
func (c *converter) locate(node *jsontree.Node) (doc *document, path string, comment bool) {
	var parts []string
	for n := node; n != nil; n = n.Parent {
		if doc := c.roots[n]; doc != nil {
			slices.Reverse(parts)
			return doc, strings.TrimPrefix(strings.Join(parts, ""), "."), comment
		}
		switch {
		case n.Parent == nil:
		case n.Parent.Kind == jsontree.Array:
			parts = append(parts, "[]")
		default:
			parts = append(parts, "."+strings.ToLower(n.Key))
			comment = comment || isComment(n.Key)
		}
	}
	return nil, "", comment
}

// ruleFor returns the rule of a leaf, or nil where none knows it.
func (c *converter) ruleFor(leaf *jsontree.Node) *rule {
	doc, path, comment := c.locate(leaf)
	if doc == nil {
		return nil
	}
	best := -1
	rules := rulesOf[doc.kind]
	for i := range rules {
		if rules[i].matches(path) && (best < 0 || rules[i].closerThan(rules[best])) {
			best = i
		}
	}
	switch {
	case best < 0 && comment:
		return &commentRule
	case best < 0:
		return nil
	}
	c.used[string(doc.kind)+" "+rules[best].path] = true
	return &rules[best]
}

// matches reports whether the rule is of the field at path. Rules match whatever
// the case, as the aws command line does; an array or object that is empty or null
// matches the rule of what it would hold.
func (r *rule) matches(path string) bool {
	want := r.lower
	if want == path {
		return true
	}
	if below, ok := strings.CutSuffix(want, "**"); ok {
		return strings.HasPrefix(path, below) || strings.HasPrefix(path+".", below) || strings.HasPrefix(path+"[]", below)
	}
	if below, ok := strings.CutSuffix(want, "*"); ok {
		rest, ok := strings.CutPrefix(path, below)
		return ok && !strings.ContainsAny(rest, "[") || path+"." == below
	}
	return false
}

// closerThan reports whether the rule is more specific than other, where both
// match.
func (r *rule) closerThan(other rule) bool {
	wild := func(path string) bool { return strings.HasSuffix(path, "*") }
	if wild(r.path) != wild(other.path) {
		return wild(other.path)
	}
	return len(r.path) > len(other.path)
}

// holds reports whether the field at path, being empty, could hold the rule's
// field.
func (r *rule) holds(path string) bool {
	return strings.HasPrefix(r.lower, path+".") || strings.HasPrefix(r.lower, path+"[]")
}

// applyStaticRule claims a leaf that no code has claimed: by its rule if that needs
// no code, as empty if there is nothing in it, and else not at all.
func (c *converter) applyStaticRule(leaf *jsontree.Node) {
	if r := c.ruleFor(leaf); r != nil && r.static {
		c.book.Claim(leaf, ledger.Disposition{Bucket: r.buckets[0], Target: r.target, Note: r.note, Step: stepIfPerson(r.buckets[0], r.step)})
		return
	}
	if leaf.Kind == jsontree.Null || leaf.Kind == jsontree.Array || leaf.Kind == jsontree.Object {
		if c.knows(leaf) {
			c.book.Claim(leaf, ledger.Disposition{Bucket: ledger.Ignored, Note: "Empty."})
		}
	}
}

// knows reports whether an empty leaf stands where a known field could be.
func (c *converter) knows(leaf *jsontree.Node) bool {
	doc, path, _ := c.locate(leaf)
	if doc == nil {
		return false
	}
	if path == "" || doc.kind == kindResponse && isContainer(path) {
		return true
	}
	return slices.ContainsFunc(rulesOf[doc.kind], func(r rule) bool { return r.matches(path) || r.holds(path) })
}

func stepIfPerson(bucket ledger.Bucket, step ledger.Step) ledger.Step {
	if bucket == ledger.Person {
		return step
	}
	return ""
}

// The claims. Each puts the unclaimed leaves at or below node into a bucket; an
// empty target or note means the rule's own.

func (c *converter) mapped(node *jsontree.Node, target string) {
	c.claim(node, ledger.Mapped, target, "", "")
}

func (c *converter) approximated(node *jsontree.Node, target, note string) {
	c.claim(node, ledger.Approximated, target, note, "")
}

func (c *converter) person(node *jsontree.Node, step ledger.Step, note string) {
	c.claim(node, ledger.Person, "", note, step)
}

// ignore claims what is left: unlike the others it passes over what is claimed.
func (c *converter) ignore(node *jsontree.Node, note string) {
	if node.IsLeaf() {
		r := c.ruleFor(node)
		if c.book.Claimed(node) || r != nil && r.static && !slices.Contains(r.buckets, ledger.Ignored) {
			return
		}
	}
	c.claim(node, ledger.Ignored, "", note, "")
}

func (c *converter) claim(node *jsontree.Node, bucket ledger.Bucket, target, note string, step ledger.Step) {
	if node == nil {
		return
	}
	if node.IsLeaf() {
		c.claimLeaf(node, bucket, target, note, step)
		return
	}
	for leaf := range node.Leaves() {
		r := c.ruleFor(leaf)
		if c.book.Claimed(leaf) || r != nil && r.static && !slices.Contains(r.buckets, bucket) {
			continue // a member that its own rule disposes of
		}
		c.claimLeaf(leaf, bucket, target, note, step)
	}
}

func (c *converter) claimLeaf(leaf *jsontree.Node, bucket ledger.Bucket, target, note string, step ledger.Step) {
	r := c.ruleFor(leaf)
	if r == nil {
		return // an unknown member of something known: it stays unknown
	}
	empty := leaf.Kind == jsontree.Null || leaf.Kind == jsontree.Array || leaf.Kind == jsontree.Object
	switch {
	case r == &commentRule || empty:
		c.applyStaticRule(leaf)
		return
	case !slices.Contains(r.buckets, bucket):
		c.misuse = append(c.misuse, fmt.Sprintf("%s: claimed as %s, but its rule %s allows only %v", leaf.Path(), bucket, r.path, r.buckets))
	case bucket != ledger.Ignored && bucket != ledger.Person && holdsPlaceholder(leaf):
		bucket, step = ledger.Person, cmp.Or(r.step, ledger.StepPrepare)
		note = strings.TrimSpace("Holds a placeholder, which is kept: fill it in. " + note)
	}
	if note == "" {
		note = r.note
	}
	if target == "" && bucket != ledger.Ignored && bucket != ledger.Person {
		target = r.target
	}
	if bucket == ledger.Person && step == "" {
		step = r.step
	}
	c.book.Claim(leaf, ledger.Disposition{Bucket: bucket, Target: target, Note: note, Step: stepIfPerson(bucket, step)})
}
