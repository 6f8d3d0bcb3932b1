// Package migratetest applies what ragctl migrate ecs puts out to a real API server,
// as a dry run, with the CRDs of all that it uses installed. It is a module of its
// own, so that none of those projects is a dependency of RAGService: their CRDs are
// read from the pinned source of their Go modules, and nothing of them is compiled.
// Since KEDA's is at hand, the ScaledObjects that the operator makes are held against it
// here as well.
package migratetest
