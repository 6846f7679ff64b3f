package stage

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Cluster is a chat server and the GMS nodes that share it.
type Cluster struct {
	Nodes []*Node

	chats *Process
}

// Node is one GMS node: see e2e/gms/node.mjs for what it is and is not.
type Node struct {
	Name    string
	Address string // the same after a stop and a start

	args    []string
	process *Process
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
		n := &Node{Name: name, args: []string{"node.mjs", "--name", name, "--chats", c.chats.Address}}
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
	c.chats.Stop()
}

// Start starts a node that does not run, at the address that it had before.
func (n *Node) Start() error {
	p, err := startNode(n.args...)
	if err != nil {
		return err
	}
	if n.Address == "" {
		_, port, err := net.SplitHostPort(p.Address)
		if err != nil {
			p.Stop()
			return err
		}
		n.args = append(n.args, "--port", port)
	}
	n.Address, n.process = p.Address, p
	return nil
}

// Stop ends the node, as a crash does.
func (n *Node) Stop() { n.process.Stop() }

// Cut cuts the node's WebSocket connections, without a word to the clients.
func (n *Node) Cut() error { return n.process.cmd.Process.Signal(syscall.SIGUSR2) }

func startNode(args ...string) (*Process, error) {
	cmd := exec.Command("node", args...)
	cmd.Dir = filepath.Join(Root(), "e2e", "gms")
	return StartProcess(cmd)
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
