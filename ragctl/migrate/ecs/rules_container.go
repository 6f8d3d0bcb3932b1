package ecs

import (
	"slices"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// containerRules are of the containers of a task definition. Where the service
// becomes a RAGService, most of what describes the old process (its image,
// command, probes) is replaced by the query runtime's own.
var containerRules = prefixed("containerDefinitions[].", slices.Concat(
	[]rule{
		mapsTo("name", "containers[].name", "").or(near, dropped),
		mapsTo("image", "containers[].image", "A RAGService runs the query runtime instead.").or(near, human, dropped),
		comesNear("repositoryCredentials.credentialsParameter", "imagePullSecrets", "ECS reads user name and password from Secrets Manager; a pull Secret is of type kubernetes.io/dockerconfigjson.").or(human, dropped).at(ledger.StepSecrets),
		comesNear("cpu", "resources.requests.cpu", "Shares, so a request and no limit; 0 is unset.").or(exact, dropped, human),
		mapsTo("memory", "resources.limits.memory", "").or(near, dropped, human),
		mapsTo("memoryReservation", "resources.requests.memory", "").or(near, dropped, human),
		comesNear("essential", "containers[] or sidecar", "ECS replaces the task when an essential container ends; a pod restarts the container, alone.").or(exact, dropped),
		mapsTo("entryPoint[]", "containers[].command", "").or(near, human, dropped),
		mapsTo("command[]", "containers[].args", "").or(near, human, dropped),
		mapsTo("workingDirectory", "containers[].workingDir", "").or(near, dropped),
		comesNear("user", "securityContext.runAsUser, runAsGroup", "Numbers only: Kubernetes takes no names.").or(exact, human, dropped),
		mapsTo("interactive", "containers[].stdin", "").or(dropped),
		mapsTo("pseudoTerminal", "containers[].tty", "").or(dropped),
		mapsTo("privileged", "securityContext.privileged", "").or(human, dropped),
		mapsTo("readonlyRootFilesystem", "securityContext.readOnlyRootFilesystem", "").or(near, dropped),
		needsPerson("hostname", ledger.StepNetwork, "A pod's host name is its own name; the replicas of one service can't share one.").or(dropped),
		comesNear("disableNetworking", "", "A NetworkPolicy that allows nothing.").or(human, dropped),
		mapsTo("versionConsistency", "image digest", "Kubernetes resolves a tag on each pull; name a digest to fix it.").or(near, dropped, human),
		needsPerson("credentialSpecs[]", ledger.StepIdentity, "Group-managed service accounts need Windows nodes and a GMSACredentialSpec.").or(dropped),

		mapsTo("environment[].name", "containers[].env", "").or(near, human, dropped).at(ledger.StepSecrets),
		mapsTo("environment[].value", "containers[].env", "References of the form $( are escaped. A value that looks like a secret is not copied.").or(near, human, dropped).at(ledger.StepSecrets),
		comesNear("environmentFiles[].value", "envFrom", "A Secret to fill with the file's contents, unless --env-file gives it.").or(human, exact, dropped).at(ledger.StepSecrets),
		comesNear("environmentFiles[].type", "envFrom", "A Secret to fill with the file, unless --env-file gives it.").or(human, exact, dropped).at(ledger.StepSecrets),
		mapsTo("secrets[].name", "Secret key", "").or(near, human, dropped).at(ledger.StepSecrets),
		mapsTo("secrets[].valueFrom", "ExternalSecret remoteRef", "").or(near, human, dropped).at(ledger.StepSecrets),

		mapsTo("portMappings[].containerPort", "containers[].ports, Service", "").or(near, human, dropped).at(ledger.StepNetwork),
		comesNear("portMappings[].hostPort", "containers[].ports[].hostPort", "Only with host networking; pods have addresses of their own.").or(exact, human, dropped).at(ledger.StepNetwork),
		mapsTo("portMappings[].protocol", "containers[].ports[].protocol", "").or(near, human, dropped),
		mapsTo("portMappings[].name", "containers[].ports[].name", "At most 15 characters.").or(near, dropped),
		mapsTo("portMappings[].appProtocol", "Service ports[].appProtocol", "").or(near, dropped),
		needsPerson("portMappings[].containerPortRange", ledger.StepNetwork, "Kubernetes has no port ranges: list the ports.").or(dropped),
		comesNear("links[]", "hostAliases to 127.0.0.1", "The containers of a pod share one address.").or(human, dropped).at(ledger.StepNetwork),
		mapsTo("extraHosts[].hostname", "hostAliases", "").or(human, dropped),
		mapsTo("extraHosts[].ipAddress", "hostAliases", "").or(human, dropped),
		mapsTo("dnsServers[]", "dnsConfig.nameservers", "With dnsPolicy None: names of the cluster no longer resolve.").or(near, human, dropped).at(ledger.StepNetwork),
		mapsTo("dnsSearchDomains[]", "dnsConfig.searches", "").or(near, human, dropped).at(ledger.StepNetwork),

		mapsTo("healthCheck.command[]", "startup and liveness probe", "httpGet where the command is a plain curl, wget or urllib; else exec.").or(near, human, dropped),
		mapsTo("healthCheck.interval", "probes' periodSeconds", "30 by default.").or(near, human, dropped),
		mapsTo("healthCheck.timeout", "probes' timeoutSeconds", "5 by default.").or(near, human, dropped),
		mapsTo("healthCheck.retries", "probes' failureThreshold", "3 by default.").or(near, human, dropped),
		comesNear("healthCheck.startPeriod", "startupProbe budget", "A time in which failures do not count, so a startup budget and no initial delay.").or(dropped),
		comesNear("dependsOn[].containerName", "order of init containers and sidecars", "The order in which the containers of the pod start.").or(exact, human, dropped),
		comesNear("dependsOn[].condition", "init container or sidecar", "START: sidecar. HEALTHY: sidecar with a startup probe. SUCCESS: init container. COMPLETE: init container whose exit code is ignored.").or(exact, human, dropped),
		comesNear("startTimeout", "startupProbe budget", "Kubernetes has no timeout for a dependency; the pod waits.").or(human, dropped),
		comesNear("stopTimeout", "terminationGracePeriodSeconds", "The pod has one for all its containers: the longest. 30 by default.").or(exact, dropped),
		comesNear("restartPolicy.enabled", "restartPolicy", "The kubelet always restarts the containers of such pods, with a growing delay.").or(dropped),
		comesNear("restartPolicy.ignoredExitCodes[]", "restartPolicy", "The kubelet restarts whatever the exit code.").or(dropped),
		comesNear("restartPolicy.restartAttemptPeriod", "restartPolicy", "The kubelet's own back-off, up to five minutes.").or(dropped),

		mapsTo("mountPoints[].sourceVolume", "volumeMounts[].name", "").or(near, human, dropped).at(ledger.StepStorage),
		mapsTo("mountPoints[].containerPath", "volumeMounts[].mountPath", "").or(near, human, dropped).at(ledger.StepStorage),
		mapsTo("mountPoints[].readOnly", "volumeMounts[].readOnly", "").or(near, human, dropped).at(ledger.StepStorage),
		mapsTo("volumesFrom[].sourceContainer", "volumeMounts", "The same mounts as the other container's.").or(near, human, dropped).at(ledger.StepStorage),
		mapsTo("volumesFrom[].readOnly", "volumeMounts[].readOnly", "").or(near, human, dropped).at(ledger.StepStorage),

		mapsTo("linuxParameters.capabilities.add[]", "securityContext.capabilities.add", "").or(human, dropped),
		mapsTo("linuxParameters.capabilities.drop[]", "securityContext.capabilities.drop", "").or(dropped),
		mapsTo("linuxParameters.tmpfs[].containerPath", "emptyDir in memory", "").or(near, dropped),
		mapsTo("linuxParameters.tmpfs[].size", "emptyDir.sizeLimit", "It counts against the container's memory.").or(near, dropped),
		needsPerson("linuxParameters.tmpfs[].mountOptions[]", ledger.StepStorage, "An emptyDir takes no mount options.").or(dropped),
		mapsTo("linuxParameters.sharedMemorySize", "emptyDir in memory at /dev/shm", "").or(near, dropped),
		needsPerson("linuxParameters.initProcessEnabled", ledger.StepWorkload, "A pod starts no init process: put one, such as tini, into the image if it leaves zombies behind.").or(dropped),
		needsPerson("linuxParameters.devices[].**", ledger.StepWorkload, "Devices of the node need a device plugin.").or(dropped),
		needsPerson("linuxParameters.maxSwap", ledger.StepWorkload, "Swap is a setting of the node.").or(dropped),
		needsPerson("linuxParameters.swappiness", ledger.StepWorkload, "Swap is a setting of the node.").or(dropped),
		needsPerson("ulimits[].name", ledger.StepWorkload, "Kubernetes sets no ulimits: set it in the container runtime of the nodes.").or(dropped),
		needsPerson("ulimits[].softLimit", ledger.StepWorkload, "Kubernetes sets no ulimits.").or(dropped),
		needsPerson("ulimits[].hardLimit", ledger.StepWorkload, "Kubernetes sets no ulimits.").or(dropped),
		comesNear("systemControls[].namespace", "securityContext.sysctls", "Of the pod, not the container; all but a few must be allowed on the node.").or(human, dropped),
		comesNear("systemControls[].value", "securityContext.sysctls", "Of the pod, not the container.").or(human, dropped),
		needsPerson("dockerSecurityOptions[]", ledger.StepWorkload, "Set seLinuxOptions, appArmorProfile or seccompProfile in the securityContext.").or(near, dropped),
		comesNear("dockerLabels.*", "pod annotations", "Annotations, because labels allow fewer characters.").or(human, dropped),
		mapsTo("resourceRequirements[].type", "resources.limits", "").or(near, human, dropped),
		mapsTo("resourceRequirements[].value", "resources.limits[nvidia.com/gpu]", "Needs nodes with GPUs and their device plugin.").or(near, human, dropped),

		comesNear("logConfiguration.logDriver", "standard output", "The cluster's log agent collects it.").or(human, dropped).at(ledger.StepObserve),
		comesNear("logConfiguration.options.*", "log agent", "What the driver did is the work of the log agent.").or(human, dropped).at(ledger.StepObserve),
		needsPerson("logConfiguration.secretOptions[].**", ledger.StepObserve, "A secret of the log driver: give it to the cluster's log agent.").or(dropped),
		comesNear("firelensConfiguration.type", "log agent", "The cluster's log agent does this for all pods.").or(human, dropped).at(ledger.StepObserve),
		comesNear("firelensConfiguration.options.*", "log agent", "What the router did is the work of the log agent.").or(human, dropped).at(ledger.StepObserve),
	},
))
