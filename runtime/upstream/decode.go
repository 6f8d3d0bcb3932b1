package upstream

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// DecodeJSON reads a response's body to its end and decodes it into a value. A body
// that is left before its end costs the connection, and with it the next call the
// time to open another. The error is that of reading or of decoding.
func DecodeJSON(body io.Reader, into any) error {
	buffer := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buffer.Cap() <= maxPooledBuffer {
			buffer.Reset()
			buffers.Put(buffer)
		}
	}()
	if _, err := buffer.ReadFrom(body); err != nil {
		return err
	}
	return json.Unmarshal(buffer.Bytes(), into) // copies what it keeps
}

// buffers are for responses' bodies.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooledBuffer is the largest buffer that is kept: of a vector of 3,072 numbers,
// or of a hundred passages.
const maxPooledBuffer = 128 << 10
