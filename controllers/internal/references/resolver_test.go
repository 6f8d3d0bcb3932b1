package references

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/controllers/internal/build"
)

// reads is an API server that has one Secret, and counts how often it is asked.
type reads struct {
	client.Reader
	secret *corev1.Secret
	count  int
}

func (r *reads) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	r.count++
	r.secret.DeepCopyInto(object.(*corev1.Secret))
	return nil
}

// TestChanges checks when an object is read again, and when it is news that it changed.
func TestChanges(t *testing.T) {
	name := types.NamespacedName{Namespace: "default", Name: "support-redis"}
	secret := func(version string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name, UID: "1", ResourceVersion: version},
			Data:       map[string][]byte{"password": []byte(version)},
		}
	}
	tests := []struct {
		name string
		// told before and after the operator creates version 10.
		before, after []string
		wantNews      []bool
		wantReads     int
	}{
		{name: "nothing is told"},
		{name: "its creation is told", after: []string{"10"}, wantNews: []bool{false}},
		{name: "its creation is told before its answer", before: []string{"10"}, wantNews: []bool{true}},
		{name: "a change is told", after: []string{"10", "11"}, wantNews: []bool{false, true}, wantReads: 1},
		{name: "a change is told before the answer to its creation", before: []string{"10", "9223372036854775808"}, wantNews: []bool{true, true}, wantReads: 1},
		{name: "the end of a former one is told", before: []string{"9"}, wantNews: []bool{true}},
		{name: "something may have been missed", after: []string{""}, wantNews: []bool{true}, wantReads: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := &reads{secret: secret("11")}
			r := NewResolver(server)
			var news []bool
			tell := func(versions []string) {
				for _, version := range versions {
					news = append(news, r.Changed(build.RefersToSecret, name, version))
				}
			}
			tell(tt.before)
			r.Created(secret("10"))
			tell(tt.after)
			if len(news) != len(tt.wantNews) {
				t.Fatalf("told %d times, want %d", len(news), len(tt.wantNews))
			}
			for i, want := range tt.wantNews {
				if news[i] != want {
					t.Errorf("change %d is news: %t, want %t", i, news[i], want)
				}
			}
			want := contentOf("1", "", secret("10").Data)
			if tt.wantReads > 0 {
				want = contentOf("1", "", secret("11").Data)
			}
			for range 2 {
				got, err := r.Get(t.Context(), name.Namespace, build.RefersToSecret, name.Name)
				if err != nil || got.Digest != want.Digest {
					t.Errorf("found %+v, %v; want digest %s", got, err, want.Digest)
				}
			}
			if server.count != tt.wantReads {
				t.Errorf("read %d times, want %d", server.count, tt.wantReads)
			}
		})
	}
}
