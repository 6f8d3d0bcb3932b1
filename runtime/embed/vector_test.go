package embed

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// packed is a vector in base64, as OpenAI sends it.
func packed(vector []float32) string {
	var raw []byte
	for _, v := range vector {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func TestPackedVector(t *testing.T) {
	vector := []float32{0.25, -1.5e-7, 3, math.MaxFloat32}
	tests := []struct {
		name, data string
		want       []float32
		wantErr    bool
	}{
		{name: "base64", data: `"` + packed(vector) + `"`, want: vector},
		{name: "numbers", data: " [0.25,\n -1.5E-7 ,3, 3.4028234663852886e38]", want: vector},
		{name: "empty text", data: `""`, want: []float32{}},
		{name: "no numbers", data: `[ ]`},
		{name: "half a number", data: `"AAAAAAA="`, wantErr: true},
		{name: "no base64", data: `"?"`, wantErr: true},
		{name: "base64 with an escape", data: `"AAAA\u0041AA="`, wantErr: true},
		{name: "null", data: `[null]`, wantErr: true},
		{name: "a list in it", data: `[[1,2]]`, wantErr: true},
		{name: "texts", data: `["1"]`, wantErr: true},
		{name: "too large", data: `[1e99]`, wantErr: true},
		{name: "an object", data: `{"a":1}`, wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got packedVector
			err := json.Unmarshal([]byte(tt.data), &got)
			if (err != nil) != tt.wantErr {
				t.Fatalf("got %v, want an error: %v", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, []float32(got)); diff != "" && err == nil {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestBase64 asks for base64, and for numbers only of a server that refuses it
// before it ever sent any.
func TestBase64(t *testing.T) {
	inBase64 := func(_ api, w http.ResponseWriter, _ *http.Request, texts []string) {
		reply(w, map[string]any{"data": []any{map[string]any{"index": 0, "embedding": packed(vectorsOf(texts, 3)[0])}}})
	}
	tests := []struct {
		name  string
		steps []step
		// ask is how often a text is embedded, and wantFormats what each request has.
		ask         int
		wantFormats []any
		wantErr     bool // of the last
	}{
		{name: "known", steps: []step{inBase64}, ask: 2, wantFormats: []any{"base64", "base64"}},
		{name: "ignored", steps: []step{answers(3)}, ask: 1, wantFormats: []any{"base64"}},
		{name: "refused", steps: []step{status(400, ""), answers(3)}, ask: 2, wantFormats: []any{"base64", nil, nil}},
		{name: "refused in another way", steps: []step{status(422, ""), answers(3)}, ask: 2, wantFormats: []any{"base64", nil, nil}},
		{name: "refused for another reason", steps: []step{status(400, "")}, ask: 1, wantFormats: []any{"base64", nil}, wantErr: true},
		{name: "a wrong key", steps: []step{status(401, "")}, ask: 1, wantFormats: []any{"base64"}, wantErr: true},
		{name: "refused once it is known", steps: []step{inBase64, status(400, "")}, ask: 2, wantFormats: []any{"base64", "base64"}, wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, openAIAPI, tt.steps...)
			e := f.embedder(t, 3)
			var err error
			for range tt.ask {
				var got [][]float32
				if got, err = e.Embed(t.Context(), []string{"four"}); err == nil {
					if diff := cmp.Diff([][]float32{{4, 4, 4}}, got); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				}
			}
			if (err != nil) != tt.wantErr {
				t.Errorf("got %v, want an error: %v", err, tt.wantErr)
			}
			var formats []any
			for _, body := range f.bodies {
				formats = append(formats, body["encoding_format"])
			}
			if diff := cmp.Diff(tt.wantFormats, formats); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
		})
	}
}
