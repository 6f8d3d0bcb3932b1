module ragops.dev/ragservice

go 1.26.0
