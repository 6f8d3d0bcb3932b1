package ecs

import (
	"bytes"
	"regexp"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

// What to do about documents of other tools.
const (
	isCloudFormation = "this is a CloudFormation template, not what is running: deploy it, then give what `aws ecs describe-task-definition` prints, which has its parameters filled in"
	isTerraform      = "this is Terraform, not what is running: give what `aws ecs describe-task-definition` prints for the resource (only the container_definitions of it are ECS's own JSON)"
	isKubernetes     = "this is a Kubernetes manifest: it needs no migration from ECS"
	isCompose        = "this is a Compose file: give the task definition that was made of it, as `aws ecs describe-task-definition` prints it"
	isARNList        = "this is a list of ARNs: give what the matching describe command prints for one of them"
	isContainers     = "these are container definitions without their task definition: give the whole of it, as `aws ecs describe-task-definition` prints it"
	isCopilot        = "this is an AWS Copilot manifest: give the task definition that it made, as `aws ecs describe-task-definition` prints it"
	isYAML           = "this looks like YAML: give JSON, as the aws command line prints with --output json"
	isTable          = "this looks like the aws command line's table output: print it again with --output json"
)

// foreignDocument says what a JSON document of another tool is, or returns "".
func foreignDocument(root *jsontree.Node) string {
	switch {
	case root.Get("AWSTemplateFormatVersion") != nil, root.Find("Resources").IsObject():
		return isCloudFormation
	case root.Get("terraform_version") != nil, root.Get("planned_values") != nil, root.Get("terraform") != nil,
		root.Get("resource").IsObject():
		return isTerraform
	case root.Get("apiVersion").IsSet() && root.Get("kind").IsSet():
		return isKubernetes
	case root.Get("services").IsObject():
		return isCompose
	case root.Get("image").IsSet() && root.Get("name").IsSet() && root.Get("containerDefinitions") == nil:
		return isContainers
	}
	for _, list := range []string{"taskDefinitionArns", "serviceArns", "taskArns", "clusterArns"} {
		if root.Get(list) != nil {
			return isARNList
		}
	}
	return ""
}

// texts recognise what is no JSON at all, by what it holds.
var texts = []struct {
	pattern *regexp.Regexp
	what    string
}{
	{regexp.MustCompile(`(?m)^AWSTemplateFormatVersion:|^\s+Type:\s*['"]?AWS::`), isCloudFormation},
	{regexp.MustCompile(`(?m)^(resource|data|module|provider|terraform|variable)\s+("[^"]*"\s*)*\{`), isTerraform},
	{regexp.MustCompile(`(?m)^apiVersion:\s*\S+`), isKubernetes},
	{regexp.MustCompile(`(?m)^services:\s*$`), isCompose},
	{regexp.MustCompile(`(?m)^type:\s*(Load Balanced Web Service|Backend Service|Worker Service|Request-Driven Web Service)`), isCopilot},
	{regexp.MustCompile(`(?m)^-{10,}\s*$[\s\S]*^\|`), isTable},
	{regexp.MustCompile(`(?m)^(---\s*$|[A-Za-z][\w-]*:(\s|$))`), isYAML},
}

// foreignText says what a text that is no JSON probably is, or returns "". A text
// that starts like JSON is taken for JSON with a mistake in it.
func foreignText(data []byte) string {
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 || trimmed[0] == '{' || trimmed[0] == '[' {
		return ""
	}
	for _, text := range texts {
		if text.pattern.Match(trimmed) {
			return text.what
		}
	}
	return ""
}
