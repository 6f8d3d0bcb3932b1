//go:build linux

// Package process starts the cluster's daemons, and finds and ends exactly
// those again, also in a later run of the program. A pid alone names no process,
// since pids are used again; a pid with its start time does, within one boot.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ID names one process of this boot.
type ID struct {
	PID int `json:"pid"`
	// Started is when the process began, in clock ticks since boot.
	Started uint64 `json:"started"`
}

// Child is a process that this program started.
type Child struct {
	ID
	// Exited is closed when the process ends.
	Exited <-chan struct{}
}

// Start runs a daemon that outlives this program: in a session of its own,
// with its output appended to the file log.
func Start(path string, args, env []string, log string) (*Child, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	// No context ends a daemon.
	cmd := exec.CommandContext(context.Background(), path, args...)
	cmd.Dir = "/"
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	exited := make(chan struct{})
	id, err := Of(cmd.Process.Pid)
	go func() {
		// How it ended is in its log; the wait only reaps it.
		_ = cmd.Wait()
		close(exited)
	}()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return &Child{ID: id, Exited: exited}, nil
}

// Of reads the identity of a running process.
func Of(pid int) (ID, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ID{}, err
	}
	state, started, err := parseStat(string(stat))
	if err != nil {
		return ID{}, fmt.Errorf("process %d: %w", pid, err)
	}
	if state == "Z" || state == "X" {
		return ID{}, fmt.Errorf("process %d has ended", pid)
	}
	return ID{PID: pid, Started: started}, nil
}

// Running reports whether the process still runs, rather than another one that
// was given its pid.
func (id ID) Running() bool {
	if id.PID <= 0 {
		return false
	}
	now, err := Of(id.PID)
	return err == nil && now == id
}

// Stop asks the process to end and, after the grace period, ends it. Without
// grace it is ended at once. It returns when the process is gone.
func (id ID) Stop(grace time.Duration) error {
	if id.PID <= 0 {
		return nil
	}
	// The descriptor keeps naming the same process, so that the check after
	// it holds for the signals as well.
	fd, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", id.PID, err)
	}
	defer unix.Close(fd)
	if !id.Running() {
		return nil
	}
	if grace > 0 {
		if gone, err := signalAndWait(fd, unix.SIGTERM, grace); gone || err != nil {
			return err
		}
	}
	const killed = 10 * time.Second
	gone, err := signalAndWait(fd, unix.SIGKILL, killed)
	if err != nil {
		return err
	}
	if !gone {
		return fmt.Errorf("process %d is still there %s after it was killed", id.PID, killed)
	}
	return nil
}

func signalAndWait(fd int, signal unix.Signal, timeout time.Duration) (gone bool, err error) {
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return true, nil
		}
		return false, fmt.Errorf("send %s: %w", signal, err)
	}
	deadline := time.Now().Add(timeout)
	for {
		left := max(0, time.Until(deadline))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("wait for a process to end: %w", err)
		}
		return n > 0, nil
	}
}

// parseStat reads the state (field 3) and the start time (field 22) of
// /proc/PID/stat. The command name, field 2, may hold spaces and parentheses.
func parseStat(stat string) (state string, started uint64, err error) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return "", 0, fmt.Errorf("unexpected stat %q", stat)
	}
	const first = 3
	fields := strings.Fields(stat[end+1:])
	if len(fields) <= 22-first {
		return "", 0, fmt.Errorf("unexpected stat %q", stat)
	}
	started, err = strconv.ParseUint(fields[22-first], 10, 64)
	return fields[0], started, err
}
