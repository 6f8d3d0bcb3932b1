package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

func TestParseFAQ(t *testing.T) {
	want := []Pair{
		{Question: "What is C++?", Answer: "A language.\nOld.", Aliases: []string{"c++?", "Define C++"}},
		{Question: "What is C?", Answer: "Another 😀."},
	}
	tests := []struct{ name, in string }{
		{name: "f.yaml", in: "# FAQ\n- question: What is C++?\n  answer: |-\n    A language.\n    Old.\n  aliases: ['c++?', Define C++]\n- {question: 'What is C?', answer: Another 😀.}\n"},
		{name: "f.json", in: "\ufeff" + `[{"question":"What is C++?","answer":"A language.\nOld.","aliases":["c++?","Define C++"]},` + "\n" + `{"question":"What is C?","answer":"Another \ud83d\ude00."}]`},
		{name: "f.CSV", in: "Answer,Question,Aliases\n\"A language.\nOld.\",What is C++?,c++?|Define C++\nAnother 😀.,What is C?,\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseFAQ(test.name, []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pairs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseFAQErrors(t *testing.T) {
	tests := []struct {
		name, file, in string
		want           []string
	}{
		{name: "ending", file: "f.txt", want: []string{`ends in ".txt", and must end in .yaml, .yml, .json or .csv`}},
		{name: "not text", file: "f.csv", in: "question,answer\n\xff", want: []string{"is not UTF-8 text"}},
		{name: "not YAML", file: "f.yaml", in: "- [", want: []string{"line 1"}},
		{name: "not YAML further down", file: "f.yaml", in: "- question: q\n  answer: a\n- {", want: []string{"line 3: "}},
		{name: "no list", file: "f.yaml", in: "\nquestion: q\nanswer: a\n", want: []string{"line 2: must be a list"}},
		{name: "a text in the list", file: "f.yml", in: "- question: a\n  answer: b\n- c\n", want: []string{"line 3: must be a pair"}},
		{name: "unknown field", file: "f.yaml", in: "- question: q\n  anwser: a\n", want: []string{`line 2: has the unknown field "anwser"; a pair has question, answer and aliases`}},
		{name: "doubled field", file: "f.yaml", in: "- question: q\n  question: r\n", want: []string{`line 2: "question" is there twice`}},
		{name: "wrong type", file: "f.yaml", in: "- question: [q]\n  answer: a\n", want: []string{"line 1: question has the wrong type"}},
		{name: "empty answer", file: "f.yaml", in: "- question: q\n", want: []string{"line 1: answer is missing or empty"}},
		{name: "no words", file: "f.yaml", in: "- {question: '?!', answer: a}", want: []string{"line 1: question is missing or has no words"}},
		{name: "twice the same", file: "f.yaml", in: "- {question: 'A b?', answer: a}\n- {question: x, answer: a, aliases: [' a  B ']}", want: []string{"line 2: aliases[0] is the same as one of line 1"}},
		{name: "all at once", file: "f.yaml", in: "- {question: q}\n- {answer: a}", want: []string{"line 1: answer", "line 2: question"}},
		{name: "two documents", file: "f.yaml", in: "[]\n---\n[]", want: []string{"more than one YAML document"}},
		{name: "no JSON", file: "f.json", in: "{}", want: []string{"line 1: must be a list"}},
		{name: "JSON field", file: "f.json", in: "[\n\n{\"q\": 1}]", want: []string{"line 3:", `unknown field "q"`}},
		{name: "JSON syntax", file: "f.json", in: "[\n{\"question\": \"q\",\n\"answer\" \"a\"}]", want: []string{"line 3:"}},
		{name: "JSON cut short", file: "f.json", in: "[", want: []string{"the list does not end"}},
		{name: "JSON and more", file: "f.json", in: "[]]", want: []string{"something follows the list"}},
		{name: "no header", file: "f.csv", in: "a,b\n", want: []string{`line 1: is "a,b", and must name the columns question and answer`}},
		{name: "a column short", file: "f.csv", in: "question,answer\nq,a\nr\n", want: []string{"line 3"}},
		{name: "CSV quotes", file: "f.csv", in: "question,answer\n\"q,a\n", want: []string{"line 2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseFAQ(test.file, []byte(test.in))
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

func FuzzParseFAQ(f *testing.F) {
	f.Add("f.yaml", []byte("- {question: q, answer: a, aliases: [b]}\n- &x {question: r, answer: *x}"))
	f.Add("f.json", []byte(`[{"question":"q","answer":"a"}]`))
	f.Add("f.csv", []byte("question,answer,aliases\nq,a,b|c\n"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		pairs, err := ParseFAQ(name, data)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		for _, p := range pairs {
			if normalise(p.Question) == "" || strings.TrimSpace(p.Answer) == "" {
				t.Errorf("accepted %+v", p)
			}
		}
		newFAQIndex(pairs, nil)
	})
}

func FuzzGuard(f *testing.F) {
	f.Add("How do I reset it?", "how to reset it")
	f.Fuzz(func(t *testing.T, a, b string) {
		if sameMeaning(a, b) != sameMeaning(b, a) {
			t.Errorf("%q and %q are alike one way only", a, b)
		}
		if !sameMeaning(a, a) {
			t.Errorf("%q is not like itself", a)
		}
	})
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// faqConfig is for a FAQ file that says how to reset.
func faqConfig(t *testing.T, server *testredis.Server) (config.Cache, string) {
	path := filepath.Join(t.TempDir(), "faq.yaml")
	writeFile(t, path, "- {question: 'How do I reset it?', answer: from the file}\n")
	return testConfig(func(c *config.Cache) {
		c.FAQ = &config.FAQ{File: path, Threshold: 0.95}
		if server != nil {
			c.Redis = withRedis(server)
		}
	}), path
}

func TestFAQExact(t *testing.T) {
	cfg, path := faqConfig(t, nil)
	c := open(t, cfg)
	for _, q := range []string{"How do I reset it?", "  how do i RESET it ", "“How do I reset it”…", "Ｈow do I reset it?"} {
		if a, ok := c.FAQ(q); !ok || a != (Answer{"How do I reset it?", "from the file"}) {
			t.Errorf("%q: got %v %v", q, a, ok)
		}
	}
	for _, q := range []string{"", "How do I reset?", "How do I not reset it?"} {
		if a, ok := c.FAQ(q); ok {
			t.Errorf("%q: got %v, want none", q, a)
		}
	}
	k := c.Key(Request{Question: "What is new?"})
	c.Store(k, nil, entry("by the model"))
	writeFile(t, path, "- {question: 'What is new?', answer: curated}\n")
	eventually(t, "the changed file", func() bool { a, ok := c.FAQ("what is new"); return ok && a.Answer == "curated" })
	if _, ok := c.FAQ("How do I reset it?"); ok {
		t.Error("what was taken out of the file is still answered")
	}
	if _, ok := c.Local(k); ok {
		t.Error("the model's answer is still in this process, ahead of the curated one")
	}
}

func TestFAQSemantic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	v := randomVector(r, 64)
	var calls atomic.Int32
	embed := func(_ context.Context, texts []string) ([][]float32, error) {
		if calls.Add(1) == 1 {
			return nil, errors.New("not yet")
		}
		return [][]float32{v}, nil
	}
	cfg, _ := faqConfig(t, nil)
	c, err := New(cfg, "e", WithEmbed(embed))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	eventually(t, "the questions to be embedded at the second attempt", func() bool {
		a, ok := c.FAQSemantic("How can I reset it?", near(r, v, 0.97))
		return ok && a.Answer == "from the file"
	})
	if _, ok := c.FAQSemantic("How can I reset it?", near(r, v, 0.93)); ok {
		t.Error("found below the threshold")
	}
	if _, ok := c.FAQSemantic("How can I not reset it?", v); ok {
		t.Error("the opposite is answered")
	}
}

func TestPutFAQReachesReplicas(t *testing.T) {
	server := testredis.Start(t)
	cfg, _ := faqConfig(t, server)
	one, two := open(t, cfg), open(t, cfg)
	answers := func(c *Cache, question, want string) func() bool {
		return func() bool { a, _ := c.FAQ(question); return a.Answer == want }
	}
	put := func(c *Cache, pairs ...Pair) {
		t.Helper()
		if err := c.PutFAQ(t.Context(), pairs); err != nil {
			t.Fatal(err)
		}
	}
	put(one, Pair{Question: "How do I reset it?", Answer: "put"}, Pair{Question: "New?", Answer: "yes"})
	eventually(t, "the replica that was asked", answers(one, "new", "yes"))
	eventually(t, "another replica", answers(two, "new", "yes"))
	eventually(t, "what was put comes ahead of the file", answers(two, "how do I reset it", "put"))

	server.Kill()
	server.Restart()
	three := open(t, cfg)
	eventually(t, "a new replica, after Redis came back empty", answers(three, "new", "yes"))

	put(three)
	eventually(t, "nothing is put any more", answers(one, "new", ""))
	eventually(t, "the file's answer", answers(one, "how do I reset it", "from the file"))
}

func TestPutFAQErrors(t *testing.T) {
	if err := open(t, testConfig(nil)).PutFAQ(t.Context(), nil); !errors.Is(err, ErrNoFAQ) {
		t.Errorf("without a FAQ: got %v, want %v", err, ErrNoFAQ)
	}
	cfg, path := faqConfig(t, nil)
	if err := open(t, cfg).PutFAQ(t.Context(), nil); !errors.Is(err, ErrFAQNotShared) {
		t.Errorf("without Redis: got %v, want %v", err, ErrFAQNotShared)
	}
	writeFile(t, path, "- question\n")
	start := time.Now()
	if _, err := New(cfg, "e"); err == nil || !strings.Contains(err.Error(), "faq.yaml: line 1: must be a pair") {
		t.Errorf("a bad file: got %v after %s, want its name and line", err, time.Since(start))
	}
}
