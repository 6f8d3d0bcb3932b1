package build_test

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/runtime/config"
)

// TestNames checks that the two lists of children, built and looked for, agree.
func TestNames(t *testing.T) {
	for _, file := range []string{"testdata/small.yaml", "testdata/full.yaml", "testdata/external.yaml", "testdata/keda.yaml", "testdata/demand.yaml",
		"testdata/embedding.yaml", "testdata/embedding-gpu.yaml", "testdata/workload.yaml"} {
		in := input(t, file)
		wanted := map[string]bool{}
		for _, name := range build.Names(in.Service, in.Content.Name) {
			wanted[build.Child{Kind: name.Kind, Name: name.Name}.String()] = name.Wanted
		}
		children, err := build.Children(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range children {
			if want, listed := wanted[child.String()]; !listed || want != (child.Config != nil) {
				t.Errorf("%s: %s is built: %t; Names lists it: %t, wanted: %t", file, child, child.Config != nil, listed, want)
			}
		}
	}
}

// TestConfigurationIsTheRuntimes checks that what the operator writes is what the
// runtime reads, without a field left over on either side.
func TestConfigurationIsTheRuntimes(t *testing.T) {
	in := input(t, "testdata/full.yaml")
	got, err := config.Parse(in.Content.Data)
	if err != nil {
		t.Fatalf("the runtime refuses the configuration: %v\n%s", err, in.Content.Data)
	}
	if got.Cache.Redis.PasswordFile == "" || got.Access.JWT.UserClaim != "sub" || got.Model.Fallbacks[0].Bedrock == nil {
		t.Errorf("the runtime read %+v, which lacks what the spec says", got)
	}
	if !strings.HasSuffix(in.Content.Name, config.Hash(in.Content.Data)) {
		t.Errorf("the ConfigMap is %s, want a name that ends in the hash %s", in.Content.Name, config.Hash(in.Content.Data))
	}
}

// TestNoSecretInConfiguration checks that a configuration holds paths only.
func TestNoSecretInConfiguration(t *testing.T) {
	in := input(t, "testdata/full.yaml")
	for _, r := range build.References(in.Service) {
		if r.Kind == build.RefersToSecret && !r.Extra && !strings.Contains(string(in.Content.Data), "/"+r.Name+"/"+r.Key) {
			t.Errorf("%s: the configuration does not name the file of Secret %s, key %s", r.Field, r.Name, r.Key)
		}
	}
}

// TestEmbeddingTokenStays checks that the token of the Hugging Face Hub goes to the
// embedding server and to nobody else.
func TestEmbeddingTokenStays(t *testing.T) {
	in := input(t, "testdata/embedding-gpu.yaml")
	if strings.Contains(string(in.Content.Data), "hub") {
		t.Errorf("the runtime's configuration knows of the token:\n%s", in.Content.Data)
	}
	children, err := build.Children(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range children {
		if child.Config == nil {
			continue
		}
		has := strings.Contains(encode(t, child), "secretName: hub")
		if want := child.String() == "Deployment/gpu-embedding"; has != want {
			t.Errorf("%s names the Secret of the token: %t, want %t", child, has, want)
		}
	}
}

// TestEmbeddingIdentity checks that another revision of a model is another embedding
// in cache keys.
func TestEmbeddingIdentity(t *testing.T) {
	got := input(t, "testdata/embedding-gpu.yaml").Content.Config.Embedding.TextEmbeddingsInference
	want := config.TextEmbeddingsInference{
		Endpoint: "http://gpu-embedding.demo.svc:8080",
		Model:    "BAAI/bge-small-en-v1.5@5c38ec7c405ec4b44b94cc5a9bb96e735b38267a",
	}
	if got == nil || *got != want {
		t.Errorf("the runtime asks %+v, want %+v", got, want)
	}
}

// TestExtraReferences checks that what the user adds to the pods is looked for, and not
// mounted a second time.
func TestExtraReferences(t *testing.T) {
	in := input(t, "testdata/workload.yaml")
	var got []string
	for _, r := range build.References(in.Service) {
		if r.Extra {
			got = append(got, fmt.Sprintf("%s: %s %s/%s", r.Field, r.Kind, r.Name, r.Key))
		}
	}
	want := []string{
		"spec.workload.env[3].secret: Secret proxy/token",
		"spec.workload.env[4].configMap: ConfigMap place/zone",
		"spec.workload.volumes[0].configMap: ConfigMap company-ca/",
		"spec.workload.volumes[2].secret: Secret database-client/",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if strings.Contains(string(in.Content.Data), "proxy") {
		t.Errorf("the configuration names what it does not use:\n%s", in.Content.Data)
	}
}

// TestAffinity checks that what no Pod knows is refused, not dropped.
func TestAffinity(t *testing.T) {
	in := input(t, "testdata/workload.yaml")
	in.Service.Spec.Workload.Affinity = &runtime.RawExtension{Raw: []byte(`{"nodeAffinity":{"required":[]}}`)}
	_, err := build.Children(in)
	if want := `spec.workload.affinity: must be as spec.affinity of a Pod: json: unknown field "required"`; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func TestCheckRedis(t *testing.T) {
	tests := []struct {
		name               string
		poolSize, replicas int32
		wantErr            string
	}{
		{name: "the defaults fit", poolSize: 20, replicas: 10},
		{name: "just fits", poolSize: 78, replicas: 100},
		{name: "one too many", poolSize: 79, replicas: 100, wantErr: "would open 10125 connections, and the managed Redis takes 10000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &v1alpha1.RAGService{}
			s.Spec.Cache = &v1alpha1.Cache{Redis: &v1alpha1.Redis{Managed: &v1alpha1.ManagedRedis{}, PoolSize: tt.poolSize}}
			s.Spec.Scaling.MaxReplicas = tt.replicas
			err := build.CheckRedis(s)
			switch {
			case tt.wantErr == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("got error %v, want one that says %q", err, tt.wantErr)
			}
		})
	}
}
