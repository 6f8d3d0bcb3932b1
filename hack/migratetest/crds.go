package migratetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
)

// crdSource is where the CRDs of a project are: files in its Go module. The sum is
// that of go.sum, so that only what was reviewed is read.
type crdSource struct {
	module, version, sum string
	files                []string
}

// crdSources are the projects whose kinds the migration puts out.
var crdSources = []crdSource{
	{
		module: "github.com/external-secrets/external-secrets", version: "v1.3.2", sum: "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
		files: []string{"config/crds/bases/external-secrets.io_externalsecrets.yaml", "config/crds/bases/external-secrets.io_secretstores.yaml"},
	},
	{
		module: "github.com/kedacore/keda/v2", version: "v2.21.0", sum: "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
		files: []string{"config/crd/bases/keda.sh_scaledobjects.yaml"},
	},
	{
		module: "github.com/prometheus-operator/prometheus-operator", version: "v0.85.0", sum: "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
		files: []string{"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
	},
	{
		module: "github.com/aws/amazon-vpc-resource-controller-k8s", version: "v1.8.2", sum: "h1:S6fvZf7+Xjho4LLo2AdxT3x9yaOJ37Ly/eGQd+ASWi4=",
		files: []string{"config/crd/bases/vpcresources.k8s.aws_securitygrouppolicies.yaml"},
	},
}

// paths downloads the module, if it is not in the cache, and returns its CRDs.
func (s crdSource) paths(ctx context.Context) ([]string, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", s.module+"@"+s.version)
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	runErr := command.Run()
	var downloaded struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(out.Bytes(), &downloaded); err != nil {
		return nil, fmt.Errorf("download %s: %w: %s", s.module, runErr, errOut.String())
	}
	if downloaded.Error != "" {
		return nil, fmt.Errorf("download %s: %s", s.module, downloaded.Error)
	}
	if downloaded.Sum != s.sum {
		return nil, fmt.Errorf("%s@%s has the sum %s, want %s", s.module, s.version, downloaded.Sum, s.sum)
	}
	var paths []string
	for _, file := range s.files {
		paths = append(paths, filepath.Join(downloaded.Dir, file))
	}
	return paths, nil
}
