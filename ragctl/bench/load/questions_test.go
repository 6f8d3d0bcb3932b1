package load

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestGeneratedQuestionsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for i := range 50_000 {
		text := generated(i)
		if seen[text] {
			t.Fatalf("question %d was there before: %s", i, text)
		}
		seen[text] = true
	}
}

// Under Zipf's law with exponent 1 the first of n questions is asked once in the
// n-th harmonic number.
func TestZipf(t *testing.T) {
	const n, draws = 1000, 200_000
	questions, err := GenerateQuestions(n, 1)
	if err != nil {
		t.Fatal(err)
	}
	harmonic := 0.0
	for k := 1; k <= n; k++ {
		harmonic += 1 / float64(k)
	}
	count := map[string]int{}
	picker := questions.picker(7, 0)
	for range draws {
		count[string(picker.pick())]++
	}
	for _, rank := range []int{1, 2, 10} {
		want := draws / harmonic / float64(rank)
		got := float64(count[string(questions.encoded[rank-1])])
		if math.Abs(got/want-1) > 0.1 {
			t.Errorf("the question of rank %d was asked %.0f times, want about %.0f", rank, got, want)
		}
	}
}

func TestNewQuestionsAreNew(t *testing.T) {
	set, err := GenerateQuestions(10, 0)
	if err != nil {
		t.Fatal(err)
	}
	if set, err = set.WithNew(0.3); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, q := range set.encoded {
		known[string(q)] = true
	}
	const draws = 10_000
	fresh := 0
	// Two pickers, as two clients have, and still no new question twice.
	for stream := range uint64(2) {
		picker := set.picker(1, stream)
		for range draws / 2 {
			q := string(picker.pick())
			if strings.Contains(q, "Reference") {
				fresh++
				if known[q] {
					t.Fatalf("%s was asked before", q)
				}
				known[q] = true
			}
		}
	}
	if share := float64(fresh) / draws; math.Abs(share-0.3) > 0.02 {
		t.Errorf("%.3f of the questions were new, want 0.3", share)
	}
}

func TestPicksRepeatWithTheSeed(t *testing.T) {
	set, err := GenerateQuestions(1000, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	a, b := set.picker(5, 1), set.picker(5, 1)
	for range 1000 {
		if string(a.pick()) != string(b.pick()) {
			t.Fatal("the same seed gave other questions")
		}
	}
}

func TestReadQuestions(t *testing.T) {
	tests := []struct {
		name    string
		text    string
		want    []string
		wantErr string
	}{
		{name: "lines", text: "one?\n\n  two \"quoted\"? \r\n", want: []string{"one?", `two "quoted"?`}},
		{name: "JSON lines", text: `{"query":"one?","user":"u"}` + "\n", want: []string{"one?"}},
		{name: "empty", text: "\n", wantErr: "holds no question"},
		{name: "broken JSON", text: "one?\n{nope\n", wantErr: "line 2 starts with a brace and is no JSON object"},
		{name: "JSON without query", text: "{}\n", wantErr: `line 1 has no "query"`},
		{name: "too long", text: strings.Repeat("x", MaxQuestionBytes+1), wantErr: "line 1 is longer than 32768 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadQuestions(strings.NewReader(tt.text), 0)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("the error is %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Len() != len(tt.want) {
				t.Fatalf("%d questions, want %d", got.Len(), len(tt.want))
			}
			for i, want := range tt.want {
				var text string
				if err := json.Unmarshal(got.encoded[i], &text); err != nil || text != want {
					t.Errorf("question %d is %q, want %q", i, text, want)
				}
			}
		})
	}
}
