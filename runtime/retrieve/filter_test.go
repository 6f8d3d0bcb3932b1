package retrieve

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseFilterErrors(t *testing.T) {
	deep := strings.Repeat(`{"type":"and","filters":[`, maxFilterDepth) + `{"type":"eq","key":"a","value":1}` + strings.Repeat(`]}`, maxFilterDepth)
	wide := `{"type":"or","filters":[` + strings.TrimSuffix(strings.Repeat(`{"type":"eq","key":"a","value":1},`, maxFilterNodes), ",") + `]}`
	tests := []struct {
		name, filter, want string
	}{
		{name: "not JSON", filter: `{`, want: "filter: unexpected EOF"},
		{name: "two", filter: `{"type":"eq","key":"a","value":1} {}`, want: "something follows after its end"},
		{name: "unknown field", filter: `{"type":"eq","key":"a","vlaue":1}`, want: `unknown field "vlaue"`},
		{name: "no type", filter: `{"key":"a","value":1}`, want: "filter.type: must be set to eq, ne"},
		{name: "unknown type", filter: `{"type":"like","key":"a","value":1}`, want: `filter.type: is "like", and must be eq, ne`},
		{name: "long type", filter: `{"type":"` + strings.Repeat("x", 1000) + `"}`, want: `x…", and must be`},
		{name: "no key", filter: `{"type":"eq","value":1}`, want: "filter.key: must be set"},
		{name: "operator as key", filter: `{"type":"eq","key":"$or","value":1}`, want: "filter.key: must not start with $"},
		{name: "control character in key", filter: `{"type":"eq","key":"a\u0000","value":1}`, want: "without control characters"},
		{name: "long key", filter: `{"type":"eq","key":"` + strings.Repeat("k", 129) + `","value":1}`, want: "has 129 bytes, and may have at most 128"},
		{name: "no value", filter: `{"type":"eq","key":"a"}`, want: "filter.value: must be a string, a number or a boolean"},
		{name: "object as value", filter: `{"type":"ne","key":"a","value":{"$gt":1}}`, want: "filter.value: must be a string, a number or a boolean"},
		{name: "order of text", filter: `{"type":"gt","key":"a","value":"b"}`, want: "filter.value: must be a number for gt"},
		{name: "number that JSON rounds", filter: `{"type":"lt","key":"a","value":9007199254740994}`, want: "between -2^53 and 2^53"},
		{name: "long value", filter: `{"type":"eq","key":"a","value":"` + strings.Repeat("v", 1025) + `"}`, want: "has 1025 bytes"},
		{name: "in without list", filter: `{"type":"in","key":"a","value":"b"}`, want: "must be a list of 1 to 100 strings, numbers or booleans for in"},
		{name: "empty list", filter: `{"type":"nin","key":"a","value":[]}`, want: "must be a list of 1 to 100"},
		{name: "list in list", filter: `{"type":"in","key":"a","value":[1,[2]]}`, want: "filter.value[1]: must be a string"},
		{name: "comparison with filters", filter: `{"type":"eq","key":"a","value":1,"filters":[{}]}`, want: "eq takes key and value, not filters"},
		{name: "combination with key", filter: `{"type":"and","key":"a","filters":[{}]}`, want: "and takes filters, not key and value"},
		{name: "empty combination", filter: `{"type":"or","filters":[]}`, want: "filter.filters: must hold at least one filter"},
		{name: "path of the mistake", filter: `{"type":"or","filters":[{"type":"eq","key":"a","value":1},{"type":"and","filters":[{"type":"gt","key":"b","value":true}]}]}`,
			want: "filter.filters[1].filters[0].value: must be a number for gt"},
		{name: "too deep", filter: deep, want: "is nested deeper than 8"},
		{name: "too many", filter: wide, want: "has more than 64 conditions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := ParseFilter([]byte(tt.filter))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v and %v, want an error with %q", f, err, tt.want)
			}
		})
	}
}

func TestFilterMatch(t *testing.T) {
	metadata := map[string]any{"lang": "en", "year": 2024.0, "draft": false, "tags": []any{"a", "b", 3.0}}
	tests := []struct {
		name, filter string
		want         bool
	}{
		{name: "none", filter: `null`, want: true},
		{name: "eq text", filter: `{"type":"eq","key":"lang","value":"en"}`, want: true},
		{name: "eq other text", filter: `{"type":"eq","key":"lang","value":"de"}`, want: false},
		{name: "eq boolean", filter: `{"type":"eq","key":"draft","value":false}`, want: true},
		{name: "a number is no text", filter: `{"type":"eq","key":"year","value":"2024"}`, want: false},
		{name: "eq element of a list", filter: `{"type":"eq","key":"tags","value":"b"}`, want: true},
		{name: "ne", filter: `{"type":"ne","key":"lang","value":"en"}`, want: false},
		{name: "ne of a missing key", filter: `{"type":"ne","key":"none","value":"en"}`, want: true},
		{name: "eq of a missing key", filter: `{"type":"eq","key":"none","value":"en"}`, want: false},
		{name: "gt", filter: `{"type":"gt","key":"year","value":2024}`, want: false},
		{name: "gte", filter: `{"type":"gte","key":"year","value":2024}`, want: true},
		{name: "lt", filter: `{"type":"lt","key":"year","value":2024.5}`, want: true},
		{name: "lte", filter: `{"type":"lte","key":"year","value":2023}`, want: false},
		{name: "order of text is none", filter: `{"type":"gt","key":"lang","value":0}`, want: false},
		{name: "in", filter: `{"type":"in","key":"lang","value":["de","en"]}`, want: true},
		{name: "in with a list", filter: `{"type":"in","key":"tags","value":["z",3]}`, want: true},
		{name: "nin", filter: `{"type":"nin","key":"lang","value":["de","en"]}`, want: false},
		{name: "nin of a missing key", filter: `{"type":"nin","key":"none","value":["de"]}`, want: true},
		{name: "and", filter: `{"type":"and","filters":[{"type":"eq","key":"lang","value":"en"},{"type":"gt","key":"year","value":2030}]}`, want: false},
		{name: "or of and", filter: `{"type":"or","filters":[{"type":"eq","key":"lang","value":"de"},{"type":"and","filters":[{"type":"eq","key":"draft","value":false},{"type":"lt","key":"year","value":2030}]}]}`, want: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := ParseFilter([]byte(tt.filter))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Match(metadata); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// FuzzFilter: whatever a caller sends is refused or can be asked and survives a
// round trip.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`null`, `{"type":"eq","key":"lang","value":"en"}`, `{"type":"in","key":"year","value":[1,"2",true]}`,
		`{"type":"or","filters":[{"type":"nin","key":"a","value":[1]},{"type":"lte","key":"b","value":-1e3}]}`,
	} {
		f.Add([]byte(seed))
	}
	metadata := map[string]any{"lang": "en", "year": 2024.0, "a": []any{"x", 1.0}}
	f.Fuzz(func(t *testing.T, data []byte) {
		filter, err := ParseFilter(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(filter)
		if err != nil {
			t.Fatal(err)
		}
		second, err := ParseFilter(again)
		if err != nil {
			t.Fatalf("%s was accepted, and refused as %s: %v", data, again, err)
		}
		if filter.Match(metadata) != second.Match(metadata) {
			t.Errorf("%s and %s differ", data, again)
		}
	})
}
