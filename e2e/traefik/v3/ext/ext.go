// Package ext stands in for the module of that name which Traefik's own
// repository keeps in a nested folder, so that Traefik's module, as the proxy
// serves it, lacks it. Open-source Traefik has nothing in these types.
package ext

// HTTP extends the dynamic HTTP configuration; empty in open-source Traefik.
//
// +k8s:deepcopy-gen=true
type HTTP struct{}

// Router extends the configuration of a router; empty in open-source Traefik.
//
// +k8s:deepcopy-gen=true
type Router struct{}
