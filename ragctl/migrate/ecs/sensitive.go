package ecs

import (
	"math"
	"net/url"
	"regexp"
	"strings"
)

// What looks like a secret. A false alarm costs a person a look; a miss would
// write a secret into files that end up in a repository. So the net is wide.
var (
	secretName = regexp.MustCompile(`(?i)(passw(or)?d|passwd|passphrase|secret|api[_-]?key|apikey|access[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key|` +
		`auth[_-]?token|access[_-]?token|refresh[_-]?token|bearer|credential|_token$|^token$|_pwd$|^pwd$|pass$|^auth$|webhook[_-]?url|dsn$|connection[_-]?string|conn[_-]?str|license[_-]?key|_key$|splunk-token)`)
	// Names that the pattern above catches though they hold no secret.
	plainName = regexp.MustCompile(`(?i)((max|min|num|total|stop|pad|eos|bos|per)_?tokens?|token_?(limit|budget|count|size|ttl|expiry|url|endpoint)|key_?(prefix|name|id|path|file|size)|` +
		`(text|metadata|partition|sort|primary|cache|content|field)_key$|(secret|password|token|key)_?(name|arn|id|file|path|version)$|tokenizer)`)
	secretValue = regexp.MustCompile(`^(sk-|sk_live_|sk_test_|pk_live_|rk_live_|pcsk_|gsk_|hf_|xox[abpors]-|ghp_|gho_|ghs_|github_pat_|glpat-|AKIA|ASIA|AIza|ya29\.|eyJ[A-Za-z0-9_-]{10,}\.|dop_v1_|npm_|SG\.)` +
		`|-----BEGIN [A-Z ]*PRIVATE KEY|(?i)[?&;](password|pwd|sig|token|key|secret|accountkey)=[^&;]+|(?i)(^|[;\s])(password|pwd)=`)
)

// looksSecret reports whether a value of that name looks like a secret. An empty
// value and a placeholder are none.
func looksSecret(name, value string) bool {
	value = strings.TrimSpace(value)
	if value == "" || placeholderOnly(value) {
		return false
	}
	if secretValue.MatchString(value) || hasPassword(value) {
		return true
	}
	if isPlainWord(value) {
		return false
	}
	if secretName.MatchString(name) && !plainName.MatchString(name) {
		return true
	}
	return looksRandom(value)
}

var onlyPlaceholder = regexp.MustCompile(`^(<[^<>]*>|\$\{[^}]*\}|\{\{[^}]*\}\})$`)

func placeholderOnly(value string) bool { return onlyPlaceholder.MatchString(value) }

// isPlainWord reports whether a value is a switch or a number, whatever its name.
func isPlainWord(value string) bool {
	switch strings.ToLower(value) {
	case "true", "false", "yes", "no", "on", "off", "none", "null":
		return true
	}
	return false
}

// hasPassword reports whether a value is a URL with a password in it.
func hasPassword(value string) bool {
	if !strings.Contains(value, "://") || !strings.Contains(value, "@") {
		return false
	}
	u, err := url.Parse(value)
	if err != nil {
		return true // it has the parts, and can't be told apart
	}
	password, set := u.User.Password()
	return set && password != "" && !placeholderOnly(password)
}

// looksRandom reports whether a value is one long run of letters and digits without
// the regularity of words: what keys look like.
func looksRandom(value string) bool {
	if len(value) < 32 || len(value) > 512 || !randomText.MatchString(value) {
		return false
	}
	for run := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune("/_-", r) }) {
		if len(run) >= 20 && entropy(run) > 3.5 && strings.ContainsAny(run, "0123456789") && mixesCase(run) {
			return true
		}
	}
	return false
}

var randomText = regexp.MustCompile(`^[A-Za-z0-9+/=_-]+$`)

func mixesCase(value string) bool {
	return value != strings.ToLower(value) && value != strings.ToUpper(value)
}

// entropy is Shannon's, in bits per character.
func entropy(value string) float64 {
	counts := map[rune]int{}
	total := 0
	for _, r := range value {
		counts[r]++
		total++
	}
	bits := 0.0
	for _, count := range counts {
		p := float64(count) / float64(total)
		bits -= p * math.Log2(p)
	}
	return bits
}
