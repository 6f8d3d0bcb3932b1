package ecs

import (
	"slices"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// serviceRules are of an ECS service.
var serviceRules = slices.Concat(
	[]rule{
		mapsTo("serviceName", "metadata.name of every object", "The task definition's family names the objects; the service's name where they differ is kept as a label.").or(near, dropped),
		ignored("taskDefinition", "Tells which task definition the service runs; it is not among the inputs.").or(exact).at(ledger.StepPrepare),
		mapsTo("desiredCount", "replicas", "Where the service scales, only where it starts.").or(near, dropped, human),
		comesNear("launchType", "nodes of the cluster", "Which machines there are is a matter of the cluster.").or(human, dropped).at(ledger.StepPrepare),
		ignored("platformVersion", "Fargate's own."),
		ignored("platformFamily", "Fargate's own."),
		comesNear("capacityProviderStrategy[].capacityProvider", "preferred node affinity", "Spot is preferred, not required.").or(human, dropped).at(ledger.StepWorkload),
		comesNear("capacityProviderStrategy[].weight", "weight of the preferred node affinity", "A preference for each pod, not a share of them.").or(human, dropped).at(ledger.StepWorkload),
		needsPerson("capacityProviderStrategy[].base", ledger.StepWorkload, "No counterpart: a number of pods on one capacity type takes a second Deployment or a node pool with a limit.").or(dropped),
		comesNear("schedulingStrategy", "Deployment or DaemonSet", "REPLICA is a Deployment, DAEMON a DaemonSet.").or(exact, dropped, human),
		comesNear("placementConstraints[].type", "affinity", "Labels of nodes say what attributes of container instances said.").or(human, exact).at(ledger.StepWorkload),
		comesNear("placementConstraints[].expression", "affinity", "Labels of nodes say what attributes of container instances said.").or(human, exact).at(ledger.StepWorkload),
		comesNear("placementStrategy[].type", "topologySpreadConstraints", "Preferred, not required.").or(human, exact, dropped).at(ledger.StepWorkload),
		comesNear("placementStrategy[].field", "topologySpreadConstraints", "Preferred, not required.").or(human, exact, dropped).at(ledger.StepWorkload),
		ignored("availabilityZoneRebalancing", "Pods are spread over zones when they start; nothing moves them later."),

		comesNear("deploymentConfiguration.minimumHealthyPercent", "rollingUpdate.maxUnavailable, PodDisruptionBudget", "As a number of pods, rounded as ECS does. A RAGService always keeps every replica up during a rollout.").or(exact, dropped),
		comesNear("deploymentConfiguration.maximumPercent", "rollingUpdate.maxSurge", "As a number of pods, rounded as ECS does.").or(exact, dropped),
		comesNear("deploymentConfiguration.deploymentCircuitBreaker.enable", "progressDeadlineSeconds", "A rollout that does not get on is reported.").or(dropped),
		needsPerson("deploymentConfiguration.deploymentCircuitBreaker.rollback", ledger.StepRollback, "Kubernetes stops such a rollout and does not take it back by itself: undo it, or let Argo Rollouts or Flagger do it.").or(dropped),
		ignored("deploymentConfiguration.deploymentCircuitBreaker.resetOnHealthyTask", "A detail of ECS's circuit breaker."),
		ignored("deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.**", "A detail of ECS's circuit breaker."),
		needsPerson("deploymentConfiguration.alarms.alarmNames[]", ledger.StepRollback, "Alarms that stop a rollout: give them to the analysis of Argo Rollouts or Flagger; the alerts themselves are converted when the alarms are given.").or(dropped),
		needsPerson("deploymentConfiguration.alarms.enable", ledger.StepRollback, "Alarms stop a rollout: give them to the analysis of Argo Rollouts or Flagger.").or(dropped),
		needsPerson("deploymentConfiguration.alarms.rollback", ledger.StepRollback, "Alarms take a rollout back: give them to the analysis of Argo Rollouts or Flagger.").or(dropped),
		needsPerson("deploymentConfiguration.strategy", ledger.StepRollback, "Blue/green, canary and linear need Argo Rollouts or Flagger; until then the rollout is a rolling update.").or(exact, dropped),
		needsPerson("deploymentConfiguration.bakeTimeInMinutes", ledger.StepRollback, "The time to watch a new version before the old one goes: a pause of the rollout's analysis.").or(dropped),
		needsPerson("deploymentConfiguration.canaryConfiguration.**", ledger.StepRollback, "The steps of a canary: weights and pauses of an Argo Rollout.").or(dropped),
		needsPerson("deploymentConfiguration.linearConfiguration.**", ledger.StepRollback, "The steps of a linear shift: weights and pauses of an Argo Rollout.").or(dropped),
		needsPerson("deploymentConfiguration.lifecycleHooks[].**", ledger.StepRollback, "A Lambda function in the rollout: an analysis or a job of Argo Rollouts.").or(dropped),
		needsPerson("deploymentController.type", ledger.StepRollback, "CODE_DEPLOY and EXTERNAL shift traffic between two task sets: blue/green of Argo Rollouts or Flagger; until then the rollout is a rolling update.").or(exact, dropped),
		mapsTo("healthCheckGracePeriodSeconds", "startupProbe budget", "").or(near, dropped),

		needsPerson("networkConfiguration.awsvpcConfiguration.subnets[]", ledger.StepNetwork, "Pods are in the subnets of their nodes: check that those reach the same things.").or(dropped),
		comesNear("networkConfiguration.awsvpcConfiguration.securityGroups[]", "NetworkPolicy or SecurityGroupPolicy", "Ingress to the container's ports; a group's own rules are not among the inputs.").or(human, exact, dropped).at(ledger.StepNetwork),
		needsPerson("networkConfiguration.awsvpcConfiguration.assignPublicIp", ledger.StepNetwork, "Pods have no public address: they leave through the NAT gateway of their subnet.").or(dropped),

		mapsTo("loadBalancers[].targetGroupArn", "Ingress", "A new target group: binding pods to the one that ECS registers tasks with would deregister those.").or(near, human, dropped).at(ledger.StepTraffic),
		needsPerson("loadBalancers[].loadBalancerName", ledger.StepTraffic, "A Classic Load Balancer has no target groups: an Application Load Balancer takes its place, and DNS moves the traffic."),
		mapsTo("loadBalancers[].containerName", "Service", "The container behind the load balancer is the one that answers.").or(near, human, dropped),
		mapsTo("loadBalancers[].containerPort", "Service ports[].targetPort", "").or(near, human, dropped),
		needsPerson("loadBalancers[].advancedConfiguration.**", ledger.StepTraffic, "The second target group of a blue/green deployment: weighted forwarding to it is for the rollout's controller.").or(dropped),
		comesNear("serviceRegistries[].registryArn", "Service name", "Cloud Map names resolve outside the cluster, names of Services only within.").or(human, dropped).at(ledger.StepDNS),
		comesNear("serviceRegistries[].**", "Service port", "The port of the Service.").or(human, dropped).at(ledger.StepDNS),
		comesNear("serviceConnectConfiguration.enabled", "Services", "Names of Services take the place of the proxy.").or(exact, dropped, human),
		comesNear("serviceConnectConfiguration.namespace", "namespace of the cluster's DNS", "Names of Services are unique in a namespace of the cluster.").or(human, dropped).at(ledger.StepDNS),
		mapsTo("serviceConnectConfiguration.services[].portName", "Service ports[].targetPort", "").or(near, human, dropped).at(ledger.StepDNS),
		comesNear("serviceConnectConfiguration.services[].discoveryName", "Service name", "The name that services of the namespace found it by.").or(exact, human, dropped).at(ledger.StepDNS),
		mapsTo("serviceConnectConfiguration.services[].clientAliases[].port", "Service ports[].port", "").or(near, human, dropped).at(ledger.StepDNS),
		mapsTo("serviceConnectConfiguration.services[].clientAliases[].dnsName", "Service name", "A name with dots is no Service name: it needs a record in DNS.").or(near, human, dropped).at(ledger.StepDNS),
		needsPerson("serviceConnectConfiguration.services[].**", ledger.StepNetwork, "A setting of Service Connect's proxy (timeouts, TLS, ingress port, test traffic): a mesh or gateway has its own.").or(dropped),
		comesNear("serviceConnectConfiguration.logConfiguration.**", "", "The proxy's logs end with the proxy.").or(human, dropped).at(ledger.StepObserve),
		needsPerson("serviceConnectConfiguration.accessLogConfiguration.**", ledger.StepObserve, "Access logs of Service Connect's proxy, which is gone."),
		needsPerson("vpcLatticeConfigurations[].**", ledger.StepTraffic, "VPC Lattice: the AWS Gateway API controller takes its place."),
		mapsTo("volumeConfigurations[].name", "ephemeral volume", "").or(near, human, dropped).at(ledger.StepStorage),
		mapsTo("volumeConfigurations[].managedEBSVolume.sizeInGiB", "ephemeral volume's storage request", "").or(near, human, dropped).at(ledger.StepStorage),
		comesNear("volumeConfigurations[].managedEBSVolume.volumeType", "storage class", "The class must exist: gp3, io2 and so on are names by custom.").or(human, dropped).at(ledger.StepStorage),
		needsPerson("volumeConfigurations[].managedEBSVolume.**", ledger.StepStorage, "A parameter of the storage class.").or(dropped),

		comesNear("tags[].key", "metadata.labels", "A label where Kubernetes allows the characters, else an annotation.").or(exact, dropped),
		comesNear("tags[].value", "metadata.labels", "A label where Kubernetes allows the characters, else an annotation.").or(exact, dropped),
		ignored("propagateTags", "Labels of the workload are on its pods."),
		ignored("enableECSManagedTags", "ECS's own tags."),
		ignored("enableExecuteCommand", "kubectl exec, for whom RBAC allows it."),
		ignored("cluster", "The ECS cluster."),
		ignored("clientToken", "A detail of the request."),
		ignored("role", "The load balancer's service-linked role."),
		ignored("monitoring.**", "Container Insights: the cluster's metrics take its place."),
		ignored("serviceRevision.**", "Read-only."),
	},
	readOnly("serviceArn", "clusterArn", "status", "runningCount", "pendingCount", "roleArn", "createdAt", "updatedAt", "createdBy",
		"events[].**", "deployments[].**", "taskSets[].**", "currentServiceDeployment", "currentServiceRevisions[].**", "resourceManagementType"),
)

// taskSetRules are of the task sets of a blue/green deployment.
var taskSetRules = slices.Concat(
	[]rule{needsPerson("**", ledger.StepRollback, "A task set is one side of a blue/green deployment: finish or stop the deployment before the cut-over, and convert its service and task definition.")},
	readOnly("id", "taskSetArn", "serviceArn", "clusterArn", "startedBy", "externalId", "status", "computedDesiredCount", "pendingCount",
		"runningCount", "createdAt", "updatedAt", "stabilityStatus", "stabilityStatusAt"),
)
