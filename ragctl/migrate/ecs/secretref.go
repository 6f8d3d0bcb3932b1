package ecs

import "strings"

// The services that valueFrom can point into, as External Secrets names them.
const (
	secretsManager = "SecretsManager"
	parameterStore = "ParameterStore"
)

// remoteSecret is where the value of a secret is in AWS.
type remoteSecret struct {
	service  string // SecretsManager or ParameterStore
	region   string // empty where valueFrom does not say
	key      string // name or ARN
	property string // member of the JSON that the secret holds
	version  string // as External Secrets has it: a stage, or uuid/ and an id
	warning  string // what to check; empty where all is clear
}

// parseValueFrom reads the valueFrom of a container's secret: the ARN of a secret,
// which may end in :json-key:version-stage:version-id, the ARN of a parameter, or
// the name of one in the task's own region.
func parseValueFrom(text string) remoteSecret {
	a, ok := parseARN(text)
	switch {
	case !ok:
		return remoteSecret{service: parameterStore, key: text}
	case a.service == "secretsmanager":
		return parseSecretARN(a, text)
	case a.service == "ssm":
		return parseParameterARN(a)
	default:
		return remoteSecret{service: secretsManager, region: a.region, key: text,
			warning: "an ARN of " + a.service + " is neither a secret of Secrets Manager nor a parameter"}
	}
}

// parseSecretARN reads arn:…:secret:NAME[:json-key:version-stage:version-id]. The
// three at the end come together, each possibly empty.
func parseSecretARN(a arn, text string) remoteSecret {
	parts := strings.Split(a.resource, ":")
	secret := remoteSecret{service: secretsManager, region: a.region, key: text}
	if len(parts) < 2 || parts[0] != "secret" {
		secret.warning = "not the ARN of a secret: wanted arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"
		return secret
	}
	extra := parts[2:]
	if len(extra) == 0 {
		return secret
	}
	secret.key = strings.TrimSuffix(text, ":"+strings.Join(extra, ":"))
	if len(extra) != 3 {
		secret.warning = "malformed: after the name come either nothing or json-key:version-stage:version-id, with all their colons, as in NAME:json-key::"
	}
	extra = append(extra, "", "")
	secret.property = extra[0]
	switch {
	case len(extra) > 2 && extra[2] != "":
		secret.version = "uuid/" + extra[2]
	case extra[1] != "":
		secret.version = extra[1]
	}
	return secret
}

// parseParameterARN reads arn:…:parameter/NAME. The ARN of the parameter NAME and
// that of /NAME are the same; deeper names always start with a slash.
func parseParameterARN(a arn) remoteSecret {
	name, ok := strings.CutPrefix(a.resource, "parameter/")
	secret := remoteSecret{service: parameterStore, region: a.region, key: name}
	switch {
	case !ok:
		secret.key = a.resource
		secret.warning = "not the ARN of a parameter: wanted arn:aws:ssm:REGION:ACCOUNT:parameter/NAME"
	case strings.Contains(name, "/"):
		secret.key = "/" + strings.TrimPrefix(name, "/")
	default:
		secret.warning = "the parameter's name is " + name + " or /" + name + ", the ARN does not tell: taken for " + name
	}
	return secret
}
