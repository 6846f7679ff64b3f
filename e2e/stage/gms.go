package stage

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Cluster is a chat server and the GMS nodes that share it.
type Cluster struct {
	Nodes []*Node

	chats *process
}

// Node is one GMS node: see e2e/gms/node.mjs for what it is and is not.
type Node struct {
	Name    string
	Address string

	process *process
}

// InstallGMS installs the packages of the GMS nodes where they are missing.
func InstallGMS(ctx context.Context, log io.Writer) error {
	folder := filepath.Join(Root(), "e2e", "gms")
	lock, err := os.Stat(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return err
	}
	// npm writes this file last.
	if done, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json")); err == nil && !done.ModTime().Before(lock.ModTime()) {
		return nil
	}
	fmt.Fprintln(log, "Installing the CometD server for Node.js.")
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}

// StartCluster starts a chat server and a node for each name. A bare one sends
// BAYEUX_BROWSER without a Path. Stop the cluster.
func StartCluster(bare bool, names ...string) (*Cluster, error) {
	c := &Cluster{}
	var err error
	if c.chats, err = startNode("chats.mjs"); err != nil {
		return nil, err
	}
	for _, name := range names {
		args := []string{"node.mjs", "--name", name, "--chats", c.chats.address}
		if bare {
			args = append(args, "--bare")
		}
		p, err := startNode(args...)
		if err != nil {
			c.Stop()
			return nil, err
		}
		c.Nodes = append(c.Nodes, &Node{Name: name, Address: p.address, process: p})
	}
	return c, nil
}

// Stop ends the nodes and the chat server.
func (c *Cluster) Stop() {
	for _, n := range c.Nodes {
		n.Stop()
	}
	c.chats.stop()
}

// Stop ends the node.
func (n *Node) Stop() { n.process.stop() }

// process is a program of Node.js that prints its address when it is ready and
// ends when its standard input closes.
type process struct {
	address string
	cmd     *exec.Cmd
	stdin   io.Closer
}

func startNode(args ...string) (*process, error) {
	cmd := exec.Command("node", args...)
	cmd.Dir = filepath.Join(Root(), "e2e", "gms")
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
	p := &process{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var ready struct{ Address string }
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("node %v: %w", args, err)
	}
	p.address = ready.Address
	return p, nil
}

func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// GMSConfiguration is a dynamic configuration with the cluster behind two
// routers, `gms.test` with the plugin and `gms-plain.test` without it (both
// below `localhost` as well, which needs no entry in a hosts file), and CORS for
// the pages of those origins.
func GMSConfiguration(c *Cluster, origins ...string) string {
	var servers string
	for _, n := range c.Nodes {
		servers += fmt.Sprintf("          - url: http://%s\n", n.Address)
	}
	text, _ := json.Marshal(origins)
	return fmt.Sprintf(`
http:
  routers:
    gms:
      rule: Host(%[1]cgms.test%[1]c) || Host(%[1]cgms.localhost%[1]c)
      middlewares: [gms-cors, gms-chips]
      service: gms
    gms-plain:
      rule: Host(%[1]cgms-plain.test%[1]c) || Host(%[1]cgms-plain.localhost%[1]c)
      middlewares: [gms-cors]
      service: gms
  middlewares:
    gms-cors:
      headers:
        accessControlAllowOriginList: %[2]s
        accessControlAllowCredentials: true
        accessControlAllowMethods: [GET, POST]
        accessControlAllowHeaders: [Content-Type]
        accessControlExposeHeaders: [X-Gms-Node]
        addVaryHeader: true
    gms-chips:
      plugin:
        traefik-chips:
          affinity:
            cookies: [gms_node]
  services:
    gms:
      loadBalancer:
        sticky:
          cookie:
            name: gms_node
        healthCheck:
          path: /genesys/1/admin/node/status
          interval: 1s
        servers:
%[3]s`, '`', text, servers)
}
