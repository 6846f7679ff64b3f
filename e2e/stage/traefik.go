// Package stage brings up the deployment that the plugin was made for, on free
// ports of 127.0.0.1: a real Traefik with the plugin in local mode out of this
// checkout, and GMS nodes behind it.
package stage

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"gopkg.in/yaml.v3"
)

// ModuleName is the plugin's, as Traefik's static configuration names it.
const ModuleName = "github.com/traefikchips/traefik-chips"

// The versions of Traefik that the plugin is tested on: the current line, and
// the oldest that is supported. Each is a module below e2e/traefik.
const (
	TraefikV3 = "v3"
	TraefikV2 = "v2"
)

// Root returns the folder of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// BuildTraefik returns the path of a Traefik of that line. It builds it where
// the user's cache does not hold it yet, which takes minutes and is told to
// log. The environment variable TRAEFIK names another binary to use instead.
func BuildTraefik(ctx context.Context, line string, log io.Writer) (string, error) {
	if path := os.Getenv("TRAEFIK"); path != "" {
		return filepath.Abs(path)
	}
	module := filepath.Join(Root(), "e2e", "traefik", line)
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "traefik-chips", fmt.Sprintf("traefik-%s-%s-%x", line, runtime.Version(), sum.Sum(nil)[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(log, "Building Traefik %s from its Go module; this takes minutes, once.\n", line)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", folder+"/", "tool")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Traefik %s: %w\n%s", line, err, out)
	}
	return path, os.Rename(filepath.Join(folder, "traefik"), path)
}

// Traefik is a running Traefik.
type Traefik struct {
	HTTP  string // address of the entry point web
	HTTPS string // address of the entry point websecure

	folder   string
	cmd      *exec.Cmd
	exited   chan struct{}
	revision int // of the dynamic configuration
}

// TraefikOptions are what the runs of Traefik differ in.
type TraefikOptions struct {
	Line      string // TraefikV3 or TraefikV2; not used with TRAEFIK
	FastProxy bool   // experimental.fastProxy, which Traefik has from v3.3
}

// String names the run for a test.
func (o TraefikOptions) String() string {
	name := o.Line
	if path := os.Getenv("TRAEFIK"); path != "" {
		name = filepath.Base(path)
	}
	if o.FastProxy {
		name += " fastProxy"
	}
	return name
}

// StartTraefik starts Traefik with a dynamic configuration in YAML. It serves
// TLS with the certificate that Traefik makes for itself at each start. What takes
// long is told to log. Stop it.
func StartTraefik(ctx context.Context, options TraefikOptions, dynamic string, log io.Writer) (*Traefik, error) {
	binary, err := BuildTraefik(ctx, options.Line, log)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "traefik-chips-")
	if err != nil {
		return nil, err
	}
	t := &Traefik{folder: folder, exited: make(chan struct{})}
	if err := t.start(binary, options, dynamic); err != nil {
		return nil, errors.Join(err, t.Stop())
	}
	return t, nil
}

func (t *Traefik) start(binary string, options TraefikOptions, dynamic string) error {
	source := filepath.Join(t.folder, "plugins-local", "src", ModuleName)
	if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(Root(), source); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(t.folder, "dynamic"), 0o755); err != nil {
		return err
	}
	if err := t.write("dynamic.yml", dynamic); err != nil {
		return err
	}
	if err := t.writeRevision(); err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	t.HTTP, t.HTTPS = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	experimental := map[string]any{"localPlugins": map[string]any{
		"traefik-chips": map[string]any{"moduleName": ModuleName},
		"naive":         map[string]any{"moduleName": ModuleName + "/e2e/bench/naive"}, // the benchmarks' alone
	}}
	if options.FastProxy {
		experimental["fastProxy"] = map[string]any{}
	}
	static, err := yaml.Marshal(map[string]any{
		"global":       map[string]any{"checkNewVersion": false, "sendAnonymousUsage": false},
		"log":          map[string]any{"level": "DEBUG", "format": "json"},
		"entryPoints":  map[string]any{"web": map[string]any{"address": t.HTTP}, "websecure": map[string]any{"address": t.HTTPS, "http": map[string]any{"tls": map[string]any{}}}},
		"providers":    map[string]any{"providersThrottleDuration": "100ms", "file": map[string]any{"directory": "dynamic", "watch": true}},
		"ping":         map[string]any{"manualRouting": true},
		"experimental": experimental,
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.folder, "traefik.yml"), static, 0o644); err != nil {
		return err
	}
	log, err := os.Create(t.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	t.cmd = exec.Command(binary, "--configFile=traefik.yml")
	t.cmd.Dir, t.cmd.Stdout, t.cmd.Stderr = t.folder, log, log
	if err := t.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = t.cmd.Wait()
		close(t.exited)
	}()
	return t.ready()
}

// Configure replaces the dynamic configuration and waits until Traefik serves
// it.
func (t *Traefik) Configure(dynamic string) error { return t.configure("dynamic.yml", dynamic) }

func (t *Traefik) configure(name, text string) error {
	if err := t.write(name, text); err != nil {
		return err
	}
	if err := t.writeRevision(); err != nil {
		return err
	}
	return t.ready()
}

// writeRevision adds a router by which ready knows that Traefik has read all
// that was written before.
func (t *Traefik) writeRevision() error {
	t.revision++
	return t.write("revision.yml", fmt.Sprintf("http: {routers: {revision: {rule: 'Host(`revision-%d.test`)', service: ping@internal}}}", t.revision))
}

// ready waits until both entry points serve the last revision.
func (t *Traefik) ready() error {
	client := t.Client()
	client.Timeout = time.Second
	err := Poll(2*time.Minute, func() error {
		select {
		case <-t.exited:
			return errors.New("Traefik ended")
		default:
		}
		for _, scheme := range []string{"http", "https"} {
			answer, err := client.Get(fmt.Sprintf("%s://revision-%d.test/", scheme, t.revision))
			if err != nil {
				return err
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("Traefik answers %d", answer.StatusCode)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, t.Log())
	}
	return nil
}

// write puts a file of the dynamic configuration into place in one step, so
// that Traefik never reads half of it.
func (t *Traefik) write(name, text string) error {
	path := filepath.Join(t.folder, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(t.folder, "dynamic", name))
}

func (t *Traefik) logFile() string { return filepath.Join(t.folder, "traefik.log") }

// Pid returns Traefik's process id.
func (t *Traefik) Pid() int { return t.cmd.Process.Pid }

// Stat returns what the kernel tells of Traefik's process: its memory and CPU
// time.
func (t *Traefik) Stat() (procfs.ProcStat, error) {
	p, err := procfs.NewProc(t.Pid())
	if err != nil {
		return procfs.ProcStat{}, err
	}
	return p.Stat()
}

// Log returns what Traefik has logged so far, as lines of JSON.
func (t *Traefik) Log() string {
	text, _ := os.ReadFile(t.logFile())
	return string(text)
}

// Stop ends Traefik and removes its files.
func (t *Traefik) Stop() error {
	if t.cmd != nil && t.cmd.Process != nil {
		_ = t.cmd.Process.Kill()
		<-t.exited
	}
	return os.RemoveAll(t.folder)
}

// Client returns an HTTP client that finds every name at this Traefik, whatever
// its certificate, keeps no cookies and follows no redirects.
func (t *Traefik) Client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, t.address(address))
			},
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// address returns the entry point that serves the port of a URL.
func (t *Traefik) address(address string) string {
	if strings.HasSuffix(address, ":443") {
		return t.HTTPS
	}
	return t.HTTP
}

// Poll calls try until it returns nil, for as long as that may take at most,
// and returns its last error.
func Poll(deadline time.Duration, try func() error) error {
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = try(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("not within %s: %w", deadline, err)
}

func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
