package cache

import "strings"

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// negations of the languages that most questions come in. One too many makes a
// miss; one too few may turn an answer round.
var negations = set(`not no never none nobody nothing neither nor cannot dont doesnt didnt isnt arent
	wont cant couldnt shouldnt wouldnt without except unless lack lacks stop avoid prevent
	nicht kein keine keinen keinem keiner nie niemals ohne
	pas jamais sans aucun aucune ne
	nunca jamás sin ningún ninguna ningun nada não sem nenhum nenhuma
	non mai senza nessun nessuna niet geen nooit zonder`)

// polarWords turn a question round or change its reach; both questions must have
// the same ones.
var polarWords = set(`all any every each only both most some always sometimes ever still already yet
	off out down over under above below before after until since more less fewer least than
	from into versus vs against instead inside outside up
	alle alles nur immer vor nach mit tous toutes seulement toujours avant après avec
	todo todos solo siempre antes después con tutti sempre prima dopo`)

// directionWords give the order of words its meaning, and may themselves be left
// out. Where no question word says what is asked for, the order has it anyway: as in
// "does the landlord pay the tenant".
var directionWords = set(`by between through`)

// beforeInfinitive are words after which "to" leads a verb, not a direction.
var beforeInfinitive = set(`how want need needs way ways have has able going like steps trying try
	used possible allowed supposed what where when i is are ought best`)

// stopWords carry no content; the politeness around a question is among them.
var stopWords = set(`a an the this that these those it its is are was were be been being am do does did
	done doing have has had having can could will would shall should may might must
	i me we us you he she they them his her their one someone there here
	of in on at to for with as and or but if then so about
	please kindly tell explain describe show give let know want need like help thanks thank hi hello
	hey ok way ways steps step exactly actually currently just simply really also possible able
	get got make i'm i've i'd what's that's it's there's`)

// greetings may come before a request.
var greetings = set(`hi hello hey please kindly`)

// wishes begin a request for how to do something.
var wishes = [][]string{
	{"i", "want", "to"}, {"i", "need", "to"}, {"i", "would", "like", "to"}, {"i'd", "like", "to"},
	{"we", "want", "to"}, {"we", "need", "to"}, {"we", "would", "like", "to"}, {"we'd", "like", "to"},
}

// owners say whose thing is meant.
var owners = map[string]string{
	"my": "mine", "mine": "mine", "our": "mine", "ours": "mine",
	"your": "yours", "yours": "yours",
}

// numberWords are numbers written out.
var numberWords = map[string]string{
	"zero": "0", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
	"seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
	"first": "1st", "second": "2nd", "third": "3rd", "once": "1x", "twice": "2x",
	"hundred": "100", "thousand": "1000", "million": "1000000", "half": "0.5",
}

// synonyms maps stems to the first of their group. Only words that mean the same
// in nearly every question belong here.
var synonyms = func() map[string]string {
	m := map[string]string{}
	for _, group := range []string{
		"buy purchase", "cost price pricing", "delete remove erase", "begin start",
		"fix repair", "error issue problem", "picture photo image", "shipping delivery shipment",
		"phone telephone", "email mail e-mail", "login signin", "car automobile", "doctor physician",
		"film movie", "quick fast rapid", "big large", "small little", "company firm", "job position",
		"city town", "method procedure", "mean meaning definition",
	} {
		words := strings.Fields(group)
		for _, w := range words {
			m[stem(w)] = stem(words[0])
		}
	}
	return m
}()
