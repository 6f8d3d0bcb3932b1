package main

import (
	"bytes"
	"fmt"
	"path/filepath"

	"sigs.k8s.io/kustomize/api/filters/imagetag"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// operatorImage is the image that config/manager names.
const operatorImage = "ragservice-operator"

// build does what `kustomize build` does.
func build(folder ...string) (resmap.ResMap, error) {
	path := filepath.Join(folder...)
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy // as the command does: namespaces and definitions first
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), path)
	if err != nil {
		return nil, fmt.Errorf("kustomize build %s: %w", path, err)
	}
	return resources, nil
}

// installManifest is config/default with the image of the release.
func installManifest(repository string, r release) ([]byte, error) {
	resources, err := build(repository, "config", "default")
	if err != nil {
		return nil, err
	}
	err = resources.ApplyFilter(imagetag.Filter{
		ImageTag: types.Image{Name: operatorImage, NewName: r.image.repository, NewTag: r.image.tag, Digest: r.image.digest},
		FsSlice:  types.FsSlice{{Path: "spec/template/spec/containers[]/image"}},
	})
	if err != nil {
		return nil, fmt.Errorf("set the operator's image: %w", err)
	}
	manifest, err := resources.AsYaml()
	if err != nil {
		return nil, err
	}
	header := fmt.Sprintf("# RAGService %s: kubectl apply --server-side -f install.yaml\n# Made from config/default by hack/dist.\n", r.version)
	return bytes.Join([][]byte{[]byte(header), manifest}, nil), nil
}

// object is one object of a build, as text.
type object struct{ id, text string }

// objects are those of a build, by kind and name.
func objects(resources resmap.ResMap) ([]object, error) {
	var all []object
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, err
		}
		all = append(all, object{id: r.GetKind() + "/" + r.GetName(), text: string(text)})
	}
	return all, nil
}
