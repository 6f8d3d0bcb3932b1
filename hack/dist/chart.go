package main

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/resmap"
)

// sources are the parts of the chart that are not objects of config/.
//
//go:embed all:chart
var sources embed.FS

// chartFiles are the files of the chart by their paths in it.
func chartFiles(repository string, r release) (map[string][]byte, error) {
	all, err := chartObjects(repository)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, t := range templates {
		content, err := t.render(all)
		if err != nil {
			return nil, fmt.Errorf("templates/%s: %w", t.file, err)
		}
		files[path.Join("templates", t.file)] = []byte(content)
	}
	for id := range all {
		if _, ok := leftOut[id]; !ok {
			return nil, fmt.Errorf("config/ has %s, which no template of the chart takes: add it to templates or leftOut in hack/dist", id)
		}
	}
	values, err := chartValues(r)
	if err != nil {
		return nil, err
	}
	maps.Copy(files, values.files())
	return files, fs.WalkDir(sources, "chart", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == "chart/"+valuesSource {
			return err
		}
		content, err := sources.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "chart/")
		text := string(content)
		for placeholder, value := range map[string]string{
			"CHART_VERSION": chartVersion(r.version),
			"APP_VERSION":   r.version,
			"VALUES_TABLE":  values.table(),
		} {
			text = strings.ReplaceAll(text, "@"+placeholder+"@", value)
		}
		files[name] = []byte(text)
		return nil
	})
}

// chartObjects are all that the chart can make, by kind and name.
func chartObjects(repository string) (map[string]string, error) {
	everything, err := build(repository, "hack", "dist", "everything")
	if err != nil {
		return nil, err
	}
	namespaced, err := build(repository, "config", "namespaced")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, resources := range []resmap.ResMap{namespaced, everything} { // where both have it, everything's counts
		list, err := objects(resources)
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			all[o.id] = o.text
		}
	}
	return all, nil
}

// render makes the file and takes its objects away from all.
func (t template) render(all map[string]string) (string, error) {
	var texts []string
	for _, id := range t.objects {
		text, ok := all[id]
		if !ok {
			return "", fmt.Errorf("config/ has no %s", id)
		}
		delete(all, id)
		text = strings.ReplaceAll(text, "{{", `{{ "{{" }}`)
		for _, e := range everywhere {
			text = strings.ReplaceAll(text, e.old, e.new)
		}
		texts = append(texts, text)
	}
	text := strings.Join(texts, "---\n")
	for _, e := range t.edits {
		found := linesAt(text, e.old)
		if len(found) != 1 {
			return "", fmt.Errorf("the lines are there %d times, want them once:\n%s", len(found), e.old)
		}
		text = text[:found[0]] + e.new + text[found[0]+len(e.old):]
	}
	switch {
	case t.each != "":
		return "{{- range " + t.each + " }}\n---\n" + text + "{{- end }}\n", nil
	case t.when != "":
		return "{{- if " + t.when + " }}\n" + text + "{{- end }}\n", nil
	default:
		return text, nil
	}
}

// linesAt is where in the text the lines begin.
func linesAt(text, lines string) []int {
	var found []int
	for i := range len(text) {
		if (i == 0 || text[i-1] == '\n') && strings.HasPrefix(text[i:], lines) {
			found = append(found, i)
		}
	}
	return found
}

// semantic is a version as Helm wants it.
var semantic = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$`)

// chartVersion makes a semantic version of any other. A commit gets a letter before
// it, as git gives it: a number may not begin with a zero.
func chartVersion(version string) string {
	trimmed := strings.TrimPrefix(version, "v")
	if semantic.MatchString(trimmed) {
		return trimmed
	}
	trimmed = regexp.MustCompile(`[^0-9A-Za-z-]`).ReplaceAllString(trimmed, "-")
	if strings.Trim(trimmed[:1], "0123456789") == "" && !strings.Contains(trimmed, "-") {
		trimmed = "g" + trimmed
	}
	return "0.0.0-" + trimmed
}

func trimIndent(s string) string { return strings.TrimLeft(s, " ") }
