package ledger

// Step is a step of a cut-over, in the order of Steps.
type Step string

// The steps of a cut-over.
const (
	StepPrepare  Step = "prepare"
	StepIdentity Step = "identity"
	StepSecrets  Step = "secrets"
	StepStorage  Step = "storage"
	StepNetwork  Step = "network"
	StepWorkload Step = "workload"
	StepScaling  Step = "scaling"
	StepObserve  Step = "observability"
	StepTraffic  Step = "traffic weights"
	StepDNS      Step = "DNS"
	StepDrain    Step = "drain"
	StepRollback Step = "rollback"
)

// Steps lists the steps in the order in which they are taken.
var Steps = []Step{
	StepPrepare, StepIdentity, StepSecrets, StepStorage, StepNetwork, StepWorkload,
	StepScaling, StepObserve, StepTraffic, StepDNS, StepDrain, StepRollback,
}

// Report is the account of a conversion.
type Report struct {
	Summary   Summary `json:"summary"`
	Entries   []Entry `json:"entries"`
	Checklist []Task  `json:"checklist"`
}

// Summary counts the leaves.
type Summary struct {
	Leaves       int `json:"leaves"`
	Mapped       int `json:"mapped"`
	Approximated int `json:"approximated"`
	Person       int `json:"person"`
	Ignored      int `json:"ignored"`
	Unknown      int `json:"unknown"`

	Workloads []Workload `json:"workloads"`
	Objects   []string   `json:"objects"`  // Kind/name, in the order of the output
	Warnings  []string   `json:"warnings"` // what concerns no single leaf
}

// Workload is what became of one task definition.
type Workload struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`   // RAGService or Deployment
	Reason string `json:"reason"` // why that kind, and what the other way would be
}

// Task is one thing for a person to do.
type Task struct {
	Step    Step     `json:"step"`
	Title   string   `json:"title"`
	Detail  string   `json:"detail,omitempty"`  // words
	Command string   `json:"command,omitempty"` // lines to run or paste
	Leaves  []string `json:"leaves,omitempty"`  // source and path of the leaves that ask for it
}

// Count fills in the counts of the summary from the entries.
func (r *Report) Count() {
	r.Summary.Leaves = len(r.Entries)
	counts := map[Bucket]int{}
	for _, entry := range r.Entries {
		counts[entry.Bucket]++
	}
	r.Summary.Mapped = counts[Mapped]
	r.Summary.Approximated = counts[Approximated]
	r.Summary.Person = counts[Person]
	r.Summary.Ignored = counts[Ignored]
	r.Summary.Unknown = counts[Unknown]
}
