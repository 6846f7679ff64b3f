package stage

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Process is a program that prints its address as JSON when it is ready and ends
// when its standard input closes.
type Process struct {
	Address string

	cmd   *exec.Cmd
	stdin io.Closer
}

// StartProcess starts a command and waits for its address. Stop it.
func StartProcess(cmd *exec.Cmd) (*Process, error) {
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var ready struct{ Address string }
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		p.Stop()
		return nil, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	p.Address = ready.Address
	return p, nil
}

// Stop ends the program at once.
func (p *Process) Stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
