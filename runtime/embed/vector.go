package embed

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// packedVector is a vector in JSON: base64 of its components as 32-bit floats,
// little end first, or an array of numbers.
type packedVector []float32

var errVector = errors.New("a vector is neither base64 of 32-bit floats nor an array of numbers")

// UnmarshalJSON implements [encoding/json.Unmarshaler]. Data is valid JSON.
func (v *packedVector) UnmarshalJSON(data []byte) error {
	inner, packed := unquoted(data, '"', '"')
	if packed {
		return v.unpack(inner)
	}
	inner, numbers := unquoted(data, '[', ']')
	if !numbers {
		return errVector
	}
	if len(bytes.TrimSpace(inner)) == 0 {
		*v = nil
		return nil
	}
	vector := make([]float32, 0, 1+bytes.Count(inner, []byte(",")))
	for number := range bytes.SplitSeq(inner, []byte(",")) {
		component, err := strconv.ParseFloat(string(bytes.TrimSpace(number)), 32)
		if err != nil {
			return errVector
		}
		vector = append(vector, float32(component))
	}
	*v = vector
	return nil
}

func unquoted(data []byte, first, last byte) ([]byte, bool) {
	if n := len(data); n >= 2 && data[0] == first && data[n-1] == last {
		return data[1 : n-1], true
	}
	return nil, false
}

func (v *packedVector) unpack(text []byte) error {
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(raw, text)
	if err != nil || n%4 != 0 {
		return errVector
	}
	vector := make([]float32, n/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	*v = vector
	return nil
}
