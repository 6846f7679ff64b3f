// Package chips is a Traefik middleware that makes the cookies of an embedded
// service survive in browsers that block third-party cookies.
//
// It rewrites the Set-Cookie header fields of every response that passes:
// those of the nodes behind Traefik and the sticky cookie that Traefik adds
// itself. Without any configuration, BAYEUX_BROWSER (CometD) becomes
// SameSite=None; HttpOnly; Secure; Path=/; Partitioned, and every other cookie
// SameSite=None; Secure; Partitioned. See [Config] for the options.
//
// Partitioned cookies are CHIPS, Cookies Having Independent Partitioned State
// (draft-cutler-httpbis-partitioned-cookies): a browser keeps one jar of them
// for each site that embeds the service.
package chips

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Config is the configuration of the middleware, as an operator writes it
// below `plugin.<name>` in a file, a label or a custom resource.
type Config struct {
	// Cookies are the rules; the first whose Name matches a cookie decides.
	// A cookie that no rule names passes byte for byte. Default: the two rules
	// of the package comment. A list that is given replaces them.
	Cookies []CookieRule `json:"cookies,omitempty" yaml:"cookies,omitempty"`

	// Affinity names Traefik's sticky cookies. It comes before Cookies.
	Affinity Affinity `json:"affinity,omitempty" yaml:"affinity,omitempty"`

	// ExpireUnpartitioned adds, in front of a cookie that a rule partitions, a
	// line that expires the unpartitioned cookie of the same name which the
	// browser still holds from before. Default: true.
	ExpireUnpartitioned bool `json:"expireUnpartitioned,omitempty" yaml:"expireUnpartitioned,omitempty"`

	// EmbeddedOnly rewrites the answers to embedded requests only and leaves
	// the service's own pages alone; no unpartitioned cookie is then expired,
	// since those pages live on them. Default: false.
	EmbeddedOnly bool `json:"embeddedOnly,omitempty" yaml:"embeddedOnly,omitempty"`

	// HTTPSOnly leaves the cookies of plain-HTTP requests as they are. HTTPS
	// is a TLS connection, or https or wss in X-Forwarded-Proto.
	// Default: false.
	HTTPSOnly bool `json:"httpsOnly,omitempty" yaml:"httpsOnly,omitempty"`
}

// CookieRule says what happens to the cookies that Name matches.
type CookieRule struct {
	// Name is a cookie name, compared exactly (case-sensitive, as browsers
	// do); * stands for any run of characters, also an empty one.
	Name string `json:"name" yaml:"name"`

	// Set lists the attributes that the cookie gets, in the language of the
	// header: SameSite=None (Lax, Strict), Secure, HttpOnly, Partitioned,
	// Path=/…, Domain=…, Max-Age=<whole seconds, from 1>,
	// Priority=Low (Medium, High). One string with commas is the same list.
	Set []string `json:"set,omitempty" yaml:"set,omitempty"`

	// Remove lists the names of attributes that are taken away.
	Remove []string `json:"remove,omitempty" yaml:"remove,omitempty"`

	// Keep leaves the cookie exactly as the node sent it.
	Keep bool `json:"keep,omitempty" yaml:"keep,omitempty"`
}

// Affinity says which cookies are Traefik's own sticky cookies.
type Affinity struct {
	// Cookies are names that were given to Traefik as sticky.cookie.name.
	Cookies []string `json:"cookies,omitempty" yaml:"cookies,omitempty"`

	// Services are services whose sticky cookie has the name that Traefik
	// derives: `gms@docker`, or `gms` for the middleware's own provider.
	Services []string `json:"services,omitempty" yaml:"services,omitempty"`

	// Set lists the attributes of the sticky cookies, as in [CookieRule].
	// Default: SameSite=None, HttpOnly, Secure, Partitioned.
	Set []string `json:"set,omitempty" yaml:"set,omitempty"`
}

// CreateConfig returns the defaults that Traefik decodes a configuration over.
// The default lists are filled in by [New], because the decoder overlays a
// list on its default element by element and would leave the rest of it.
func CreateConfig() *Config {
	return &Config{ExpireUnpartitioned: true}
}

// New builds the middleware called name (as Traefik calls it,
// `gms-chips@file`) in front of next. The error names every fault of config,
// each with its option, the reason and the value. New does not change config,
// which all routers of the middleware share, and keeps nothing of it.
func New(_ context.Context, next http.Handler, config *Config, name string) (http.Handler, error) {
	p, err := compile(config, name)
	if err != nil {
		return nil, err
	}
	fmt.Printf("chips: %s: %s\n", name, p)
	m := &middleware{next: next, rewriter: newRewriter(p, name)}
	if p.httpsOnly || p.embeddedOnly {
		return &selective{next: next, middleware: m, httpsOnly: p.httpsOnly, embeddedOnly: p.embeddedOnly}, nil
	}
	return m, nil
}

// selective leaves the answers to some requests alone.
type selective struct {
	next                    http.Handler
	middleware              *middleware
	httpsOnly, embeddedOnly bool
}

// ServeHTTP implements [http.Handler].
func (s *selective) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if (s.httpsOnly && !overHTTPS(r)) || (s.embeddedOnly && !embedded(r)) {
		s.next.ServeHTTP(rw, r)
		return
	}
	s.middleware.ServeHTTP(rw, r)
}

// middleware rewrites the answers to all requests.
type middleware struct {
	next     http.Handler
	rewriter *rewriter
}

// ServeHTTP implements [http.Handler].
func (m *middleware) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Header["Upgrade"] != nil {
		serveUpgrade(m, rw, r)
		return
	}
	w := &responseWriter{ResponseWriter: rw, m: m, request: r, digits: maxUnflushed}
	m.next.ServeHTTP(w, r)
	// Not deferred: that would cost every response a tenth of the whole, for the
	// sake of the 500 that Traefik answers where next panics.
	if !w.settled {
		finish(w)
	}
}

// serveUpgrade is ServeHTTP for a request that may end in a hijacked
// connection.
func serveUpgrade(m *middleware, rw http.ResponseWriter, r *http.Request) {
	w := &responseWriter{ResponseWriter: rw, m: m, request: r, digits: maxUnflushed}
	m.next.ServeHTTP(&upgradeWriter{w}, r)
	if !w.settled {
		finish(w)
	}
}

// overHTTPS reports whether the client speaks HTTPS: to this Traefik, or to
// the proxy in front of it that Traefik trusts. Traefik itself says wss for a
// WebSocket handshake.
func overHTTPS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	proto, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	proto = strings.ToLower(strings.TrimSpace(proto))
	return proto == "https" || proto == "wss"
}

// embedded reports whether another site's page made the request, or may have:
// a request that tells nothing counts as embedded, because a cookie lost there
// breaks the service, and one partitioned in vain does not.
func embedded(r *http.Request) bool {
	// A page that is navigated to by a link on another site says cross-site
	// too (Fetch Metadata, section 2.3), but it is the service's own page.
	if r.Header.Get("Sec-Fetch-Dest") == "document" {
		return false
	}
	// A frame's own requests are same-origin; this header tells them apart.
	if len(r.Header["Sec-Fetch-Storage-Access"]) > 0 {
		return true
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "cross-site"
	}
	// Chromium's WebSocket handshakes, old browsers and native clients.
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || origin.Host == "" {
		return true
	}
	self := url.URL{Host: r.Host}
	return !strings.EqualFold(origin.Hostname(), self.Hostname())
}
