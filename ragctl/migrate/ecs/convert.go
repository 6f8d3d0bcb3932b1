// Package ecs turns what Amazon ECS, Application Auto Scaling, Elastic Load
// Balancing and CloudWatch say about a service into the Kubernetes objects that
// run it: a RAGService where its settings are those of a retrieval-augmented
// question-answering service, else a plain Deployment of its image. It accounts
// for every leaf of its input.
//
// The package is pure: no files, no network, no clock, no AWS. The same inputs
// give the same objects and the same report. It never copies the value of a
// secret anywhere, and it never panics on input.
//
// How it is laid out: recognise.go finds out what each document is; rules_*.go say
// as data which fields exist and what becomes of them, which is also what the
// conversion matrix in the docs is generated from; the other files each map one
// topic and claim the leaves they read.
package ecs

import (
	"cmp"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// File is one input: JSON, as the aws command line prints it or as people keep it
// beside their code.
type File struct {
	Name string // names it in errors and in the report
	Data []byte
}

// Inputs is everything a conversion depends on.
type Inputs struct {
	Files []File
	// EnvFiles holds the contents of environmentFiles by the ARN that names them.
	EnvFiles map[string][]byte
	Options  Options
}

// Options choose between ways that are all right.
type Options struct {
	Identity  Identity // IRSA if empty
	Secrets   Secrets  // ExternalSecrets if empty
	Namespace string   // "default" if empty
	// MainContainer names the container that answers queries. If empty it is the
	// one behind the load balancer, or else the first that looks like it.
	MainContainer string
	// KeepImage converts to a Deployment of the image even where a RAGService
	// could replace it.
	KeepImage bool
	// SecurityGroupPolicy keeps the security groups on the pods instead of
	// approximating them by a NetworkPolicy.
	SecurityGroupPolicy bool
}

// Identity is how pods become an IAM role.
type Identity string

// The ways to give pods an IAM role.
const (
	IRSA        Identity = "irsa"
	PodIdentity Identity = "pod-identity"
)

// Secrets is how values get from AWS into Secrets.
type Secrets string

// The ways to fill Secrets.
const (
	ExternalSecrets Secrets = "external-secrets"
	SecretRefs      Secrets = "refs"
)

// Convert returns the objects to apply, in an order in which they can be applied,
// and the account of every leaf. An error means that an input can't be read or is
// not what it should be; it names each such input. There is then no report.
func Convert(in Inputs) ([]*unstructured.Unstructured, *ledger.Report, error) {
	c := newConverter(in)
	if err := c.read(in.Files); err != nil {
		return nil, nil, err
	}
	objects, err := c.convert()
	if err != nil {
		return nil, nil, err
	}
	return objects, c.report(objects), nil
}

// converter holds one conversion.
type converter struct {
	options  Options
	envFiles map[string][]byte

	book      *ledger.Ledger
	documents []*document
	roots     map[*jsontree.Node]*document // by the node at which a document's rules start
	misuse    []string                     // claims outside the rules: mistakes of this package
	warnings  []string
	tasks     []ledger.Task
	workloads []*workload
	used      map[string]bool // rules that were applied, by kind and path
}

func newConverter(in Inputs) *converter {
	options := in.Options
	options.Identity = cmp.Or(options.Identity, IRSA)
	options.Secrets = cmp.Or(options.Secrets, ExternalSecrets)
	options.Namespace = cmp.Or(options.Namespace, "default")
	return &converter{
		options:  options,
		envFiles: in.EnvFiles,
		book:     ledger.New(),
		roots:    map[*jsontree.Node]*document{},
		used:     map[string]bool{},
	}
}

// read parses and recognises every input, and reports all that is wrong at once.
func (c *converter) read(files []File) error {
	if len(files) == 0 {
		return errors.New("no input: give at least what describe-task-definition prints")
	}
	var errs []error
	seen := map[string]bool{}
	for _, file := range files {
		if seen[file.Name] {
			errs = append(errs, fmt.Errorf("%s: given twice", file.Name))
			continue
		}
		seen[file.Name] = true
		errs = append(errs, c.readFile(file))
	}
	return errors.Join(errs...)
}

func (c *converter) readFile(file File) error {
	roots, err := jsontree.Parse(file.Name, file.Data)
	if err != nil {
		if what := foreignText(file.Data); what != "" {
			return fmt.Errorf("%s: %s", file.Name, what)
		}
		return err
	}
	for i, root := range roots {
		source := file.Name
		if i > 0 { // the outputs of several commands in one file
			source = fmt.Sprintf("%s#%d", file.Name, i+1)
		}
		documents, err := recognise(source, root)
		if err != nil {
			return err
		}
		c.book.Add(source, root)
		for _, doc := range documents {
			c.documents = append(c.documents, doc)
			c.roots[doc.node] = doc
		}
	}
	return nil
}

// convert maps all documents and returns the objects in the order of the output.
func (c *converter) convert() ([]*unstructured.Unstructured, error) {
	if err := c.assemble(); err != nil {
		return nil, err
	}
	var all objects
	for _, w := range c.workloads {
		w.convert()
		all = append(all, w.objects...)
	}
	c.claimUnattached()
	c.book.Unclaimed(c.applyStaticRule)
	return all.sorted()
}

// report closes the books.
func (c *converter) report(objects []*unstructured.Unstructured) *ledger.Report {
	report := &ledger.Report{Entries: c.book.Entries()}
	report.Count()
	report.Summary.Warnings = append([]string{}, c.warnings...)
	report.Summary.Workloads = []ledger.Workload{}
	for _, w := range c.workloads {
		report.Summary.Workloads = append(report.Summary.Workloads, w.summary())
	}
	report.Summary.Objects = []string{}
	for _, object := range objects {
		report.Summary.Objects = append(report.Summary.Objects, object.GetKind()+"/"+object.GetName())
	}
	report.Checklist = c.checklist(report.Entries)
	return report
}

// warn records what concerns no single leaf.
func (c *converter) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}
