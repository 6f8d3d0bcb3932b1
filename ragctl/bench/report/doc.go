// Package report shows what was measured: as a table for a terminal and as one
// HTML file with its plots inside, which needs no network and no script. It
// computes nothing that is not in the results.
package report
