package measure

import (
	"cmp"
	"maps"
	"slices"

	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/runtime/config"
)

// dependencies gathers what several pods say of the same server.
type dependencies map[dependency]decide.Dependency

type dependency struct {
	role config.Role
	name string
}

func (d dependencies) add(reported []config.DependencyStatus) {
	for _, r := range reported {
		key := dependency{r.Role, r.Name}
		sum := d[key]
		sum.Role, sum.Name = r.Role, r.Name
		switch r.State {
		case config.Reachable:
			sum.Reachable++
		case config.Unreachable:
			sum.Unreachable++
			sum.Reason = max(sum.Reason, r.Reason) // any, and the same one every time
		default:
			sum.Unknown++
		}
		d[key] = sum
	}
}

func (d dependencies) sorted() []decide.Dependency {
	return slices.SortedFunc(maps.Values(d), func(a, b decide.Dependency) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Name, b.Name))
	})
}
