package fields

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/openapi"
)

// Predictor tells what the operator will own of an object once it has applied it.
type Predictor struct {
	scheme  *runtime.Scheme
	openapi openapi.Client
	builtIn managedfields.TypeConverter

	mu     sync.Mutex
	custom map[schema.GroupVersion]managedfields.TypeConverter
}

// NewPredictor makes a predictor: for the kinds of the scheme with the schema that
// client-go brings, for all others with the one that the cluster publishes.
func NewPredictor(scheme *runtime.Scheme, client openapi.Client) *Predictor {
	return &Predictor{
		scheme:  scheme,
		openapi: client,
		builtIn: applyconfigurations.NewTypeConverter(scheme),
		custom:  map[schema.GroupVersion]managedfields.TypeConverter{},
	}
}

// Predict is the digest of the fields that a configuration will own.
func (p *Predictor) Predict(config *unstructured.Unstructured) (string, error) {
	converter, err := p.converter(config.GroupVersionKind())
	if err != nil {
		return "", err
	}
	value, err := converter.ObjectToTyped(config)
	if err != nil {
		return "", fmt.Errorf("type the configuration of %s %s: %w", config.GetKind(), config.GetName(), err)
	}
	set, err := value.ToFieldSet()
	if err != nil {
		return "", fmt.Errorf("list the fields of %s %s: %w", config.GetKind(), config.GetName(), err)
	}
	return digest(set.Difference(neverOwned))
}

// Outdated is told that a prediction for the kind was wrong: the schema of a custom
// kind changed, and is read anew.
func (p *Predictor) Outdated(kind schema.GroupVersionKind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.custom, kind.GroupVersion())
}

func (p *Predictor) converter(kind schema.GroupVersionKind) (managedfields.TypeConverter, error) {
	if p.scheme.Recognizes(kind) {
		return p.builtIn, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	gv := kind.GroupVersion()
	if converter, ok := p.custom[gv]; ok {
		return converter, nil
	}
	converter, err := openapi.NewTypeConverter(only{p.openapi, "apis/" + gv.String()}, false)
	if err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", gv, err)
	}
	p.custom[gv] = converter
	return converter, nil
}

// only is one path of what a cluster publishes; all of it is tens of megabytes.
type only struct {
	openapi.Client
	path string
}

// Paths are the one path.
func (o only) Paths() (map[string]openapi.GroupVersion, error) {
	paths, err := o.Client.Paths()
	if err != nil {
		return nil, err
	}
	one, ok := paths[o.path]
	if !ok {
		return nil, fmt.Errorf("the cluster publishes no schema at %s", o.path)
	}
	return map[string]openapi.GroupVersion{o.path: one}, nil
}
