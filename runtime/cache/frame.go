package cache

import (
	"encoding/binary"
	"time"
)

// A frame is the value of a versioned key in Redis: what a replica has to know
// of an answer before it may serve it, then the body as it goes out. The body is
// never copied: it stays part of the buffer that came from the network.
//
//	0      magic 0xA1
//	1..8   when it was made, Unix nanoseconds
//	9..24  moment: the newest invalidation known when the question came
//	25..   length of the question, as uvarint; question; body
type frame struct {
	stored   time.Time
	moment   moment
	question []byte
	body     []byte
}

const (
	frameMagic = 0xA1
	frameFixed = 1 + 8 + 16
)

func (f frame) encode() []byte {
	b := make([]byte, 0, frameFixed+binary.MaxVarintLen64+len(f.question)+len(f.body))
	b = append(b, frameMagic)
	b = binary.BigEndian.AppendUint64(b, uint64(f.stored.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, f.moment.ms)
	b = binary.BigEndian.AppendUint64(b, f.moment.seq)
	b = binary.AppendUvarint(b, uint64(len(f.question)))
	b = append(b, f.question...)
	return append(b, f.body...)
}

// decodeFrame reads a frame; false for anything that is not one. What is in
// Redis may have been written by anybody.
func decodeFrame(b []byte) (frame, bool) {
	if len(b) < frameFixed || b[0] != frameMagic {
		return frame{}, false
	}
	f := frame{
		stored: time.Unix(0, int64(binary.BigEndian.Uint64(b[1:]))),
		moment: moment{ms: binary.BigEndian.Uint64(b[9:]), seq: binary.BigEndian.Uint64(b[17:])},
	}
	b = b[frameFixed:]
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return frame{}, false
	}
	b = b[n:]
	f.question, f.body = b[:length], b[length:]
	return f, len(f.body) > 0
}

// questionStart reads the question's length and as much of it as the start of a
// frame holds.
func questionStart(b []byte) (question []byte, length int, ok bool) {
	if len(b) < frameFixed || b[0] != frameMagic {
		return nil, 0, false
	}
	n, size := binary.Uvarint(b[frameFixed:])
	if size <= 0 || n > 1<<30 {
		return nil, 0, false
	}
	b = b[frameFixed+size:]
	return b[:min(int(n), len(b))], int(n), true
}
