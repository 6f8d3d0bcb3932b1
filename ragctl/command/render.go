package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/render"
	"ragops.dev/ragservice/ragctl/migrate/manifest"
)

// runtimeImage belongs to this version, as for the operator. Set by the linker.
var runtimeImage = "ragservice-runtime:dev"

type renderFlags struct {
	files     []string
	namespace string
	output    string
	options   render.Options
}

func newRenderCommand(streams Streams) *cobra.Command {
	f := &renderFlags{}
	cmd := &cobra.Command{
		Use:   "render -f FILE [-f FILE]...",
		Short: "Print what the operator would make of a RAGService, offline",
		Long: `Reads RAGServices, checks them as the API server would, fills in the defaults and
prints the objects that the operator would make, with the operator's own builders. It
talks to no cluster. Objects of other kinds are passed over.

Left out is what only a cluster knows: owner references, the Secret with the password
of a managed Redis, and the digests of documents.`,
		Example: `  ragctl render -f config/samples/production.yaml
  kubectl kustomize config/samples/embedded | ragctl render -f - | kubectl diff -f -`,
		Args: wrongUsage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), streams) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "file to read, or - for standard input; may be given several times")
	flags.StringVarP(&f.namespace, "namespace", "n", "default", "namespace of services that name none")
	flags.StringVarP(&f.output, "output", "o", "yaml", "what to print: yaml or json")
	flags.StringVar(&f.options.RuntimeImage, "runtime-image", runtimeImage, "the operator's --runtime-image, for services that name no image")
	flags.StringVar(&f.options.OperatorNamespace, "operator-namespace", "ragservice-system", "namespace that the operator runs in")
	flags.StringSliceVar(&f.options.MonitoringNamespaces, "monitoring-namespaces", []string{"monitoring"}, "the operator's --monitoring-namespaces")
	return cmd
}

func (f *renderFlags) run(ctx context.Context, streams Streams) error {
	if len(f.files) == 0 {
		return usagef("-f must name a file with a RAGService, or - for standard input")
	}
	if f.output != "yaml" && f.output != "json" {
		return usagef("--output is %q, and must be yaml or json", f.output)
	}
	services, err := f.read(ctx, streams)
	if err != nil {
		return err
	}
	var objects []*unstructured.Unstructured
	for _, service := range services {
		if service.Namespace == "" {
			service.Namespace = f.namespace
		}
		children, err := render.Children(service, f.options)
		if err != nil {
			return fmt.Errorf("RAGService %s: %w", service.Name, err)
		}
		objects = append(objects, children...)
	}
	if f.output == "json" {
		return manifest.JSON(streams.Out, objects)
	}
	return manifest.YAML(streams.Out, objects)
}

// read reads all files before anything is printed, so that a mistake leaves no half
// of an output behind.
func (f *renderFlags) read(ctx context.Context, streams Streams) ([]*v1alpha1.RAGService, error) {
	var services []*v1alpha1.RAGService
	var errs []error
	for _, file := range f.files {
		found, err := readFile(ctx, file, streams.In)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(found.Services) == 0 {
			errs = append(errs, fmt.Errorf("%s: holds no RAGService", file))
		}
		if len(found.Others) > 0 {
			fmt.Fprintf(streams.Err, "%s: passed over %s\n", file, strings.Join(found.Others, ", "))
		}
		services = append(services, found.Services...)
	}
	return services, errors.Join(errs...)
}

func readFile(ctx context.Context, file string, in io.Reader) (render.Documents, error) {
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return render.Documents{}, err
		}
		defer opened.Close()
		in = opened
	}
	found, err := render.Read(ctx, in)
	if err != nil {
		return found, fmt.Errorf("%s: %w", file, err)
	}
	return found, nil
}
