module github.com/traefikchips/traefik-chips/e2e

go 1.26.0

require (
	github.com/gorilla/websocket v1.5.3
	github.com/mitchellh/mapstructure v1.5.0
	github.com/traefik/yaegi v0.16.1
	golang.org/x/mod v0.42.0
	gopkg.in/yaml.v3 v3.0.1
)

require github.com/traefik/paerser v0.2.2
