package main

import (
	"sync"
	"time"
)

const (
	breakerSample = 20
	breakerPause  = 5 * time.Second
	breakerProbes = 5
)

// breaker opens when half of the last breakerSample answers were failures. While it is open one request is let through
// every breakerPause; breakerProbes of them in a row must succeed before it closes.
type breaker struct {
	mutex  sync.Mutex
	seen   int
	failed int
	open   bool
	probes int
	probed time.Time
}

// admits says whether a request may go to the upstream, and whether it is a probe.
func (b *breaker) admits() (admitted, probe bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.open {
		return true, false
	}
	if time.Since(b.probed) < breakerPause {
		return false, false
	}
	b.probed = time.Now()
	return true, true
}

// saw takes an answer and says whether the breaker is open now. Answers to what was sent before it opened do not count.
func (b *breaker) saw(good, probe bool) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch {
	case probe && good:
		b.probes++
	case probe:
		b.probes = 0
	case !b.open:
		b.seen++
		if !good {
			b.failed++
		}
	}
	switch {
	case b.probes >= breakerProbes:
		b.open, b.probes, b.seen, b.failed = false, 0, 0, 0
	case b.failed >= breakerSample/2:
		b.open, b.probed = true, time.Now()
		b.seen, b.failed = 0, 0
	case b.seen >= breakerSample:
		b.seen, b.failed = 0, 0
	}
	return b.open
}
