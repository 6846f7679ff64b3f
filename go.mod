module github.com/traefikchips/traefik-chips

go 1.22
