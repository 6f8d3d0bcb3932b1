package cache

import (
	"bytes"
	"testing"
	"time"
)

func FuzzDecodeFrame(f *testing.F) {
	whole := frame{stored: time.Unix(1, 2), moment: moment{ms: 3, seq: 4}, question: []byte("q"), body: []byte("{}")}
	f.Add(whole.encode())
	f.Add([]byte(`{"answer":"not a frame"}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		questionStart(data)
		got, ok := decodeFrame(data)
		if !ok {
			return
		}
		if again, ok := decodeFrame(got.encode()); !ok || !again.stored.Equal(got.stored) || again.moment != got.moment ||
			!bytes.Equal(again.question, got.question) || !bytes.Equal(again.body, got.body) {
			t.Errorf("%+v became %+v", got, again)
		}
	})
}
