package testkit

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"ragops.dev/ragservice/controllers"
)

// optionsVariable has the options of the operator that a test program runs as,
// instead of its tests, and kubeconfigVariable the file of its cluster.
const (
	optionsVariable    = "TESTKIT_OPERATOR_OPTIONS"
	kubeconfigVariable = "TESTKIT_OPERATOR_KUBECONFIG"
)

// Process is an operator as a process of its own.
type Process struct{ command *exec.Cmd }

// OperateProcess runs an operator in one namespace as a process of its own: the test
// program, started once more. It returns when the operator begins to work.
func (e *Environment) OperateProcess(t *testing.T, namespace string, change func(*controllers.Options)) *Process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	options, err := json.Marshal(operatorOptions(namespace, change))
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{command: exec.CommandContext(t.Context(), program)}
	p.command.Env = append(os.Environ(), optionsVariable+"="+string(options), kubeconfigVariable+"="+e.Kubeconfig(t))
	p.command.Stderr = os.Stderr
	works, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatalf("start an operator: %v", err)
	}
	t.Cleanup(p.Kill)
	if !bufio.NewScanner(works).Scan() {
		t.Fatal("the operator ended before it began to work")
	}
	return p
}

// Kill ends the operator with SIGKILL. To kill it again does nothing.
func (p *Process) Kill() {
	if p.command.ProcessState != nil {
		return
	}
	_ = p.command.Process.Kill() // it may have ended by itself
	_ = p.command.Wait()         // which says that it was killed
}

// operate is the main function of an operator that is a process of its own. It writes
// a line when it begins to work.
func operate() error {
	var options controllers.Options
	if err := json.Unmarshal([]byte(os.Getenv(optionsVariable)), &options); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv(kubeconfigVariable))
	if err != nil {
		return err
	}
	ctx := context.Background()
	mgr, err := controllers.NewManager(ctx, config, logr.Discard(), options)
	if err != nil {
		return err
	}
	works := manager.RunnableFunc(func(ctx context.Context) error {
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return ctx.Err()
		}
		_, err := fmt.Println("works")
		return err
	})
	if err := mgr.Add(works); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
