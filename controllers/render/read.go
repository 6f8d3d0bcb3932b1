package render

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Documents are what a stream of YAML holds.
type Documents struct {
	// Services, admitted as by [Admit], in the order of the stream.
	Services []*v1alpha1.RAGService
	// Others name the objects of other kinds, which are passed over.
	Others []string
}

// Read reads a stream of YAML documents, or of JSON. A document that is no object, or
// a RAGService that the API server would refuse, is an error that says which one it
// is; all of them are reported.
func Read(ctx context.Context, r io.Reader) (Documents, error) {
	var found Documents
	var errs []error
	reader := utilyaml.NewYAMLReader(bufio.NewReader(r))
	for number := 1; ; number++ {
		data, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return found, errors.Join(errs...)
		}
		if err != nil {
			return found, errors.Join(append(errs, err)...)
		}
		if len(bytes.TrimSpace(data)) == 0 {
			continue
		}
		if err := found.add(ctx, data); err != nil {
			errs = append(errs, fmt.Errorf("document %d: %w", number, err))
		}
	}
}

func (d *Documents) add(ctx context.Context, data []byte) error {
	var object struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := yaml.Unmarshal(data, &object); err != nil {
		return fmt.Errorf("is no object: %w", err)
	}
	switch {
	case object.APIVersion == "" && object.Kind == "":
		if onlyComments(data) {
			return nil
		}
		return errors.New("has no apiVersion and no kind")
	case object.Kind != "RAGService":
		d.Others = append(d.Others, object.Kind+"/"+object.Metadata.Name)
		return nil
	}
	service, err := Admit(ctx, data)
	if err != nil {
		return fmt.Errorf("RAGService %s: %w", object.Metadata.Name, err)
	}
	d.Services = append(d.Services, service)
	return nil
}

func onlyComments(data []byte) bool {
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}
