// Package references follows the Secrets and ConfigMaps that RAGServices name. It
// watches metadata of all of them and keeps none of it, reads only those that are
// named, and keeps of those only which keys they have: its memory does not grow
// with the Secrets of the cluster, and no secret value stays in it.
package references

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/fields"
)

// Index is the name of the cache's index of RAGServices by what they refer to.
const Index = "references"

// IndexKey is the value under which a service is indexed.
func IndexKey(kind build.ReferenceKind, name string) string { return string(kind) + "/" + name }

// Content is what is kept of an object.
type Content struct {
	// Found is whether it exists.
	Found bool
	// Keys that it has, sorted.
	Keys []string
	// Digest changes whenever a key or a value does. It is salted with the
	// object's identity, so that it tells nothing about a value.
	Digest string

	// version is the object's resource version; empty where there is none.
	version string
}

type reference struct {
	kind build.ReferenceKind
	name types.NamespacedName
}

// Resolver reads referenced objects and remembers them until they change.
type Resolver struct {
	reader client.Reader

	mu      sync.Mutex
	known   map[reference]Content
	changes map[reference]change
}

// change is what the watch told of an object last.
type change struct {
	// count tells whether it told something while a read was under way.
	count uint64
	// version is the newest resource version that it told of; empty where it only told
	// that something may have changed.
	version string
}

// NewResolver reads from the API server itself: a cache would hold every Secret.
func NewResolver(reader client.Reader) *Resolver {
	return &Resolver{reader: reader, known: map[reference]Content{}, changes: map[reference]change{}}
}

// Get reads an object, or remembers it.
func (r *Resolver) Get(ctx context.Context, namespace string, kind build.ReferenceKind, name string) (Content, error) {
	ref := reference{kind, types.NamespacedName{Namespace: namespace, Name: name}}
	r.mu.Lock()
	content, ok := r.known[ref]
	before := r.changes[ref]
	r.mu.Unlock()
	if ok {
		return content, nil
	}
	content, err := r.read(ctx, ref)
	if err != nil {
		return Content{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changes[ref] == before {
		r.known[ref] = content
	}
	return content, nil
}

// Changed is told which version of an object appeared or went away, and forgets what
// is known of it. It returns whether that was news: then whoever refers to it has to be
// told to look again. An empty version is always news.
func (r *Resolver) Changed(kind build.ReferenceKind, name types.NamespacedName, version string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref := reference{kind, name}
	if content := r.known[ref]; content.Found && atLeast(content.version, version) {
		return false
	}
	delete(r.known, ref)
	r.changes[ref] = change{count: r.changes[ref].count + 1, version: version}
	return true
}

// atLeast is whether a resource version is another one or newer; false where one of
// them is none.
func atLeast(version, other string) bool {
	order, err := resourceversion.CompareResourceVersion(version, other)
	return err == nil && order >= 0
}

// Drop forgets an object that nobody refers to any more.
func (r *Resolver) Drop(kind build.ReferenceKind, name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref := reference{kind, name}
	delete(r.known, ref)
	delete(r.changes, ref)
}

func (r *Resolver) read(ctx context.Context, ref reference) (Content, error) {
	switch ref.kind {
	case build.RefersToSecret:
		secret := &corev1.Secret{}
		if err := r.reader.Get(ctx, ref.name, secret); err != nil {
			return notFound(err)
		}
		return contentOf(secret.UID, secret.ResourceVersion, secret.Data), nil
	case build.RefersToConfigMap:
		configMap := &corev1.ConfigMap{}
		if err := r.reader.Get(ctx, ref.name, configMap); err != nil {
			return notFound(err)
		}
		data := maps.Clone(configMap.BinaryData)
		if data == nil {
			data = map[string][]byte{}
		}
		for key, value := range configMap.Data {
			data[key] = []byte(value)
		}
		return contentOf("", configMap.ResourceVersion, data), nil
	default:
		return Content{}, fmt.Errorf("cannot refer to a %s", ref.kind)
	}
}

func notFound(err error) (Content, error) {
	return Content{}, client.IgnoreNotFound(err)
}

// contentOf digests keys and values with their lengths, so that no two contents
// run together.
func contentOf(salt types.UID, version string, data map[string][]byte) Content {
	keys := slices.Sorted(maps.Keys(data))
	sum := sha256.New()
	write := func(b []byte) {
		sum.Write(binary.AppendUvarint(nil, uint64(len(b))))
		sum.Write(b)
	}
	write([]byte(salt))
	for _, key := range keys {
		write([]byte(key))
		write(data[key])
	}
	return Content{Found: true, Keys: keys, Digest: fields.Hash(sum.Sum(nil)), version: version}
}

// Created remembers a Secret that was just created, unless the watch told of a newer
// one already, and returns its digest.
func (r *Resolver) Created(secret *corev1.Secret) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref := reference{build.RefersToSecret, client.ObjectKeyFromObject(secret)}
	content := contentOf(secret.UID, secret.ResourceVersion, secret.Data)
	if told := r.changes[ref].version; told == "" || atLeast(content.version, told) {
		r.known[ref] = content
	}
	return content.Digest
}
