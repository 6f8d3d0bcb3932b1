package lexical

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// What the features of a text weigh against each other. The figures were chosen
// on the questions of the embed package's test; they are part of the embedding's
// identity, so a change of one needs a new [Version].
const (
	wordWeight = 1.0
	pairWeight = 0.35 // two content words in a row
	gramWeight = 0.35 // all character n-grams of a word together
	gramLength = 4
)

// Version changes whenever the same text gets another vector.
const Version = 1

// Vector returns the text as a vector of length 1 with the given number of
// dimensions. Words, pairs of words and character n-grams are hashed to a place
// and a sign each; a word that repeats counts less each time. The same text
// gives the same vector on every machine.
func Vector(text string, dimensions int) []float32 {
	f := scratch.Get().(*features)
	defer f.release()
	f.collect(text, func(t Term) float64 { return t.Weight })
	if len(f.found) == 0 { // stop words are better than nothing
		f.collect(text, func(Term) float64 { return 1 })
	}
	if len(f.found) == 0 {
		f.add("text", []byte(text), 1)
	}
	vector := make([]float32, dimensions)
	// In one order, that of the hashes and then of the text: sums of floating-point
	// numbers depend on it.
	slices.SortFunc(f.found, func(a, b occurrence) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at)) })
	for i := 0; i < len(f.found); {
		hash, weight := f.found[i].hash, 0.0
		for ; i < len(f.found) && f.found[i].hash == hash; i++ {
			weight += f.found[i].weight
		}
		value := math.Sqrt(weight)
		if hash>>63 == 1 {
			value = -value
		}
		vector[hash%uint64(dimensions)] += float32(value)
	}
	normalise(vector)
	return vector
}

// features are what a text is made of.
type features struct {
	found []occurrence
	// key and word are for building them in.
	key, word []byte
	starts    []int // of the characters in word
}

// scratch has room for the features of a text: more of it than its vector takes.
var scratch = sync.Pool{New: func() any { return &features{found: make([]occurrence, 0, 128)} }}

// mostKept is for the features of a page or two.
const mostKept = 1 << 13

func (f *features) release() {
	if cap(f.found) <= mostKept {
		f.found = f.found[:0]
		scratch.Put(f)
	}
}

// occurrence is one place where a feature is found.
type occurrence struct {
	hash uint64 // of the feature's kind and text
	// weight is a product. That it is kept rounds it: some machines would fuse it
	// with the sum.
	weight float64
	at     int // in the text, among all
}

func (f *features) add(kind string, text []byte, weight float64) {
	f.key = append(append(append(f.key[:0], kind...), 0), text...)
	f.found = append(f.found, occurrence{xxhash.Sum64(f.key), weight, len(f.found)})
}

func (f *features) collect(text string, weight func(Term) float64) {
	var before string
	for term := range Terms(text) {
		w := weight(term)
		if w == 0 {
			continue
		}
		stem := term.Stem()
		f.word = append(f.word[:0], stem...)
		f.add("word", f.word, wordWeight*w)
		if before != "" {
			f.word = append(append(append(f.word[:0], before...), ' '), stem...)
			f.add("pair", f.word, pairWeight*w)
		}
		before = stem
		f.grams(stem, gramWeight*w)
	}
}

// grams adds the character n-grams of a word, its ends marked, which share the
// weight. A word too short to have two is left to itself.
func (f *features) grams(word string, weight float64) {
	f.word, f.starts = append(f.word[:0], '^'), append(f.starts[:0], 0)
	for _, r := range word {
		f.starts = append(f.starts, len(f.word))
		f.word = utf8.AppendRune(f.word, r)
	}
	f.starts = append(f.starts, len(f.word))
	f.word = append(f.word, '$')
	f.starts = append(f.starts, len(f.word))
	grams := len(f.starts) - gramLength
	if grams < 2 {
		return
	}
	for i := range grams {
		f.add("gram", f.word[f.starts[i]:f.starts[i+gramLength]], weight/float64(grams))
	}
}

func normalise(vector []float32) {
	var sum float64
	for _, v := range vector {
		sum += float64(v) * float64(v) // exact, so that it may be fused
	}
	if sum == 0 { // opposite signs met in one place
		vector[0] = 1
		return
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range vector {
		vector[i] *= scale
	}
}
