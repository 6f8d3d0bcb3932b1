package report

import (
	_ "embed"
	"html/template"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

//go:embed page.html
var pageText string

// page is the HTML report: one file, with its style and script inside, that loads
// nothing from anywhere.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"capital": func(step ledger.Step) string {
		if step == "" {
			return ""
		}
		return strings.ToUpper(string(step[:1])) + string(step[1:])
	},
}).Parse(pageText))

// view is what the page shows.
type view struct {
	Report  *ledger.Report
	Line    string
	Buckets []bucketView
	Steps   []stepView
}

type bucketView struct {
	Name    ledger.Bucket
	Title   string
	Meaning string
	Count   int
	Percent float64 // of all leaves
}

type stepView struct {
	Step  ledger.Step
	Tasks []ledger.Task
}

func newView(r *ledger.Report) view {
	v := view{Report: r, Line: Line(r)}
	for _, bucket := range ledger.Buckets {
		count := len(inBucket(r, bucket))
		v.Buckets = append(v.Buckets, bucketView{
			Name: bucket, Title: titles[bucket], Meaning: meanings[bucket], Count: count,
			Percent: 100 * float64(count) / float64(max(len(r.Entries), 1)),
		})
	}
	for _, task := range r.Checklist {
		if n := len(v.Steps); n == 0 || v.Steps[n-1].Step != task.Step {
			v.Steps = append(v.Steps, stepView{Step: task.Step})
		}
		last := &v.Steps[len(v.Steps)-1]
		last.Tasks = append(last.Tasks, task)
	}
	return v
}
