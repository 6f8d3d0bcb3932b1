module ragops.dev/ragservice/hack/e2e

go 1.26.0

replace ragops.dev/ragservice => ../..
