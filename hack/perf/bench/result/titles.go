package result

// services are how pages call what was measured, in the order of their rows.
var services = []struct{ name, title string }{
	{"runtime", "query runtime"},
	{"runtime-redis", "query runtime"},
	{"fastapi", "FastAPI"},
	{"fastapi-guide", "FastAPI, as in the guide"},
	{"flask", "Flask"},
	{"flask-guide", "Flask, as in the guide"},
	{"floor-memory", "bare net/http, answer in memory"},
	{"floor-redis", "bare net/http, GET from Redis"},
	{"floor-path", "bare net/http, the three requests"},
	{"stand-in", "the model itself"},
	{"redis", "Redis itself, redis-benchmark GET"},
}

// title of a service.
func title(name string) string {
	for _, s := range services {
		if s.name == name {
			return s.title
		}
	}
	return name
}

// section is a scenario as the page shows it.
type section struct {
	scenario, heading, text string
	// ours is the service that the others are compared with; "" for no ratios.
	ours string
	// ratios are the metrics whose ratio is shown, of the metrics that are.
	ratios []string
	// plot is the metric of the bar chart; "" for none.
	plot string
}

var sections = []section{
	{
		scenario: "hit-local", heading: "Hits, local tier", ours: "runtime", ratios: []string{"answers", "CPU per 1,000 answers", "p50"}, plot: "answers",
		text: `Every question is in the cache: 64 callers in a closed loop, 1,000 questions spread by Zipf's law, answers of about 3 kB. The
runtime answers from memory. The baselines have no such tier and answer from Redis, which is all a hit can be there. The stand-ins
take no time, which matters to the guide's variants only: they embed the question even for a hit.`,
	},
	{
		scenario: "hit-redis", heading: "Hits, Redis tier", ours: "runtime-redis", ratios: []string{"answers", "CPU per 1,000 answers", "p50"}, plot: "answers",
		text: `The same run, with the local tier of a second runtime switched off: a hit is one look into Redis for all of them.`,
	},
	{
		scenario: "redis-get", heading: "For scale: Redis itself",
		text: `Redis on the services' core, asked by ` + "`redis-benchmark`" + ` with 64 connections for a value of 3 kB, no pipelining.`,
	},
	{
		scenario: "mixed", heading: "Capacity at 70 % hits", ours: "runtime", ratios: []string{"capacity"}, plot: "capacity",
		text: `The highest rate at which one core keeps the objectives of the guide's table (mean < 1 s, p95 < 2 s, success > 99 %, the rate itself), found by
bisection with an open loop: 70 % of the questions are in the cache, 30 % were never asked before; embedding, vector store and
model take 50, 200 and 100 ms.`,
	},
	{
		scenario: "lookups", heading: "A miss: the look-ups side by side", ours: "runtime", ratios: []string{"p50"}, plot: "p50",
		text: `The guide's parallel step: embedding, Redis and user context take 100, 50 and 200 ms, vector store and model no time. One after another
that is 350 ms; side by side, the slowest of them: 200 ms, which is 0.57 of it and the least there is. The assumption behind
these three latencies is this page's: the guide speaks of a sequential path of 350 ms that becomes parallel, and no other of its steps
can run side by side. Redis' 50 ms are a relay in front of it, and the context's 200 ms a view with ` + "`pg_sleep`" + `; the runtime's
budgets for both are raised to a second.`,
	},
	{
		scenario: "miss", heading: "A miss: one request after another", ours: "runtime", ratios: []string{"p50", "CPU per 1,000 answers"}, plot: "p50",
		text: `Embedding, vector store and model take 50, 200 and 100 ms, and each needs what the one before said: nobody can answer sooner than in
350 ms. What is above that is the service's own. The bare net/http server makes the same three requests and does nothing else.`,
	},
	{
		scenario: "stream", heading: "Streaming", ours: "runtime", ratios: []string{"first word"}, plot: "first word",
		text: `When the caller sees the first word, p50, at the same latencies. The runtime streams; the old contract does not, so the baselines' first
word comes with their last. The model itself sends a first word after 5 ms and the whole in 100 ms; embedding and search, which come first, take 250 ms.`,
	},
	{
		scenario: "in-flight-1000", heading: "1,000 in flight", ours: "runtime", ratios: []string{"memory for 1,000 in flight"},
		text: `1,000 callers ask at the same moment, each something new, and wait up to 30 s for an answer that the model takes 5 s to write.`,
	},
	{
		scenario: "in-flight-5000", heading: "5,000 in flight", ours: "runtime", ratios: []string{"memory for 1,000 in flight"}, plot: "answered",
		text: `The same with 5,000 callers.`,
	},
	{
		scenario: "start", heading: "Cold start and idle memory", ours: "runtime", ratios: []string{"ready", "first answer", "memory"}, plot: "ready",
		text: `From the start of the process to the first 200 of ` + "`GET /health`" + `, and to the first answer, with file caches warm; then the memory of all
its processes (proportional set size), before it has done anything more.`,
	},
	{
		scenario: "size", heading: "Image size", ours: "runtime", ratios: []string{"files of an image"},
		text: `What an image has to hold, uncompressed.`,
	},
}
