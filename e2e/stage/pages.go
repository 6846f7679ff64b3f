package stage

import (
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// pages serves the pages of the sites behind Traefik, and a tap in front of it
// through which a browser without our names or certificate reaches them, at
// `http://*.localhost`.
type pages struct {
	pages, tap string // addresses
	servers    []*http.Server

	mu       sync.Mutex
	received []reception
}

// reception is the Set-Cookie lines of one answer, as the client got them.
type reception struct {
	Service string   `json:"service"` // the host's first label, `gms-plain`
	Request string   `json:"request"` // `POST /genesys/cometd/handshake`
	Lines   []string `json:"lines"`
}

// maxReceptions is the number of answers that are remembered.
const maxReceptions = 10000

func servePages(traefik *Traefik) (*pages, error) {
	p := &pages{}
	mux := http.NewServeMux()
	files := os.DirFS(filepath.Join(Root(), "e2e", "pages"))
	page := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) }
	}
	mux.Handle("GET /{$}", page("index.html"))
	mux.Handle("GET /demo", page("demo.html"))
	mux.Handle("GET /", http.FileServerFS(files))
	cometd := http.FileServer(http.Dir(filepath.Join(Root(), "e2e", "node_modules", "cometd")))
	mux.Handle("GET /cometd/", http.StripPrefix("/cometd", cometd))
	// The control of every run that blocks third-party cookies.
	mux.HandleFunc("GET /control", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Set-Cookie", "control=1; Path=/; SameSite=None; Secure")
	})
	server, err := listen(mux)
	if err != nil {
		return nil, err
	}
	p.pages, p.servers = server.Addr, append(p.servers, server)

	tap, err := listen(p.tapHandler(traefik))
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	p.tap, p.servers = tap.Addr, append(p.servers, tap)
	return p, nil
}

// tapHandler passes everything on to Traefik and notes the Set-Cookie lines of
// the answers, which no script of a page can read. A page asks for them:
//
//	GET /stage/receptions?from=N   those from number N on, and the next number
func (p *pages) tapHandler(traefik *Traefik) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: traefik.HTTP})
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1,
		ModifyResponse: func(answer *http.Response) error {
			p.note(answer)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	mux.HandleFunc("GET /stage/receptions", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		var from int
		if json.Unmarshal([]byte(r.FormValue("from")), &from) != nil || from < 0 || from > len(p.received) {
			from = len(p.received)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]any{"next": len(p.received), "receptions": p.received[from:]})
	})
	return mux
}

func (p *pages) note(answer *http.Response) {
	lines := answer.Header["Set-Cookie"]
	if len(lines) == 0 {
		return
	}
	service, _, _ := strings.Cut(answer.Request.Host, ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.received) < maxReceptions {
		p.received = append(p.received, reception{service, answer.Request.Method + " " + answer.Request.URL.Path, lines})
	}
}

// Close ends both servers.
func (p *pages) Close() error {
	for _, s := range p.servers {
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}
