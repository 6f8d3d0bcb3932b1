package result

import (
	"fmt"
	"strings"
)

// goal is a line of the table of what must be reached.
type goal struct {
	text     string
	scenario string
	metric   string
	ours     string
	// fastAPI and flask are the factors at least.
	fastAPI, flask float64
}

var goals = []goal{
	{"hits from memory, answers per second", "hit-local", "answers", "runtime", 10, 10},
	{"hits from Redis, answers per second", "hit-redis", "answers", "runtime-redis", 5, 5},
	{"capacity of a core within the objectives, 70 % hits", "mixed", "capacity", "runtime", 10, 20},
}

// reported are figures without a goal.
var reported = []goal{
	{text: "CPU time of a hit from memory", scenario: "hit-local", metric: "CPU per 1,000 answers", ours: "runtime"},
	{text: "memory for 1,000 questions in flight", scenario: "in-flight-1000", metric: "memory for 1,000 in flight", ours: "runtime"},
	{text: "start to ready", scenario: "start", metric: "ready", ours: "runtime"},
	{text: "memory when idle", scenario: "start", metric: "memory", ours: "runtime"},
	{text: "files of an image", scenario: "size", metric: "files of an image", ours: "runtime"},
}

// keyTable is what a reader looks for first: the ratios, and what was asked for.
func (r *Results) keyTable() string {
	var b strings.Builder
	if r.Quick {
		b.WriteString("From the quick form of the run: few and short rounds, for a look, not for quoting.\n\n")
	}
	b.WriteString("| better by | FastAPI | Flask | goal |\n|---|---|---|---|\n")
	for _, g := range goals {
		r.goalLine(&b, g, fmt.Sprintf("at least %gx / %gx", g.fastAPI, g.flask))
	}
	for _, g := range reported {
		r.goalLine(&b, g, "reported")
	}
	b.WriteString("\n")
	for _, line := range r.otherGoals() {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	return b.String()
}

func (r *Results) goalLine(b *strings.Builder, g goal, want string) {
	m := r.Scenario(g.scenario).Metric(g.metric)
	if m == nil {
		return
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s |\n", g.text, against(m, g.ours, "fastapi", g.fastAPI), against(m, g.ours, "flask", g.flask), want)
}

// against is the ratio to a baseline, marked where it falls short of the goal.
func against(m *Metric, ours, other string, goal float64) string {
	ratio := m.Times(ours, other)
	text := m.times(ours, other)
	switch {
	case ratio == nil || goal == 0:
		return text
	case ratio.Value >= goal:
		return "**" + text + "**"
	}
	return text + ", short of it"
}

// otherGoals are those that no factor says.
func (r *Results) otherGoals() []string {
	var lines []string
	if row := r.Scenario("lookups").Metric("p50").Row("runtime"); row != nil {
		ms, _, _ := row.Middle()
		lines = append(lines, fmt.Sprintf("A miss with the guide's look-ups side by side takes %.1f ms: %.3f of the sequential 350 ms (goal: under 0.60), %.1f ms above its critical path of 200 ms (goal: 1 ms): %s.",
			ms, ms/350, ms-200, reached(ms < 0.6*350 && ms <= 201)))
	}
	if m := r.Scenario("miss").Metric("p50"); m.Row("runtime") != nil && m.Row("floor-path") != nil {
		ms, _, _ := m.Row("runtime").Middle()
		floor, _, _ := m.Row("floor-path").Middle()
		lines = append(lines, fmt.Sprintf("A miss whose three requests must follow one another (350 ms) takes %.1f ms, %.1f ms more than a bare net/http server that makes the same requests.", ms, ms-floor))
	}
	if row := r.Scenario("in-flight-5000").Metric("answered").Row("runtime"); row != nil {
		share, _, _ := row.Middle()
		lines = append(lines, fmt.Sprintf("Of 5,000 questions in flight at once the query runtime answers %s %% (goal: all): %s.", Number(share), reached(share == 100)))
	}
	return lines
}

func reached(yes bool) string {
	if yes {
		return "reached"
	}
	return "not reached"
}

// The marks in the README between which the summary stands.
const (
	summaryBegin = "<!-- make bench: begin -->\n"
	summaryEnd   = "<!-- make bench: end -->\n"
)

// Summary replaces the summary in the text of the README.
func (r *Results) Summary(readme string) (string, error) {
	before, rest, found := strings.Cut(readme, summaryBegin)
	_, after, ended := strings.Cut(rest, summaryEnd)
	if !found || !ended {
		return "", fmt.Errorf("the README lacks the lines %q and %q", summaryBegin, summaryEnd)
	}
	summary := r.keyTable()
	if r.Quick {
		summary = "The last run was a quick one, whose figures are not for quoting; the next full run of `make bench` writes them here.\n"
	}
	return before + summaryBegin + summary + summaryEnd + after, nil
}
