module github.com/traefikchips/traefik-chips

go 1.22.0

require github.com/traefik/paerser v0.2.2
