package ecs

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// mutate returns a copy of a document with one thing about it changed, as the real
// world changes documents: a member missing, null, of another type, misspelled, a
// placeholder, a number as a string, a list with an item twice.
func mutate(r *rand.Rand, value any) any {
	switch value := value.(type) {
	case map[string]any:
		return mutateObject(r, value)
	case []any:
		return mutateArray(r, value)
	default:
		return scalars[r.IntN(len(scalars))]
	}
}

// scalars are what a mutation puts in place of a value.
var scalars = []any{
	nil, true, false, 0, -1, 1.5, 1e15, json.Number("99999999999999999999"), "", " ", "0", "-3", "512", "1e9", "NaN", "true",
	"<PLACEHOLDER>", "${VALUE}", "{{value}}", "$(reference)", "a/b:c", "arn:aws:secretsmanager:eu-west-1:1:secret:x::", "arn:::::", "::::::::",
	"ünïcödé \u0000 \n | `", strings.Repeat("long", 100), []any{}, map[string]any{}, []any{nil}, []any{[]any{1}}, map[string]any{"name": 1},
}

func mutateObject(r *rand.Rand, object map[string]any) any {
	result := maps.Clone(object)
	keys := slices.Sorted(maps.Keys(result))
	if len(keys) == 0 {
		return scalars[r.IntN(len(scalars))]
	}
	key := keys[r.IntN(len(keys))]
	switch r.IntN(8) {
	case 0:
		delete(result, key)
	case 1:
		result[key] = scalars[r.IntN(len(scalars))]
	case 2:
		result[strings.ToUpper(key)] = result[key]
	case 3:
		result[fmt.Sprintf("unheard'of.%d", r.IntN(10))] = result[key]
		delete(result, key)
	default:
		result[key] = mutate(r, result[key])
	}
	return result
}

func mutateArray(r *rand.Rand, array []any) any {
	result := slices.Clone(array)
	if len(result) == 0 {
		return []any{scalars[r.IntN(len(scalars))]}
	}
	i := r.IntN(len(result))
	switch r.IntN(6) {
	case 0:
		return append(result, result[i])
	case 1:
		return slices.Delete(result, i, i+1)
	default:
		result[i] = mutate(r, result[i])
		return result
	}
}

// TestMutatedDocuments converts hundreds of documents that are a little wrong.
// Each either is refused with an error or is accounted for in full.
func TestMutatedDocuments(t *testing.T) {
	const perFixture = 60
	converted := 0
	for _, name := range fixtures(t) {
		r := rand.New(rand.NewPCG(1, uint64(len(name))))
		files := readFixture(t, name)
		for round := range perFixture {
			mutated := slices.Clone(files)
			i := r.IntN(len(mutated))
			var value any
			if json.Unmarshal(mutated[i].Data, &value) != nil {
				continue // several documents in one file
			}
			for range 1 + r.IntN(4) {
				value = mutate(r, value)
			}
			data, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			mutated[i].Data = data
			_, report, err := convertChecked(t, Inputs{Files: mutated, Options: variants[round%len(variants)]})
			if err == nil {
				converted++
				checkAccount(t, mutated, report)
			}
			if t.Failed() {
				t.Fatalf("fixture %s, round %d, file %s:\n%s", name, round, mutated[i].Name, data)
			}
		}
	}
	if converted < 250 {
		t.Errorf("only %d of the documents were converted: the mutations break too much to test anything", converted)
	}
}

// build sets the value at a rule's path in a document.
func build(document map[string]any, path string, value any) {
	head, rest, nested := strings.Cut(path, ".")
	name, list := strings.CutSuffix(head, "[]")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "**"), "*")
	if name == "" {
		name = "anything"
	}
	switch {
	case list && nested:
		items, ok := document[name].([]any)
		if !ok {
			items = []any{map[string]any{}}
		}
		if item, ok := items[0].(map[string]any); ok {
			build(item, rest, value)
		}
		document[name] = items
	case list:
		document[name] = []any{value}
	case nested:
		member, ok := document[name].(map[string]any)
		if !ok {
			member = map[string]any{}
		}
		build(member, rest, value)
		document[name] = member
	default:
		document[name] = value
	}
}

// TestGeneratedDocuments converts documents that have every field there is a rule
// for, filled with values of every sort.
func TestGeneratedDocuments(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for round := range 60 {
		task := map[string]any{}
		service := map[string]any{}
		for k, document := range map[kind]map[string]any{kindTask: task, kindService: service} {
			for _, rule := range rulesOf[k] {
				if r.IntN(4) > 0 {
					build(document, rule.path, scalars[r.IntN(len(scalars))])
				}
			}
		}
		task["family"] = "generated"
		files := []File{{Name: "task.json", Data: marshal(t, task)}, {Name: "service.json", Data: marshal(t, map[string]any{"service": service})}}
		_, report, err := convertChecked(t, Inputs{Files: files, Options: variants[round%len(variants)]})
		if err == nil {
			checkAccount(t, files, report)
		}
		if t.Failed() {
			t.Fatalf("round %d:\n%s\n%s", round, files[0].Data, files[1].Data)
		}
	}
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzConvert feeds any bytes: nothing may panic, and what is converted is accounted
// for.
func FuzzConvert(f *testing.F) {
	for _, name := range fixtures(f) {
		for _, file := range readFixture(f, name) {
			f.Add(file.Data, false)
			f.Add(file.Data, true)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, keep bool) {
		files := []File{{Name: "input", Data: data}}
		_, report, err := convertChecked(t, Inputs{Files: files, Options: Options{KeepImage: keep}})
		if err != nil {
			return
		}
		if report.Summary.Leaves != len(report.Entries) {
			t.Errorf("%d leaves, %d entries", report.Summary.Leaves, len(report.Entries))
		}
		seen := map[string]bool{}
		for _, e := range report.Entries {
			if key := e.Source + " " + e.Path; seen[key] {
				t.Errorf("%s is in the report twice", key)
			} else {
				seen[key] = true
			}
		}
	})
}
