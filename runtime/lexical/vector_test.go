package lexical

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// TestVersion fails when a text gets another vector, on any machine. Vectors are in
// stores and caches under [Version]: count it up, and put the new sum here.
func TestVersion(t *testing.T) {
	const want = "a279dc977bb0c0037725cf7b05ad3dc624c4d7930cd2d040ec5aa0b15949f5b8"
	sum := sha256.New()
	for _, text := range []string{
		"", "What happens to queries in flight when a replica is told to stop?", "who are you", "don’t set minReplicas, staleTTL",
		"Rücksendungen und Umtausch", "日本語の文章", "İ'İ", "\xff\xfe", "cache caches cached caching cache",
	} {
		if err := binary.Write(sum, binary.LittleEndian, Vector(text, 384)); err != nil {
			t.Fatal(err)
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("the vectors of version %d have the sum %s, want %s", Version, got, want)
	}
}
