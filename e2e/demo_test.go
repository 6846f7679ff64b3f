package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// The demo shows what it promises, keeps running, and ends all that it
// started.
func TestDemo(t *testing.T) {
	if os.Getenv("TRAEFIK") == "" {
		if _, err := stage.BuildTraefik(t.Context(), stage.TraefikV3, os.Stderr); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/demo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	watchdog := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer watchdog.Stop()

	var shown strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		shown.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "for example") {
			break
		}
	}
	for _, want := range []string{
		`gms_node=\S+ +gms_node=`, `; Partitioned\n`, `dropped by the browser +; SameSite=None`, `-> kept by the browser`,
		`then the chat +never opens: 402::session_unknown +opens: 3 messages`,
		`nodes that answered +[ABC ]+  +(A( A){9}|B( B){9}|C( C){9})\n`,
	} {
		if !regexp.MustCompile(want).MatchString(shown.String()) {
			t.Errorf("the demo does not show %s:\n%s", want, shown.String())
		}
	}
	address := regexp.MustCompile(`gms\.localhost(:\d+)`).FindStringSubmatch(shown.String())
	if address == nil {
		t.Fatal("the demo prints no address")
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil { // as Ctrl-C does, to the whole group
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the demo ended with %v", err)
	}
	// Nobody is left in its process group.
	eventually(t, func() error {
		if err := syscall.Kill(-cmd.Process.Pid, 0); err == nil {
			return os.ErrExist
		}
		return nil
	})
}
