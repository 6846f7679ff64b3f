package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// Stage is the whole deployment: Traefik with TLS, three GMS nodes, the cluster
// once with the plugin and once without, and the pages of two companies and of
// the service itself, each on a site of its own.
type Stage struct {
	Traefik *Traefik
	Cluster *Cluster

	web     *pages
	control *http.Server
	address Addresses
}

// Addresses are where the parts of a stage are found. Below `test` a browser
// has to be told that every name is 127.0.0.1; it knows that of `localhost`.
type Addresses struct {
	Service   string   `json:"service"`   // the GMS cluster with the plugin, and its own page
	Plain     string   `json:"plain"`     // the same cluster without the plugin
	Companies []string `json:"companies"` // whose pages embed the widget
	Widget    string   `json:"widget"`    // the site of a route
	Demo      string   `json:"demo"`      // the page with both halves side by side
	Control   string   `json:"control"`   // see Stage.serveControl
}

// Start brings a stage up. Where route is an address, `127.0.0.1:1234`, the
// site `widget.test` with the default rules leads there. What takes long is told
// to log. Stop it.
func Start(ctx context.Context, options TraefikOptions, route string, log io.Writer) (s *Stage, err error) {
	s = &Stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.Cluster, err = StartCluster(false, "A", "B", "C"); err != nil {
		return s, err
	}
	if s.Traefik, err = StartTraefik(ctx, options, GMSConfiguration(s.Cluster, DefaultPlugin), log); err != nil {
		return s, err
	}
	if s.web, err = servePages(s.Traefik); err != nil {
		return s, err
	}
	if err = s.Traefik.configure("pages.yml", pagesConfiguration(s.web.pages, route)); err != nil {
		return s, err
	}
	if s.control, err = s.serveControl(); err != nil {
		return s, err
	}
	_, port, err := net.SplitHostPort(s.Traefik.HTTPS)
	if err != nil {
		return s, err
	}
	_, plainPort, err := net.SplitHostPort(s.web.tap)
	if err != nil {
		return s, err
	}
	s.address = Addresses{
		Service:   "https://gms.test:" + port,
		Plain:     "https://gms-plain.test:" + port,
		Companies: []string{"https://bank.test:" + port, "https://shop.test:" + port},
		Widget:    "https://widget.test:" + port,
		Demo:      "http://bank.localhost:" + plainPort + "/demo",
		Control:   "http://" + s.control.Addr,
	}
	return s, nil
}

// Addresses returns where the parts of the stage are found.
func (s *Stage) Addresses() Addresses { return s.address }

// Stop ends all that the stage has started.
func (s *Stage) Stop() (err error) {
	if s.control != nil {
		err = errors.Join(err, s.control.Close())
	}
	if s.web != nil {
		err = errors.Join(err, s.web.Close())
	}
	if s.Traefik != nil {
		err = errors.Join(err, s.Traefik.Stop())
	}
	if s.Cluster != nil {
		s.Cluster.Stop()
	}
	return err
}

// serveControl serves what a test does to the stage while browsers use it:
//
//	POST /nodes/{name}/stop, /nodes/{name}/start
//	POST /nodes/{name}/cut   its WebSocket connections
//	PUT  /plugin   the plugin's configuration as JSON; an empty body takes it out
//
// Each answers when it is done.
func (s *Stage) serveControl() (*http.Server, error) {
	mux := http.NewServeMux()
	done := func(w http.ResponseWriter, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("POST /nodes/{name}/{action}", func(w http.ResponseWriter, r *http.Request) {
		n := s.Cluster.Node(r.PathValue("name"))
		switch action := r.PathValue("action"); {
		case n == nil:
			http.NotFound(w, r)
		case action == "stop":
			n.Stop()
		case action == "start":
			done(w, n.Start())
		case action == "cut":
			done(w, n.Cut())
		default:
			http.NotFound(w, r)
		}
	})
	mux.HandleFunc("PUT /plugin", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = s.Traefik.Configure(GMSConfiguration(s.Cluster, string(text)))
		}
		done(w, err)
	})
	return listen(mux)
}

// listen serves handler on a free port of 127.0.0.1, which is in the server's
// Addr.
func listen(handler http.Handler) (*http.Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Addr: l.Addr().String(), Handler: handler}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "stage:", err)
		}
	}()
	return server, nil
}

// pagesConfiguration is the dynamic configuration that leads to the pages, and
// the site of a route where there is one.
func pagesConfiguration(pages, route string) string {
	var hosts []string
	for _, site := range []string{"bank", "shop", "gms", "gms-plain"} {
		hosts = append(hosts, fmt.Sprintf("Host(`%s.test`) || Host(`%s.localhost`)", site, site))
	}
	text := fmt.Sprintf(`
http:
  routers:
    pages: {rule: '%s', service: pages, priority: 1}
    widget: {rule: 'Host(%cwidget.test%[2]c)', service: widget, middlewares: [widget-chips]}
  middlewares:
    widget-chips: {plugin: {traefik-chips: {expireUnpartitioned: true}}}
  services:
    pages: {loadBalancer: {servers: [{url: 'http://%[3]s'}]}}
`, strings.Join(hosts, " || "), '`', pages)
	if route == "" {
		route = "127.0.0.1:1" // nobody
	}
	return text + fmt.Sprintf("    widget: {loadBalancer: {servers: [{url: 'http://%s'}]}}\n", route)
}
