package ecs

import (
	"slices"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// Buckets, short, for the tables.
const (
	exact   = ledger.Mapped
	near    = ledger.Approximated
	human   = ledger.Person
	dropped = ledger.Ignored
)

// responseRules are of what the aws command line prints around the documents.
var responseRules = slices.Concat(
	[]rule{
		comesNear("tags[].key", "metadata.labels", "A label where Kubernetes allows the characters, else an annotation.").or(exact, dropped),
		comesNear("tags[].value", "metadata.labels", "A label where Kubernetes allows the characters, else an annotation.").or(exact, dropped),
		needsPerson("failures[].**", ledger.StepPrepare, "The command could not describe this: run it again with the right name."),
	},
	readOnly("NextToken", "nextToken", "ResponseMetadata.**", "NextMarker"),
)

// taskRules are of a task definition outside its containers.
var taskRules = slices.Concat(
	[]rule{
		mapsTo("family", "metadata.name of every object", "In lower case, at most 46 characters.").or(near),
		comesNear("tags[].key", "metadata.labels", "A label where Kubernetes allows the characters, else an annotation.").or(exact, dropped),
		comesNear("tags[].value", "metadata.labels", "A label where Kubernetes allows the characters, else an annotation.").or(exact, dropped),

		mapsTo("cpu", "resources.limits.cpu", "1024 units are one CPU.").or(near, human),
		mapsTo("memory", "resources.limits.memory", "").or(near, human),
		mapsTo("ephemeralStorage.sizeInGiB", "resources.limits.ephemeral-storage", "").or(near, human),

		mapsTo("taskRoleArn", "IAM role of the pods' ServiceAccount", "The role's trust policy must let the ServiceAccount in; the checklist holds it.").or(near, human).at(ledger.StepIdentity),
		comesNear("executionRoleArn", "split three ways", "Never the pods' role. Pulling images is the node role's work, reading secrets the secret store's, shipping logs the log agent's.").or(human).at(ledger.StepIdentity),

		mapsTo("networkMode", "pod network", "awsvpc: every pod has its own address as well. bridge: containers of a pod share one address. host: hostNetwork.").or(near, human, dropped).at(ledger.StepNetwork),
		comesNear("pidMode", "hostPID or shareProcessNamespace", "Every container has its own process namespace unless the pod says otherwise.").or(exact, dropped, human),
		comesNear("ipcMode", "hostIPC", "The containers of a pod share IPC anyhow.").or(exact, dropped, human),
		mapsTo("runtimePlatform.cpuArchitecture", "nodeSelector kubernetes.io/arch", "").or(near, human),
		mapsTo("runtimePlatform.operatingSystemFamily", "nodeSelector kubernetes.io/os", "").or(near, human),
		comesNear("placementConstraints[].type", "node affinity", "Labels of nodes say what attributes of container instances said.").or(human, exact).at(ledger.StepWorkload),
		comesNear("placementConstraints[].expression", "node affinity", "Labels of nodes say what attributes of container instances said.").or(human, exact).at(ledger.StepWorkload),
		comesNear("requiresCompatibilities[]", "nodes of the cluster", "Fargate, EC2 or managed instances: here the cluster's nodes.").or(human, dropped).at(ledger.StepPrepare),
		needsPerson("inferenceAccelerators[].**", ledger.StepWorkload, "Elastic Inference has ended: choose another accelerator."),
		needsPerson("proxyConfiguration.type", ledger.StepNetwork, "App Mesh is not carried over: use the mesh or gateway of the cluster, or none."),
		needsPerson("proxyConfiguration.containerName", ledger.StepNetwork, "The proxy of App Mesh is dropped."),
		ignored("proxyConfiguration.properties[].**", "A setting of the App Mesh proxy, which is dropped."),
		ignored("enableFaultInjection", "Fault injection is done by other tools on Kubernetes."),

		mapsTo("volumes[].name", "volumes[].name", "").or(near, human, dropped).at(ledger.StepStorage),
		comesNear("volumes[].host.sourcePath", "hostPath volume", "The path of a node, which is another machine than before; pods may move.").or(human, dropped).at(ledger.StepStorage),
		comesNear("volumes[].configuredAtLaunch", "volume of the service's volumeConfigurations", "An ephemeral volume: made and deleted with the pod.").or(exact, human, dropped).at(ledger.StepStorage),
		mapsTo("volumes[].efsVolumeConfiguration.fileSystemId", "PersistentVolume csi.volumeHandle", "Needs the EFS CSI driver.").or(human, dropped).at(ledger.StepStorage),
		mapsTo("volumes[].efsVolumeConfiguration.rootDirectory", "PersistentVolume csi.volumeHandle", "").or(human, dropped).at(ledger.StepStorage),
		mapsTo("volumes[].efsVolumeConfiguration.transitEncryption", "PersistentVolume csi.volumeAttributes.encryptInTransit", "The driver encrypts unless told otherwise.").or(human, dropped).at(ledger.StepStorage),
		comesNear("volumes[].efsVolumeConfiguration.transitEncryptionPort", "chosen by the EFS CSI driver", "The driver chooses the port.").or(human, dropped).at(ledger.StepStorage),
		mapsTo("volumes[].efsVolumeConfiguration.authorizationConfig.accessPointId", "PersistentVolume csi.volumeHandle", "").or(human, dropped).at(ledger.StepStorage),
		needsPerson("volumes[].efsVolumeConfiguration.authorizationConfig.iam", ledger.StepStorage, "The driver mounts with its own role, not the task's: give that role access to the file system.").or(dropped),
		needsPerson("volumes[].dockerVolumeConfiguration.**", ledger.StepStorage, "A Docker volume lives on its node: an emptyDir stands in for it, and what it held does not move.").or(near, dropped),
		needsPerson("volumes[].fsxWindowsFileServerVolumeConfiguration.**", ledger.StepStorage, "FSx for Windows needs the SMB CSI driver and a PersistentVolume of its own; an emptyDir stands in for it.").or(dropped),
		needsPerson("volumes[].s3filesVolumeConfiguration.**", ledger.StepStorage, "Needs a CSI driver and a PersistentVolume of its own; an emptyDir stands in for it.").or(dropped),
	},
	readOnly("taskDefinitionArn", "revision", "status", "registeredAt", "registeredBy", "deregisteredAt", "deleteRequestedAt",
		"compatibilities[]", "requiresAttributes[].**"),
)
