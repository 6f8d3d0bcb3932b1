package cache

import (
	"cmp"
	"slices"
	"strings"
)

// moment is a point in the history of invalidations. In Redis it is the id of
// the newest invalidation known; in this process also the log's version.
type moment struct {
	ms, seq uint64
	version uint64
}

func (m moment) compare(o moment) int {
	return cmp.Or(cmp.Compare(m.ms, o.ms), cmp.Compare(m.seq, o.seq))
}

// invalidationLog is what this replica knows of recent invalidations. An answer
// is good only if none that came after it met it: deleting alone would let a
// replica that was answering meanwhile put the old answer back.
//
// A log is never changed; whoever learns more replaces it.
type invalidationLog struct {
	// version counts what was learned; it has no meaning outside this process.
	version uint64
	// last is the newest invalidation; floor is the oldest moment of which all
	// later invalidations are known.
	last, floor moment
	// floorVersion is the floor for local entries.
	floorVersion uint64
	events       []invalidation
}

// invalidation says which entries are no longer good. Empty fields match all.
type invalidation struct {
	at moment
	// partition is a whole one, or the start of one that ends in '-': all users
	// of a tenant.
	partition string
	question  *string
	prefix    string
}

func (i invalidation) matches(partition, question string) bool {
	switch {
	case i.partition == "":
	case strings.HasSuffix(i.partition, "-"):
		if !strings.HasPrefix(partition, i.partition) {
			return false
		}
	case i.partition != partition:
		return false
	}
	if i.question != nil && *i.question != question {
		return false
	}
	return strings.HasPrefix(question, i.prefix)
}

func (l *invalidationLog) now() moment {
	m := l.last
	m.version = l.version
	return m
}

// allowsSince tells whether a local entry that was good at the version still is.
func (l *invalidationLog) allowsSince(version uint64, partition, question string) bool {
	if version < l.floorVersion {
		return false
	}
	for i := len(l.events) - 1; i >= 0 && l.events[i].at.version > version; i-- {
		if l.events[i].matches(partition, question) {
			return false
		}
	}
	return true
}

// allows tells whether an entry made at the moment, by any replica, is still good.
func (l *invalidationLog) allows(m moment, partition, question string) bool {
	if m.compare(l.floor) < 0 {
		return false
	}
	for i := len(l.events) - 1; i >= 0 && l.events[i].at.compare(m) > 0; i-- {
		if l.events[i].matches(partition, question) {
			return false
		}
	}
	return true
}

func (l *invalidationLog) clone() *invalidationLog {
	c := *l
	c.events = slices.Clone(l.events)
	return &c
}

// add appends what was learned, in order, and forgets what is too old.
func (l *invalidationLog) add(events ...invalidation) {
	for _, e := range events {
		l.version++
		e.at.version = l.version
		l.last = e.at
		l.events = append(l.events, e)
	}
	if over := len(l.events) - logSize; over > 0 {
		l.floor = l.events[over-1].at
		l.floorVersion = l.floor.version
		l.events = slices.Delete(l.events, 0, over)
	}
}

// addLocal appends an invalidation that only this process knows of. Answers from
// Redis are not judged by it, save those that are older than the last one there.
func (l *invalidationLog) addLocal(i invalidation) {
	last := l.last
	i.at = last
	l.add(i)
	l.last = last
}

// distrust forgets all that was known up to the moment, and with it every entry
// made before.
func (l *invalidationLog) distrust(m moment) {
	l.version++
	m.version = l.version
	l.last, l.floor, l.floorVersion, l.events = m, m, l.version, nil
	if m.ms == 0 && m.seq == 0 {
		l.last, l.floor = moment{}, moment{}
	}
}

// distrustLocal forgets the entries of this process, and no others.
func (l *invalidationLog) distrustLocal() {
	l.version++
	l.floorVersion = l.version
}
