package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/traefikchips/traefik-chips/e2e/stage"
)

// abuse is a node that writes what no HTTP server would: the bytes of a case to
// a request for /its-name, and then closes the connection.
func abuse(t *testing.T, cases map[string]func(io.Writer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				if write := cases[strings.TrimPrefix(r.URL.Path, "/")]; write != nil {
					write(conn)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

const (
	ok        = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"
)

// abuses are the cases. Those whose name begins with "upgrade" answer a request
// that asks for one.
func abuses() map[string]func(io.Writer) {
	text := func(parts ...string) func(io.Writer) {
		return func(w io.Writer) { _, _ = io.WriteString(w, strings.Join(parts, "")) }
	}
	cookie := func(value string) string { return "Set-Cookie: " + value + "\r\n" }
	many := make([]string, 10000)
	for i := range many {
		many[i] = cookie(fmt.Sprintf("c%d=1; Path=/", i))
	}
	return map[string]func(io.Writer){
		"good":                    text(ok, cookie("a=1"), "\r\nok"),
		"10,000-lines":            text(ok, strings.Join(many, ""), "\r\nok"),
		"a-line-of-1-MiB":         text(ok, cookie("a=1; Comment="+strings.Repeat("x", 1<<20)), "\r\nok"),
		"a-value-of-1-MiB":        text(ok, cookie("a="+strings.Repeat("x", 1<<20)), "\r\nok"),
		"1,000-semicolons":        text(ok, cookie("a=1"+strings.Repeat("; ", 1000)), "\r\nok"),
		"control-characters":      text(ok, cookie("a=\x011; Path=\x02/"), cookie("b=1;\x7f"), "\r\nok"),
		"NUL":                     text(ok, cookie("a=\x00"), "\r\nok"),
		"a-bare-CR":               text(ok, cookie("a=1\rSet-Cookie: b=2"), "\r\nok"),
		"a-bare-LF":               text(ok, "Set-Cookie: a=1\nSet-Cookie: b=2\r\n", "\r\nok"),
		"a-folded-line":           text(ok, "Set-Cookie: a=1;\r\n Path=/\r\n", "\r\nok"),
		"a-field-without-a-name":  text(ok, ": a=1\r\n", "\r\nok"),
		"cut-in-the-header":       text(ok, "Set-Cookie: a=1; Pa"),
		"cut-in-the-body":         text(strings.Replace(ok, "Length: 2", "Length: 100", 1), cookie("a=1"), "\r\nok"),
		"cut-in-a-large-body":     text(strings.Replace(ok, "Length: 2", "Length: 100000", 1), cookie("a=1"), "\r\n", strings.Repeat("x", 50000)),
		"cut-in-a-chunk":          text("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", cookie("a=1"), "\r\n10\r\nok"),
		"1,000-times-103":         text(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: h=1\r\n\r\n", 1000), ok, "\r\nok"),
		"103-with-a-length":       text("HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\nSet-Cookie: h=1\r\n\r\n", ok, cookie("a=1"), "\r\nok"),
		"garbage":                 text("\x00\x01\x02 Set-Cookie: a=1\r\n\r\n"),
		"nothing":                 text(),
		"101-to-no-upgrade":       text(switching, cookie("a=1"), "\r\nbytes"),
		"upgrade-and-bytes":       text(switching, cookie("a=1"), "\r\nbytes\r\n\r\nSet-Cookie: b=2\r\n\r\n"),
		"upgrade-of-1-MiB":        text(switching, cookie("a=1; Comment="+strings.Repeat("x", 1<<20)), "\r\nbytes"),
		"upgrade-without-an-end":  func(w io.Writer) { endless(w) },
		"upgrade-octet-by-octet":  func(w io.Writer) { octets(w, switching+cookie("a=1")+"\r\nbytes") },
		"upgrade-garbage":         text("\x00\x01\x02\r\n\r\n"),
		"upgrade-refused":         text("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n", cookie("a=1"), "\r\nno"),
		"upgrade-to-another":      text(strings.Replace(switching, "echo", "other", 1), cookie("a=1"), "\r\nbytes"),
		"upgrade-cut-in-header":   text(switching, "Set-Coo"),
		"upgrade-10,000-lines":    text(switching, strings.Join(many, ""), "\r\nbytes"),
		"upgrade-with-103-before": text("HTTP/1.1 103 Early Hints\r\nSet-Cookie: h=1\r\n\r\n", switching, cookie("a=1"), "\r\nbytes"),
	}
}

// endless writes a header that does not end, up to more than anybody takes.
func endless(w io.Writer) {
	if _, err := io.WriteString(w, switching); err != nil {
		return
	}
	line := "Set-Cookie: a=1; Comment=" + strings.Repeat("x", 64<<10) + "\r\n"
	for range 1000 {
		if _, err := io.WriteString(w, line); err != nil {
			return
		}
	}
}

func octets(w io.Writer, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(w, text[i:i+1]); err != nil {
			return
		}
	}
}

// received is what a client got.
type received struct {
	responses []string // status and header of each, but for Set-Cookie and Date
	cookies   []string
	body      string // or what came behind a 101
	cut       bool   // it ended before its end
}

func askForAbuse(traefik *stage.Traefik, host, name string) (received, error) {
	var a received
	conn, err := net.Dial("tcp", traefik.HTTP)
	if err != nil {
		return a, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return a, err
	}
	connection := "close\r\n"
	if strings.HasPrefix(name, "upgrade") {
		connection = "Upgrade\r\nUpgrade: echo\r\n"
	}
	if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n", name, host, connection); err != nil {
		return a, err
	}
	reader := bufio.NewReaderSize(conn, 4<<20)
	for {
		response, err := http.ReadResponse(reader, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return a, err
		}
		if err != nil {
			a.cut = true
			return a, nil
		}
		a.cookies = append(a.cookies, response.Header["Set-Cookie"]...)
		response.Header.Del("Set-Cookie")
		response.Header.Del("Date")
		a.responses = append(a.responses, fmt.Sprint(response.Status, response.Header))
		if response.StatusCode < 200 && response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		var body []byte
		if response.StatusCode == http.StatusSwitchingProtocols {
			body, err = io.ReadAll(reader)
		} else {
			body, err = io.ReadAll(response.Body)
		}
		a.body, a.cut = string(body), err != nil
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return a, err
		}
		return a, nil
	}
}

// Traefik answers a node's abuse as it does without the plugin, cookies apart,
// every line that a client gets is rewritten, nothing panics, and the next request
// works.
func TestAbuseByANode(t *testing.T) {
	cases := abuses()
	node := abuse(t, cases)
	for _, options := range runs() {
		if options.FastProxy {
			continue // it is experimental, and falls by itself: see the README's limits
		}
		t.Run(options.String(), func(t *testing.T) { abuseBy(t, cases, startTraefik(t, options, behaviour(node))) })
	}
}

func abuseBy(t *testing.T, cases map[string]func(io.Writer), traefik *stage.Traefik) {
	before := residentMemory(t, traefik)
	for name := range cases {
		t.Run(name, func(t *testing.T) {
			without, err := askForAbuse(traefik, "plain.test", name)
			if err != nil {
				t.Fatalf("without the plugin: %v", err)
			}
			with, err := askForAbuse(traefik, "default.test", name)
			if err != nil {
				t.Fatalf("with the plugin: %v", err)
			}
			if !reflect.DeepEqual(with.responses, without.responses) || with.body != without.body || with.cut != without.cut {
				t.Errorf("got %.600q, %d octets %.100q, cut %t; want %.600q, %d octets %.100q, cut %t", with.responses, len(with.body), with.body, with.cut,
					without.responses, len(without.body), without.body, without.cut)
			}
			for _, line := range with.cookies {
				// A line that holds a control character is no cookie anywhere.
				if !strings.HasSuffix(line, "; Partitioned") && !strings.ContainsAny(line, "\x00\x01\x02\r\x7f") {
					t.Errorf("got the line %.200q", line)
				}
			}
			good, err := askForAbuse(traefik, "default.test", "good")
			if err != nil || good.body != "ok" || len(good.cookies) != 2 {
				t.Errorf("the next request got %+v, %v", good, err)
			}
		})
	}
	after := residentMemory(t, traefik)
	t.Logf("Traefik's memory: %d MiB before, %d MiB after", before>>20, after>>20)
	if after > before+(512<<20) {
		t.Errorf("Traefik's memory grew from %d to %d MiB", before>>20, after>>20)
	}
	for _, word := range []string{"panic", "fatal"} {
		if log := traefik.Log(); strings.Contains(strings.ToLower(log), word) {
			i := strings.Index(strings.ToLower(log), word)
			t.Errorf("Traefik's log has a %s: %.600s", word, log[max(0, i-100):])
		}
	}
}

// No request makes a response carry a line that the node and the rules did not
// make: whatever its cookies are, a client gets the same lines as without any,
// and in front of each at most the one that expires its twin.
func TestAbuseByAClient(t *testing.T) {
	names := []string{"a", "ab", "abc", "BAYEUX_BROWSER", "__Host-x"}
	lines := []string{"a=1; Path=/", "ab=2", "abc=3; Path=/x", "BAYEUX_BROWSER=4; Path=/; HttpOnly", "__Host-x=5; Path=/"}
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = lines
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(node.Close)
	many := func(pairs func(i int) string, n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = pairs(i)
		}
		return strings.Join(list, "; ")
	}
	cases := map[string]struct {
		cookie  string
		expires []string // the names whose twins are expired
	}{
		"10,000 cookies":          {cookie: many(func(i int) string { return fmt.Sprintf("c%d=%d", i, i) }, 10000)},
		"the largest field":       {cookie: "big=" + strings.Repeat("x", 1000<<10)},
		"duplicates of each name": {cookie: many(func(i int) string { return names[i%len(names)] + "=" + strings.Repeat("v", i) }, 50), expires: names},
		"prefixes of one another": {cookie: "ab=1", expires: []string{"ab"}},
		"a name inside of others": {cookie: "xa=1; a-b=2; Xabc=3; aa=4"},
		"a name inside of values": {cookie: "v=a=1; w=ab=2,abc=3"},
		"names in another case":   {cookie: "A=1; AB=2; bayeux_browser=3; __host-x=4"},
		"attributes as cookies":   {cookie: "a=1; Domain=evil.test; Path=/evil; Max-Age=0", expires: []string{"a"}},
		"what looks like a line":  {cookie: "a=1%0d%0aSet-Cookie:%20evil=1; evil=\"; Set-Cookie: b=1\"", expires: []string{"a"}},
		"blanks and semicolons":   {cookie: ";; ; =; =x; a ; ab"},
		"quotes":                  {cookie: `x="; a=1; "`, expires: []string{"a"}},
		"bytes above 0x7f":        {cookie: "\xff\xfe=1; caf\xe9=a=1; a=\xff", expires: []string{"a"}},
	}
	for _, options := range runs() {
		t.Run(options.String(), func(t *testing.T) {
			traefik := startTraefik(t, options, behaviour(node.URL))
			client := traefik.Client()
			plain, _ := get(t, client, "GET", "http://default.test/", nil)
			wanted := plain.Header["Set-Cookie"]
			if len(wanted) != len(lines)+1 {
				t.Fatalf("got %q; want the sticky cookie and the node's", wanted)
			}
			for name, tt := range cases {
				t.Run(name, func(t *testing.T) {
					answer, body := get(t, client, "GET", "http://default.test/", http.Header{"Cookie": {tt.cookie}})
					if answer.StatusCode != http.StatusOK || body != "ok" {
						t.Errorf("got %d, %q", answer.StatusCode, body)
					}
					var expired, others []string
					for _, line := range answer.Header["Set-Cookie"] {
						if twin(line) {
							expired = append(expired, line[:strings.IndexByte(line, '=')])
						} else {
							others = append(others, line)
						}
					}
					if !reflect.DeepEqual(others, wanted) {
						t.Errorf("got %q; want %q", others, wanted)
					}
					if !reflect.DeepEqual(expired, tt.expires) {
						t.Errorf("the twins of %q are expired; want %q", expired, tt.expires)
					}
				})
			}
		})
	}
}

func residentMemory(t *testing.T, traefik *stage.Traefik) int {
	t.Helper()
	stat, err := traefik.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return stat.ResidentMemory()
}
