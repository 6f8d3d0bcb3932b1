package lexical

import "strings"

// weight tells words that carry a question from those that carry only grammar.
// An embedding cannot count how many documents have a word, so two fixed lists
// stand in for that count.
func weight(word string) float64 {
	switch {
	case stopWords[word]:
		return 0
	case commonWords[word]:
		return 0.4
	default:
		return 1
	}
}

// stopWords are the function words of English.
var stopWords = set(`
a about above after again against all also am an and any are aren't as at be because been before being below between
both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each either else ever few
for from further had hadn't has hasn't have haven't having he her here hers herself him himself his how however i i'm
i've if in into is isn't it it's its itself just let let's may me might more most must mustn't my myself neither no nor
not of off on once only onto or other others our ours ourselves out over own per s same shall she should shouldn't so
some such t than that that's the their theirs them themselves then there there's these they they're this those though
through to too under until up upon us very was wasn't we we're were weren't what what's when where whether which while
who whom whose why will with within without won't would wouldn't yes yet you you're your yours yourself yourselves
`)

// commonWords are words that nearly any prose is full of.
var commonWords = set(`
able actually already always another anything become becomes call called case cases come comes different done easy
enough especially etc even every everything example explain find first found get gets getting give given gives go goes
going good got happen happened happens instead keep keeps kind know known last least less like likely long look looks
made make makes making many mean means much need needed needs never new next nothing now often one ones part parts
please possible put rather really right said say says see seen several show shows since single something sort still
sure take taken takes tell thing things think three time times together two use used useful user users uses using usual
usually want wants way ways well work working works
`)

func set(list string) map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		words[word] = true
	}
	return words
}
