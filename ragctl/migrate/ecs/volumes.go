package ecs

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// efsDriver is the CSI driver of Elastic File System.
const efsDriver = "efs.csi.aws.com"

// convertVolumes maps the volumes of a task whose images are kept.
func (w *workload) convertVolumes(pod *corev1.PodSpec) {
	taken := map[string]bool{}
	for i, node := range w.node.Get("volumes").Items() {
		ecsName := node.Get("name").Text()
		name := volumeName(ecsName, i)
		if taken[name] {
			w.person(node, ledger.StepStorage, "A second volume of this name: left out.")
			continue
		}
		taken[name] = true
		volume := corev1.Volume{Name: name, VolumeSource: w.volumeSource(node, name)}
		if name == ecsName {
			w.mapped(node.Get("name"), w.podField("volumes["+name+"]"))
		} else {
			w.approximated(node.Get("name"), w.podField("volumes["+name+"]"), "Kubernetes takes no such name.")
		}
		pod.Volumes = append(pod.Volumes, volume)
	}
}

func volumeName(ecsName string, index int) string {
	return cmp.Or(dnsLabel(ecsName, maxLabel-len("tmpfs-")), fmt.Sprintf("volume-%d", index+1))
}

// volumeSource maps what is behind a volume.
func (w *workload) volumeSource(node *jsontree.Node, name string) corev1.VolumeSource {
	scratch := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	efs := node.Get("efsVolumeConfiguration")
	sourcePath := node.Find("host", "sourcePath")
	switch {
	case efs.IsSet() && efs.Get("fileSystemId").Text() != "":
		return w.efsVolume(node, name)
	case node.Get("configuredAtLaunch").True():
		return w.launchVolume(node, name)
	case sourcePath.Text() != "":
		w.approximated(sourcePath, w.podField("volumes["+name+"].hostPath"), "")
		return corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: sourcePath.Text()}}
	}
	w.ignore(node.Get("configuredAtLaunch"), "Not configured at launch.")
	return scratch // what other drivers hold is told by their rules
}

// efsVolume adds a PersistentVolume bound to one claim. It is not of the namespace,
// so its name holds the namespace's.
func (w *workload) efsVolume(node *jsontree.Node, name string) corev1.VolumeSource {
	efs := node.Get("efsVolumeConfiguration")
	claim := w.name + "-" + name
	target := "PersistentVolume/" + w.options.Namespace + "-" + claim + " "
	handle := efs.Get("fileSystemId").Text()
	root, accessPoint := efs.Get("rootDirectory"), efs.Find("authorizationConfig", "accessPointId")
	if root.Text() != "" && root.Text() != "/" || accessPoint.Text() != "" {
		handle += ":" + strings.TrimSuffix(root.Text(), "/")
	}
	if accessPoint.Text() != "" {
		handle = efs.Get("fileSystemId").Text() + "::" + accessPoint.Text()
	}
	attributes := map[string]string{"encryptInTransit": "true"}
	if !strings.EqualFold(efs.Get("transitEncryption").Text(), "ENABLED") && accessPoint.Text() == "" {
		attributes["encryptInTransit"] = "false"
	}
	w.mapped(efs.Get("fileSystemId"), target+"spec.csi.volumeHandle")
	w.mapped(root, target+"spec.csi.volumeHandle")
	w.mapped(efs.Get("transitEncryption"), target+"spec.csi.volumeAttributes.encryptInTransit")
	w.approximated(efs.Get("transitEncryptionPort"), target+"spec.csi", "")
	w.mapped(accessPoint, target+"spec.csi.volumeHandle")
	if strings.EqualFold(efs.Find("authorizationConfig", "iam").Text(), "DISABLED") {
		w.ignore(efs.Find("authorizationConfig", "iam"), "Off, as it is unless the driver's role is asked for.")
	}

	// The size means nothing to EFS, and Kubernetes wants one.
	capacity := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Ti")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	volume := &corev1.PersistentVolume{
		ObjectMeta: w.meta(w.options.Namespace + "-" + claim),
		Spec: corev1.PersistentVolumeSpec{
			Capacity: capacity, AccessModes: modes, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef: &corev1.ObjectReference{Namespace: w.options.Namespace, Name: claim},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: efsDriver, VolumeHandle: handle, VolumeAttributes: attributes,
			}},
		},
	}
	volume.Namespace = ""
	w.add(volume)
	w.add(&corev1.PersistentVolumeClaim{
		ObjectMeta: w.meta(claim),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, StorageClassName: new(""), VolumeName: volume.Name,
			Resources: corev1.VolumeResourceRequirements{Requests: capacity},
		},
	})
	return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}
}

// launchVolume maps an EBS volume that ECS makes for each task and deletes with it:
// what Kubernetes calls a generic ephemeral volume.
func (w *workload) launchVolume(node *jsontree.Node, name string) corev1.VolumeSource {
	w.mapped(node.Get("configuredAtLaunch"), w.podField("volumes["+name+"].ephemeral"))
	spec := corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}},
	}
	for _, configuration := range w.serviceNode("volumeConfigurations").Items() {
		if configuration.Get("name").Text() != node.Get("name").Text() {
			continue
		}
		ebs := configuration.Get("managedEBSVolume")
		w.mapped(configuration.Get("name"), w.podField("volumes["+name+"].ephemeral"))
		if gibi, ok := ebs.Get("sizeInGiB").Int(); ok && gibi > 0 && gibi <= 1<<16 {
			spec.Resources.Requests[corev1.ResourceStorage] = *resource.NewQuantity(int64(gibi)<<30, resource.BinarySI)
			w.mapped(ebs.Get("sizeInGiB"), w.podField("volumes["+name+"].ephemeral"))
		}
		if class := dnsLabel(ebs.Get("volumeType").Text(), maxLabel); class != "" {
			spec.StorageClassName = new(class)
			w.approximated(ebs.Get("volumeType"), w.podField("volumes["+name+"].ephemeral"), "")
		}
	}
	return corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{
		VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{ObjectMeta: metav1.ObjectMeta{}, Spec: spec},
	}}
}

// convertMounts maps the mounts of a container, and those it takes from others.
func (w *workload) convertMounts(ctr *container) {
	for _, mount := range ctr.node.Get("mountPoints").Items() {
		w.convertMount(ctr, mount, mount.Get("readOnly").True(), true)
	}
	for _, from := range ctr.node.Get("volumesFrom").Items() {
		other := w.containerNamed(from.Get("sourceContainer").Text())
		if other == nil {
			w.person(from, ledger.StepStorage, "There is no such container: no mounts taken from it.")
			continue
		}
		for _, mount := range other.node.Get("mountPoints").Items() {
			w.convertMount(ctr, mount, from.Get("readOnly").True() || mount.Get("readOnly").True(), false)
		}
		w.mapped(from, w.podField("containers["+ctr.name+"].volumeMounts"))
	}
}

func (w *workload) convertMount(ctr *container, mount *jsontree.Node, readOnly, own bool) {
	claimPerson := func(note string) {
		if own {
			w.person(mount, ledger.StepStorage, note)
		}
	}
	name, ok := w.volumeOf(mount.Get("sourceVolume").Text())
	containerPath := mount.Get("containerPath").Text()
	switch {
	case !ok:
		claimPerson("There is no such volume among the task's: left out.")
		return
	case containerPath == "" || strings.Contains(containerPath, ":"):
		claimPerson("Not a path that Kubernetes can mount at: left out.")
		return
	case hasMount(ctr, containerPath):
		claimPerson("Something is mounted at this path already: left out.")
		return
	}
	ctr.spec.VolumeMounts = append(ctr.spec.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: containerPath, ReadOnly: readOnly})
	if own {
		w.mapped(mount, w.podField("containers["+ctr.name+"].volumeMounts"))
	}
}

func hasMount(ctr *container, containerPath string) bool {
	for _, mount := range ctr.spec.VolumeMounts {
		if strings.TrimSuffix(mount.MountPath, "/") == strings.TrimSuffix(containerPath, "/") {
			return true
		}
	}
	return false
}

// volumeOf returns the name in the pod of a volume of the task.
func (w *workload) volumeOf(ecsName string) (string, bool) {
	for i, node := range w.node.Get("volumes").Items() {
		if node.Get("name").Text() == ecsName {
			return volumeName(ecsName, i), true
		}
	}
	return "", false
}
