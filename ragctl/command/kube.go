package command

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

// kubeFlags are the flags by which kubectl itself chooses a cluster.
type kubeFlags struct {
	config *genericclioptions.ConfigFlags
}

func addKubeFlags(cmd *cobra.Command) kubeFlags {
	config := genericclioptions.NewConfigFlags(true)
	config.AddFlags(cmd.Flags())
	return kubeFlags{config: config}
}

// client returns a client of the chosen cluster and the chosen namespace.
func (f kubeFlags) client() (client.Client, string, error) {
	namespace, _, err := f.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	config, err := f.config.ToRESTConfig()
	if err != nil {
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, "", err
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, "", fmt.Errorf("reach the cluster: %w", err)
	}
	return c, namespace, nil
}
