package cache

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"
)

// slabCandidates is how many of the nearest entries are looked at. More would
// only matter where many near ones were kept apart by the guard.
const slabCandidates = 4

// slab holds the vectors of one partition and space, and searches all of them.
//
// Components are kept in 8 bits. That takes a quarter of the memory, here and in
// Redis, and moves a cosine by about 0.001. The first quarter of each vector
// lies apart from the rest: by the inequality of Cauchy and Schwarz it bounds
// the whole product, and rules most vectors out without the rest being read.
type slab struct {
	mu    sync.RWMutex
	max   int
	dims  int
	head  int // the components that lie in heads
	heads []int8
	tails []int8
	rest  []float32 // the length of each tail
	norms []float32 // the length of each vector
	refs  []semanticRef
	byID  map[[32]byte]int
	next  int // the place that the next entry takes when the slab is full
}

// semanticRef points to an exact entry. The answer itself is only there, so that
// it expires and is invalidated in one place.
type semanticRef struct {
	id       [32]byte
	question string
	stored   time.Time
}

type candidate struct {
	semanticRef
	similarity float64
}

// slabEntryBytes is what an entry takes beside its components and question.
const slabEntryBytes = 160

func newSlab(dims, limit int) *slab {
	return &slab{max: limit, dims: dims, head: dims / 4, byID: map[[32]byte]int{}}
}

// quantise scales a vector to 8 bits; false if it has no direction.
func quantise(v []float32) ([]int8, bool) {
	var largest float64
	for _, x := range v {
		a := math.Abs(float64(x))
		if math.IsNaN(a) || math.IsInf(a, 0) {
			return nil, false
		}
		largest = max(largest, a)
	}
	if largest == 0 {
		return nil, false
	}
	q := make([]int8, len(v))
	for i, x := range v {
		q[i] = int8(math.Round(float64(x) / largest * 127))
	}
	return q, true
}

// add keeps an entry, in the place of the oldest when the slab is full. An entry
// that is known only becomes newer. It returns by how many bytes the slab grew.
func (s *slab) add(ref semanticRef, q []int8) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(q) != s.dims {
		return 0
	}
	if i, ok := s.byID[ref.id]; ok {
		if ref.stored.After(s.refs[i].stored) {
			s.refs[i].stored = ref.stored
		}
		return 0
	}
	norm, rest := length(q), length(q[s.head:])
	if len(s.refs) < s.max {
		s.byID[ref.id] = len(s.refs)
		s.heads = append(s.heads, q[:s.head]...)
		s.tails = append(s.tails, q[s.head:]...)
		s.rest, s.norms, s.refs = append(s.rest, rest), append(s.norms, norm), append(s.refs, ref)
		return s.dims + len(ref.question) + slabEntryBytes
	}
	i := s.next
	s.next = (s.next + 1) % s.max
	delete(s.byID, s.refs[i].id)
	grown := len(ref.question) - len(s.refs[i].question)
	s.byID[ref.id] = i
	copy(s.heads[i*s.head:], q[:s.head])
	copy(s.tails[i*(s.dims-s.head):], q[s.head:])
	s.rest[i], s.norms[i], s.refs[i] = rest, norm, ref
	return grown
}

// search returns the nearest entries of at least the threshold that were stored
// after the time, nearest first.
func (s *slab) search(q []int8, threshold float64, after time.Time) []candidate {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(q) != s.dims {
		return nil
	}
	var (
		found []candidate
		tail  = s.dims - s.head
		qHead = q[:s.head]
		qTail = q[s.head:]
		qRest = length(qTail)
		qNorm = length(q)
		least = float32(threshold) * qNorm * (1 - 1e-6) // equal vectors pass a threshold of 1
	)
	for i, norm := range s.norms {
		need := least * norm
		product := float32(dot(qHead, s.heads[i*s.head:(i+1)*s.head]))
		if product+qRest*s.rest[i] < need {
			continue
		}
		product += float32(dot(qTail, s.tails[i*tail:(i+1)*tail]))
		if product < need || s.refs[i].stored.Before(after) {
			continue
		}
		found = append(found, candidate{s.refs[i], float64(product / (qNorm * norm))})
	}
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Compare(b.similarity, a.similarity) })
	return found[:min(len(found), slabCandidates)]
}

func (s *slab) len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.refs)
}

func length(q []int8) float32 { return float32(math.Sqrt(float64(dot(q, q)))) }

// dot cannot overflow below 130,000 components. It goes by blocks of a length
// that the compiler knows, which spares it a check for each component.
func dot(a, b []int8) int32 {
	const block = 16
	var s0, s1 int32
	for len(a) >= block && len(b) >= block {
		x, y := (*[block]int8)(a), (*[block]int8)(b)
		s0 += int32(x[0])*int32(y[0]) + int32(x[1])*int32(y[1]) + int32(x[2])*int32(y[2]) + int32(x[3])*int32(y[3])
		s1 += int32(x[4])*int32(y[4]) + int32(x[5])*int32(y[5]) + int32(x[6])*int32(y[6]) + int32(x[7])*int32(y[7])
		s0 += int32(x[8])*int32(y[8]) + int32(x[9])*int32(y[9]) + int32(x[10])*int32(y[10]) + int32(x[11])*int32(y[11])
		s1 += int32(x[12])*int32(y[12]) + int32(x[13])*int32(y[13]) + int32(x[14])*int32(y[14]) + int32(x[15])*int32(y[15])
		a, b = a[block:], b[block:]
	}
	for i, x := range a {
		s0 += int32(x) * int32(b[i])
	}
	return s0 + s1
}
