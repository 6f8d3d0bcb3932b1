// Package interop holds the tests in which a consumer judges what this project
// ships: Argo CD's Lua runs the health check, kstatus reads the conditions, Helm
// renders the chart. It is a module of its own, so that their libraries stay out
// of the product's.
package interop
