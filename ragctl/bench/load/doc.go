// Package load offers questions to a query server at a chosen rate and measures
// what comes back.
//
// The generator is open-loop: every question has an intended start time that is
// fixed before the run, and its latency counts from that time, whether or not
// the target had kept up. A stall of the target therefore shows in the latency
// of all the questions that fell into it. A closed loop, which waits for an
// answer before it asks again, leaves those questions out (coordinated
// omission); it is there as an option, to find the highest throughput.
//
// The package speaks HTTP/1.1 over connections of its own, one per question in
// flight: on the two cores that target and generator often share, that costs
// half the CPU time of [net/http.Transport]. It follows no redirects and knows no
// proxies, since either would be measured in place of the target.
//
// It judges nothing and prints nothing; packages objective and report do.
package load
