package lexical

import (
	"maps"
	"math"
	"slices"

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
	counts := map[feature]float64{}
	collect(counts, text, func(t Term) float64 { return t.Weight })
	if len(counts) == 0 { // stop words are better than nothing
		collect(counts, text, func(Term) float64 { return 1 })
	}
	if len(counts) == 0 {
		counts[hash("text", text)] = 1
	}
	vector := make([]float32, dimensions)
	// In one order: sums of floating-point numbers depend on it.
	for _, f := range slices.Sorted(maps.Keys(counts)) {
		value := math.Sqrt(counts[f])
		if f>>63 == 1 {
			value = -value
		}
		vector[uint64(f)%uint64(dimensions)] += float32(value)
	}
	normalise(vector)
	return vector
}

// feature is the hash of a feature's kind and text.
type feature uint64

func collect(counts map[feature]float64, text string, weight func(Term) float64) {
	var before string
	for term := range Terms(text) {
		w := weight(term)
		if w == 0 {
			continue
		}
		counts[hash("word", term.Stem)] += wordWeight * w
		if before != "" {
			counts[hash("pair", before+" "+term.Stem)] += pairWeight * w
		}
		before = term.Stem
		grams := gramsOf(term.Stem)
		for _, gram := range grams {
			counts[hash("gram", gram)] += gramWeight * w / float64(len(grams))
		}
	}
}

// gramsOf returns the character n-grams of a word, its ends marked. A word too
// short to have two is left to itself.
func gramsOf(word string) []string {
	runes := []rune("^" + word + "$")
	if len(runes) <= gramLength {
		return nil
	}
	grams := make([]string, 0, len(runes)-gramLength+1)
	for i := range len(runes) - gramLength + 1 {
		grams = append(grams, string(runes[i:i+gramLength]))
	}
	return grams
}

func hash(kind, text string) feature {
	return feature(xxhash.Sum64String(kind + "\x00" + text))
}

func normalise(vector []float32) {
	var sum float64
	for _, v := range vector {
		sum += float64(v) * float64(v)
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
