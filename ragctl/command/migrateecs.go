package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"ragops.dev/ragservice/ragctl/migrate/dryrun"
	"ragops.dev/ragservice/ragctl/migrate/ecs"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
	"ragops.dev/ragservice/ragctl/migrate/manifest"
	"ragops.dev/ragservice/ragctl/migrate/report"
)

// migrateECS is the command line of `migrate ecs`.
type migrateECS struct {
	streams Streams
	kube    kubeFlags

	files, reports, envFiles []string
	output, outputDir        string
	identity, secrets        string
	securityGroups           string
	mainContainer            string
	keepImage                bool
	failOn, dryRun           string
}

// choices are the flags that take one of a few values.
var choices = map[string][]string{
	"output":          {"yaml", "json"},
	"identity":        {string(ecs.IRSA), string(ecs.PodIdentity)},
	"secrets":         {string(ecs.ExternalSecrets), string(ecs.SecretRefs)},
	"security-groups": {"network-policy", "security-group-policy"},
	"fail-on":         {string(ledger.Person), string(ledger.Approximated)},
	"dry-run":         {"server"},
}

func newMigrateECSCommand(streams Streams) *cobra.Command {
	m := &migrateECS{streams: streams}
	cmd := &cobra.Command{
		Use:   "ecs -f FILE [-f FILE]...",
		Short: "Turn an Amazon ECS service into a RAGService, accounting for every field",
		Long: `Reads what the aws command line prints about a service: its task definition, and as
far as there are any its service, scaling, load balancer, alarms and dashboards. Prints
the objects to apply on standard output. What a file describes is found out from its
shape. No AWS call is made.

Every field of the input ends in one of five buckets: mapped, approximated, needs a
person, ignored, unknown. --report writes that account, with a checklist for the
cut-over.`,
		Example: `  aws ecs describe-task-definition --task-definition rag > task.json
  aws ecs describe-services --cluster prod --services rag > service.json
  ragctl migrate ecs -f task.json -f service.json --report report.html > rag.yaml

  ragctl migrate ecs -f exported/ --output-dir deploy/ --report report.md --fail-on person`,
		Args: wrongUsage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return m.run(cmd.Context(), cmd) },
	}
	m.kube = addKubeFlags(cmd)
	flags := cmd.Flags()
	flags.StringArrayVarP(&m.files, "filename", "f", nil, "file to read, - for standard input, or a folder for all .json files in it; may be given several times")
	flags.StringVarP(&m.output, "output", "o", "yaml", "what to print: yaml or json")
	flags.StringVar(&m.outputDir, "output-dir", "", "write one file per object and a kustomization.yaml to this folder, instead of printing")
	flags.StringArrayVar(&m.reports, "report", nil, "write the account to this file, as its ending says: .md, .json or .html; may be given several times")
	flags.StringVar(&m.identity, "identity", string(ecs.IRSA), "how pods become an IAM role: irsa or pod-identity")
	flags.StringVar(&m.secrets, "secrets", string(ecs.ExternalSecrets), "how Secrets are filled: external-secrets, or refs for Secrets that a person fills")
	flags.StringVar(&m.securityGroups, "security-groups", "network-policy", "what becomes of security groups: network-policy or security-group-policy")
	flags.StringVar(&m.mainContainer, "main-container", "", "the container that answers queries; found out if not given")
	flags.BoolVar(&m.keepImage, "keep-image", false, "convert to a plain Deployment of the image, also where a RAGService could replace it")
	flags.StringArrayVar(&m.envFiles, "env-file", nil, "ARN=PATH of a copy of an environment file that the task definition names")
	flags.StringVar(&m.failOn, "fail-on", "", "exit with 3 if a field needs a person or is unknown (person), or also if one is approximated (approximated)")
	flags.StringVar(&m.dryRun, "dry-run", "", "server: let the API server check the objects, without storing them")
	for name, values := range choices {
		if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // a flag that is not defined above
		}
	}
	return cmd
}

func (m *migrateECS) run(ctx context.Context, cmd *cobra.Command) error {
	inputs, err := m.inputs(cmd)
	if err != nil {
		return err
	}
	objects, account, err := ecs.Convert(inputs)
	if err != nil {
		return err
	}
	if err := m.writeReports(account); err != nil {
		return err
	}
	m.tell(account)
	if len(objects) == 0 {
		return errors.New("nothing to apply came out")
	}
	if err := m.write(objects); err != nil {
		return err
	}
	if m.dryRun == "server" {
		if err := m.checkOnServer(ctx, objects); err != nil {
			return err
		}
	}
	return m.threshold(account.Summary)
}

// inputs checks the flags and reads the files.
func (m *migrateECS) inputs(cmd *cobra.Command) (ecs.Inputs, error) {
	for name, values := range choices {
		if flag := cmd.Flags().Lookup(name); flag.Changed && !slices.Contains(values, flag.Value.String()) {
			return ecs.Inputs{}, usagef("--%s is %q, and must be %s", name, flag.Value, strings.Join(values, " or "))
		}
	}
	for _, path := range m.reports {
		if _, err := report.FormatOf(path); err != nil {
			return ecs.Inputs{}, UsageError{Err: err}
		}
	}
	if len(m.files) == 0 {
		return ecs.Inputs{}, usagef("give at least one file with -f: what `aws ecs describe-task-definition` prints")
	}
	inputs := ecs.Inputs{
		EnvFiles: map[string][]byte{},
		Options: ecs.Options{
			Identity: ecs.Identity(m.identity), Secrets: ecs.Secrets(m.secrets), Namespace: cmp.Or(*m.kube.config.Namespace, "default"),
			MainContainer: m.mainContainer, KeepImage: m.keepImage, SecurityGroupPolicy: m.securityGroups == "security-group-policy",
		},
	}
	for _, pair := range m.envFiles {
		at := strings.LastIndexByte(pair, '=')
		if at < 1 {
			return ecs.Inputs{}, usagef("--env-file is %q, and must be ARN=PATH", pair)
		}
		data, err := os.ReadFile(pair[at+1:])
		if err != nil {
			return ecs.Inputs{}, err
		}
		inputs.EnvFiles[pair[:at]] = data
	}
	for _, path := range m.files {
		files, err := readInput(path, m.streams.In)
		if err != nil {
			return ecs.Inputs{}, err
		}
		inputs.Files = append(inputs.Files, files...)
	}
	return inputs, nil
}

// readInput reads a file, standard input, or every JSON file of a folder.
func readInput(path string, stdin io.Reader) ([]ecs.File, error) {
	if path == "-" {
		data, err := io.ReadAll(stdin)
		return []ecs.File{{Name: "standard input", Data: data}}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	paths := []string{path}
	if info.IsDir() {
		if paths, err = jsonFiles(path); err != nil {
			return nil, err
		}
	}
	var files []ecs.File
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files = append(files, ecs.File{Name: path, Data: data})
	}
	return files, nil
}

func jsonFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, entry := range entries {
		if !entry.IsDir() && strings.EqualFold(filepath.Ext(entry.Name()), ".json") {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no .json files in this folder", dir)
	}
	return paths, nil
}

func (m *migrateECS) write(objects []*unstructured.Unstructured) error {
	switch {
	case m.outputDir != "":
		return manifest.Directory(m.outputDir, objects)
	case m.output == "json":
		return manifest.JSON(m.streams.Out, objects)
	default:
		return manifest.YAML(m.streams.Out, objects)
	}
}

func (m *migrateECS) writeReports(account *ledger.Report) error {
	for _, path := range m.reports {
		format, err := report.FormatOf(path)
		if err != nil {
			return err
		}
		var text strings.Builder
		if err := report.Write(&text, format, account); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tell says on standard error what came out.
func (m *migrateECS) tell(account *ledger.Report) {
	for _, warning := range account.Summary.Warnings {
		fmt.Fprintf(m.streams.Err, "warning: %s\n", warning)
	}
	for _, w := range account.Summary.Workloads {
		fmt.Fprintf(m.streams.Err, "%s %s: %s\n", w.Kind, w.Name, w.Reason)
	}
	fmt.Fprintln(m.streams.Err, report.Line(account))
	if len(m.reports) == 0 && account.Summary.Person+account.Summary.Unknown > 0 {
		fmt.Fprintln(m.streams.Err, "--report FILE.html shows what needs a person, as a checklist for the cut-over.")
	}
}

// checkOnServer lets the API server check what was printed.
func (m *migrateECS) checkOnServer(ctx context.Context, objects []*unstructured.Unstructured) error {
	c, _, err := m.kube.client()
	if err != nil {
		return err
	}
	if err := dryrun.Apply(ctx, c, objects); err != nil {
		return fmt.Errorf("the API server would not take all of it:\n%w", err)
	}
	fmt.Fprintf(m.streams.Err, "The API server would take all %d objects.\n", len(objects))
	return nil
}

// threshold holds the account against --fail-on.
func (m *migrateECS) threshold(s ledger.Summary) error {
	count := 0
	switch ledger.Bucket(m.failOn) {
	case ledger.Person:
		count = s.Person + s.Unknown
	case ledger.Approximated:
		count = s.Person + s.Unknown + s.Approximated
	}
	if count == 0 {
		return nil
	}
	return ThresholdError{Err: fmt.Errorf("--fail-on %s: %d fields", m.failOn, count)}
}
