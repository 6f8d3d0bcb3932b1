package usage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Processes measures a local process and all that it started, from /proc.
type Processes struct {
	pid  int
	proc string
	// ticks is the unit of /proc/PID/stat: a hundredth of a second on every
	// Linux that Go runs on.
	ticks float64

	last    time.Time
	lastCPU map[int]float64
}

// NewProcesses measures the process tree under pid.
func NewProcesses(pid int) (*Processes, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("processes are measured through /proc, which %s does not have", runtime.GOOS)
	}
	p := &Processes{pid: pid, proc: "/proc", ticks: 100}
	if _, err := p.stat(pid); err != nil {
		return nil, fmt.Errorf("process %d cannot be measured: %w", pid, err)
	}
	return p, nil
}

// Interval is as fine as the points of a run.
func (p *Processes) Interval() time.Duration { return 500 * time.Millisecond }

// Sample returns nil the first time, when there is no earlier time to compare
// with. The limits are those of the machine, or of the process' affinity.
func (p *Processes) Sample(context.Context) (*Sample, error) {
	tree, err := p.tree()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var cpu float64
	var memory int64
	current := make(map[int]float64, len(tree))
	for pid, stat := range tree {
		current[pid] = stat.cpuSeconds
		// A process that is new has used all its time since the last sample.
		cpu += stat.cpuSeconds - p.lastCPU[pid]
		bytes, err := p.memory(pid)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the memory of process %d: %w", pid, err)
		}
		memory += bytes
	}
	first, elapsed := p.lastCPU == nil, now.Sub(p.last).Seconds()
	p.last, p.lastCPU = now, current
	if first || elapsed <= 0 {
		return nil, nil
	}
	cores, err := p.allowedCores()
	if err != nil {
		return nil, err
	}
	total, err := p.machineMemory()
	if err != nil {
		return nil, err
	}
	return &Sample{Cores: cpu / elapsed, MemoryBytes: memory, CoresLimit: cores, MemoryLimitBytes: total}, nil
}

// CPUSeconds is the CPU time that the processes of the tree have used since each
// of them started.
func (p *Processes) CPUSeconds() (float64, error) {
	tree, err := p.tree()
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, stat := range tree {
		sum += stat.cpuSeconds
	}
	return sum, nil
}

type processStat struct {
	parent     int
	cpuSeconds float64
}

// tree returns the process and its descendants. They are found anew each time:
// servers of forked workers replace them.
func (p *Processes) tree() (map[int]processStat, error) {
	root, err := p.stat(p.pid)
	if err != nil {
		return nil, fmt.Errorf("process %d is gone: %w", p.pid, err)
	}
	entries, err := os.ReadDir(p.proc)
	if err != nil {
		return nil, err
	}
	all := map[int]processStat{}
	children := map[int][]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// A process may end between the listing and the reading.
		if stat, err := p.stat(pid); err == nil {
			all[pid] = stat
			children[stat.parent] = append(children[stat.parent], pid)
		}
	}
	tree := map[int]processStat{p.pid: root}
	for queue := []int{p.pid}; len(queue) > 0; queue = queue[1:] {
		for _, child := range children[queue[0]] {
			tree[child] = all[child]
			queue = append(queue, child)
		}
	}
	return tree, nil
}

func (p *Processes) stat(pid int) (processStat, error) {
	data, err := os.ReadFile(filepath.Join(p.proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return processStat{}, err
	}
	// The name, in parentheses, may hold spaces and parentheses itself.
	end := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[end+1:]))
	const parent, user, system = 1, 11, 12 // from proc(5), less the pid and the name
	if end < 0 || len(fields) <= system {
		return processStat{}, fmt.Errorf("%s/%d/stat is not as proc(5) has it", p.proc, pid)
	}
	var numbers [3]int
	for i, field := range []int{parent, user, system} {
		if numbers[i], err = strconv.Atoi(fields[field]); err != nil {
			return processStat{}, err
		}
	}
	return processStat{parent: numbers[0], cpuSeconds: float64(numbers[1]+numbers[2]) / p.ticks}, nil
}

// memory is the proportional set size, which counts a page that forked workers
// share once in all; where the kernel does not tell, the resident set size.
func (p *Processes) memory(pid int) (int64, error) {
	dir := filepath.Join(p.proc, strconv.Itoa(pid))
	if bytes, err := kilobytes(filepath.Join(dir, "smaps_rollup"), "Pss:"); err == nil {
		return bytes, nil
	}
	return kilobytes(filepath.Join(dir, "status"), "VmRSS:")
}

func (p *Processes) machineMemory() (int64, error) {
	return kilobytes(filepath.Join(p.proc, "meminfo"), "MemTotal:")
}

// allowedCores counts the cores that the process may run on.
func (p *Processes) allowedCores() (float64, error) {
	list, err := field(filepath.Join(p.proc, strconv.Itoa(p.pid), "status"), "Cpus_allowed_list:")
	if err != nil {
		return 0, err
	}
	cores := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err := errors.Join(err1, err2); err != nil {
			return 0, fmt.Errorf("the list of cores %q: %w", list, err)
		}
		cores += to - from + 1
	}
	return float64(cores), nil
}

func kilobytes(path, name string) (int64, error) {
	text, err := field(path, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(text, " kB"), 10, 64)
	return n * 1024, err
}

// field finds a line of a file in /proc by its first word.
func field(path, name string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for scanner := bufio.NewScanner(bytes.NewReader(data)); scanner.Scan(); {
		if value, found := strings.CutPrefix(scanner.Text(), name); found {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s has no line %s", path, name)
}
