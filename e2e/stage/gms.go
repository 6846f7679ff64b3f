package stage

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Cluster is a chat server and the GMS nodes that share it.
type Cluster struct {
	Nodes []*Node

	chats *process
}

// Node is one GMS node: see e2e/gms/node.mjs for what it is and is not.
type Node struct {
	Name    string
	Address string // the same after a stop and a start

	args    []string
	process *process
}

// StartCluster starts a chat server and a node for each name. A bare one sends
// BAYEUX_BROWSER without a Path. Stop the cluster.
func StartCluster(bare bool, names ...string) (*Cluster, error) {
	c := &Cluster{}
	_, err := os.Stat(filepath.Join(Root(), "e2e", "node_modules", "cometd-nodejs-server"))
	if err != nil {
		return nil, fmt.Errorf("the npm packages are not installed (make packages): %w", err)
	}
	if c.chats, err = startNode("chats.mjs"); err != nil {
		return nil, err
	}
	for _, name := range names {
		n := &Node{Name: name, args: []string{"node.mjs", "--name", name, "--chats", c.chats.address}}
		if bare {
			n.args = append(n.args, "--bare")
		}
		if err := n.Start(); err != nil {
			c.Stop()
			return nil, err
		}
		c.Nodes = append(c.Nodes, n)
	}
	return c, nil
}

// Node returns the node of that name, or nil.
func (c *Cluster) Node(name string) *Node {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Stop ends the nodes and the chat server.
func (c *Cluster) Stop() {
	for _, n := range c.Nodes {
		n.Stop()
	}
	c.chats.stop()
}

// Start starts a node that does not run, at the address that it had before.
func (n *Node) Start() error {
	p, err := startNode(n.args...)
	if err != nil {
		return err
	}
	if n.Address == "" {
		_, port, err := net.SplitHostPort(p.address)
		if err != nil {
			p.stop()
			return err
		}
		n.args = append(n.args, "--port", port)
	}
	n.Address, n.process = p.address, p
	return nil
}

// Stop ends the node, as a crash does.
func (n *Node) Stop() { n.process.stop() }

// Cut cuts the node's WebSocket connections, without a word to the clients.
func (n *Node) Cut() error { return n.process.cmd.Process.Signal(syscall.SIGUSR2) }

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

// DefaultPlugin is the plugin's configuration for the cluster.
const DefaultPlugin = `{affinity: {cookies: [gms_node]}}`

// GMSConfiguration is a dynamic configuration with the cluster behind two
// routers, `gms.test` with the plugin, configured by that text of YAML in flow
// style, and `gms-plain.test` without it (both below `localhost` as well, which
// needs no entry in a hosts file), and CORS for the companies' pages. An empty
// text leaves the plugin out of both.
func GMSConfiguration(c *Cluster, plugin string) string {
	var servers string
	for _, n := range c.Nodes {
		servers += fmt.Sprintf("          - url: http://%s\n", n.Address)
	}
	middlewares := "[gms-cors, gms-chips]"
	if plugin == "" {
		middlewares, plugin = "[gms-cors]", "{}"
	}
	return fmt.Sprintf(`
http:
  routers:
    gms:
      rule: (Host(%[1]cgms.test%[1]c) || Host(%[1]cgms.localhost%[1]c)) && PathPrefix(%[1]c/genesys%[1]c)
      middlewares: %[2]s
      service: gms
    gms-plain:
      rule: (Host(%[1]cgms-plain.test%[1]c) || Host(%[1]cgms-plain.localhost%[1]c)) && PathPrefix(%[1]c/genesys%[1]c)
      middlewares: [gms-cors]
      service: gms
  middlewares:
    gms-cors:
      headers:
        accessControlAllowOriginListRegex: ['^https?://(bank|shop)\.(test|localhost)(:\d+)?$']
        accessControlAllowCredentials: true
        accessControlAllowMethods: [GET, POST]
        accessControlAllowHeaders: [Content-Type]
        accessControlExposeHeaders: [X-Gms-Node]
        addVaryHeader: true
    gms-chips:
      plugin:
        traefik-chips: %[3]s
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
%[4]s`, '`', middlewares, plugin, servers)
}
