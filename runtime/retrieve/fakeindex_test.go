package retrieve

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
)

// fakeIndex is what the servers written for these tests have in common: records
// by ID, compared one by one.
type fakeIndex struct {
	mu      sync.Mutex
	records map[string]fakeRecord
}

type fakeRecord struct {
	id     string
	vector []float32
	fields map[string]any
}

type fakeHit struct {
	fakeRecord
	cosine float64
}

func (x *fakeIndex) put(r fakeRecord) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.records == nil {
		x.records = map[string]fakeRecord{}
	}
	x.records[r.id] = r
}

func (x *fakeIndex) remove(which func(fakeRecord) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.records, func(_ string, r fakeRecord) bool { return which(r) })
}

// nearest returns the k records most like the vector that are wanted.
func (x *fakeIndex) nearest(vector []float32, k int, wanted func(fields map[string]any) bool) []fakeHit {
	x.mu.Lock()
	defer x.mu.Unlock()
	var hits []fakeHit
	for _, r := range x.records {
		if wanted(r.fields) {
			hits = append(hits, fakeHit{r, cosine(vector, r.vector)})
		}
	}
	slices.SortFunc(hits, func(a, b fakeHit) int { return cmp.Compare(b.cosine, a.cosine) })
	return hits[:min(k, len(hits))]
}

func cosine(a, b []float32) float64 {
	var product, lengthA, lengthB float64
	for i := range a {
		product += float64(a[i]) * float64(b[i])
		lengthA += float64(a[i]) * float64(a[i])
		lengthB += float64(b[i]) * float64(b[i])
	}
	if lengthA == 0 || lengthB == 0 {
		return 0
	}
	return product / math.Sqrt(lengthA*lengthB)
}

// anyOf tells whether a value, or an element of it where it is a list, passes.
func anyOf(value any, pass func(any) bool) bool {
	if list, ok := value.([]any); ok {
		return slices.ContainsFunc(list, pass)
	}
	return value != nil && pass(value)
}

func length(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
