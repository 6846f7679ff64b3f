package chips

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// responseWriter rewrites the Set-Cookie lines of one response at the moment
// when its header is committed:
//
//   - The first final status commits, by WriteHeader or by the first Write; a
//     handler that does neither is committed by finish.
//   - An informational (1xx) status commits nothing. Its Set-Cookie lines wait
//     for the final response, because browsers ignore them there and the
//     reverse proxy clears the header map after it. 101 is final.
//   - An upgrade hijacks the connection and writes its own header: that one
//     header block is edited as it passes (see upgradeWriter).
//   - Yaegi shows compiled code nothing but Header, Write and WriteHeader, so
//     that the reverse proxy cannot flush: the writer does it.
//
// The interpreter allocates every variable and temporary of a function when it
// is called, in branches that are not taken too. So WriteHeader and Write hold
// what a small answer of known length needs, and the rest is in functions, which
// cost less than methods. Header is promoted from the writer that Traefik gave,
// which costs nothing.
type responseWriter struct {
	http.ResponseWriter

	m       *middleware
	request *http.Request

	// digits is the number of them in the longest Content-Length that WriteHeader
	// deals with itself.
	digits int

	held      []string // Set-Cookie lines of informational responses
	committed bool

	// settled says that nothing is left to do: Write only passes on, and finish
	// has nothing to finish.
	settled bool

	// flusher is nil where nothing is to be flushed. pending is the number of
	// octets of the body that are still to come, negative where it is unknown.
	flusher *http.ResponseController
	pending int
	flushed bool
}

// maxUnflushed is the number of digits of the longest Content-Length whose
// body is left to the server's buffer. Such a body comes at once; a flush would
// cost each answer a system call, a tenth of the throughput of a busy Traefik.
const maxUnflushed = 4

// WriteHeader implements [http.ResponseWriter].
func (w *responseWriter) WriteHeader(status int) {
	header := w.Header()
	length := header["Content-Length"]
	if length != nil && len(length[0]) <= w.digits {
		if header["Set-Cookie"] != nil {
			rewriteHeader(w, header)
		}
		w.settled = true
		w.ResponseWriter.WriteHeader(status)
		return
	}
	writeHeader(w, status)
}

// writeHeader is WriteHeader for every response.
func writeHeader(w *responseWriter, status int) {
	if w.committed {
		return
	}
	header := w.Header()
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		if lines := header["Set-Cookie"]; len(lines) > 0 {
			w.held = append(w.held, lines...)
			delete(header, "Set-Cookie")
			w.digits = 0 // or WriteHeader would forget them
		}
		w.ResponseWriter.WriteHeader(status)
		return
	}
	rewriteLines(w, header)
	w.ResponseWriter.WriteHeader(status)
	// Only successful answers are streams. Flushing an error would tear it out
	// of Traefik's retry middleware, whose writer passes Flush on even while it
	// holds the answer back, and would take the Content-Length from the error
	// pages that Traefik writes itself.
	if status < http.StatusOK || status >= http.StatusMultipleChoices || status == http.StatusNoContent || w.request.Method == http.MethodHead {
		return
	}
	w.pending = -1
	if length := header.Get("Content-Length"); length != "" && !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") {
		if n, err := strconv.Atoi(length); err == nil {
			w.pending = n
		}
	}
	if w.pending == 0 {
		return
	}
	w.flusher = http.NewResponseController(w.ResponseWriter)
	// net/http guesses a missing Content-Type from the first octets of the
	// body, which have to be there when the header goes out.
	if _, typed := header["Content-Type"]; typed {
		_ = w.flusher.Flush()
		w.flushed = true
	}
}

// rewriteHeader rewrites the Set-Cookie lines of a header that is committed. It
// deals with lines of known kinds, out of whose text it cuts and joins the new
// one, where the request carried no cookies that might have twins. The rest, which
// is rare, is for rewriteLines.
func rewriteHeader(w *responseWriter, header http.Header) {
	if w.request.Header["Cookie"] != nil {
		rewriteLines(w, header)
		return
	}
	known := w.m.rewriter.known.Load().(map[string]string)
	var lines []string
	for _, line := range header["Set-Cookie"] {
		end := strings.IndexByte(line+";", ';')
		attributes := known[line[:1+strings.IndexByte(line, '=')]+line[end:]]
		if attributes == "" {
			rewriteLines(w, header)
			return
		}
		lines = append(lines, line[:end]+attributes)
	}
	header["Set-Cookie"] = lines
}

// rewriteLines is rewriteHeader for all lines and requests.
func rewriteLines(w *responseWriter, header http.Header) {
	w.committed = true
	lines := header["Set-Cookie"]
	if len(w.held) > 0 {
		lines = append(w.held, lines...)
		w.held = nil
	}
	if len(lines) > 0 {
		header["Set-Cookie"] = rewrite(w.m.rewriter, lines, w.request.Header["Cookie"])
	}
}

// Write implements [http.ResponseWriter].
func (w *responseWriter) Write(b []byte) (int, error) {
	if w.settled {
		return w.ResponseWriter.Write(b)
	}
	return write(w, b)
}

// write is Write for every response. It flushes until the body is complete,
// because without a timer nobody else would: what completes it goes out when the
// handler returns.
func write(w *responseWriter, b []byte) (int, error) {
	if !w.committed {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	if w.flusher == nil || n == 0 {
		return n, err
	}
	if w.pending > 0 {
		w.pending -= n
		if w.pending <= 0 {
			w.flusher = nil
			return n, err
		}
	}
	_ = w.flusher.Flush()
	w.flushed = true
	return n, err
}

// finish commits a response for which the handler wrote nothing. The status is
// left to the server, as it is without the plugin. Where trailers came that the
// header did not announce, it flushes, as the reverse proxy wants to: net/http
// sends them only with a body in chunks.
func finish(w *responseWriter) {
	if !w.committed {
		rewriteLines(w, w.Header())
		return
	}
	header := w.Header()
	if w.flushed || header.Get("Content-Length") != "" {
		return
	}
	for name := range header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			_ = http.NewResponseController(w.ResponseWriter).Flush()
			return
		}
	}
}

// upgradeWriter is the writer of a request that asks for an upgrade. Other
// requests do without the method, which would cost them eight allocations.
type upgradeWriter struct {
	*responseWriter
}

// Hijack implements [http.Hijacker]. What is written to the returned writer up
// to the end of the first header block has its Set-Cookie lines rewritten; the
// connection itself is handed out as it is.
func (u *upgradeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w := u.responseWriter
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return conn, rw, err
	}
	w.committed, w.settled = true, true
	if len(w.held) > 0 {
		header := w.Header()
		header["Set-Cookie"] = append(w.held, header["Set-Cookie"]...)
	}
	editor := &headerBlockWriter{dst: rw.Writer, rewriter: w.m.rewriter, cookies: w.request.Header["Cookie"]}
	return conn, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(editor)), nil
}

// maxHeaderBlock is the size in octets over which headerBlockWriter gives up
// looking for the end of a header; net/http's transport takes at most 10 MiB.
const maxHeaderBlock = 16 << 20

// headerBlockWriter edits the header block of an upgrade response on its way
// into dst and then gets out of the way. It flushes dst, since the owner of a
// hijacked connection flushes only the writer that it was given.
type headerBlockWriter struct {
	dst      *bufio.Writer
	rewriter *rewriter
	cookies  []string

	block  []byte // what came before the end of the header
	passed bool
}

var endOfHeader = []byte("\r\n\r\n")

// Write implements [io.Writer].
func (w *headerBlockWriter) Write(b []byte) (int, error) {
	if w.passed {
		return len(b), w.pass(b)
	}
	searched := len(w.block) - len(endOfHeader) + 1
	if searched < 0 {
		searched = 0
	}
	w.block = append(w.block, b...)
	end := bytes.Index(w.block[searched:], endOfHeader)
	http1 := startsLikeHTTP(w.block)
	if end < 0 && http1 && len(w.block) <= maxHeaderBlock {
		return len(b), nil
	}
	out := w.block
	w.passed = true
	w.block = nil // not in one assignment: a nil in a tuple panics in Yaegi
	if end >= 0 && http1 {
		end += searched
		out = append(w.rewriter.rewriteBlock(out[:end], w.cookies), out[end:]...)
	}
	return len(b), w.pass(out)
}

// pass sends b on at once.
func (w *headerBlockWriter) pass(b []byte) error {
	if _, err := w.dst.Write(b); err != nil {
		return err
	}
	return w.dst.Flush()
}

const version = "HTTP/1."

// startsLikeHTTP reports whether b is, or may become, a response of HTTP/1.
func startsLikeHTTP(b []byte) bool {
	n := len(version)
	if len(b) < n {
		n = len(b)
	}
	return string(b[:n]) == version[:n]
}

// rewriteBlock rewrites the Set-Cookie lines of a header block, which it gets
// without the last line's end.
func (rw *rewriter) rewriteBlock(block []byte, cookieFields []string) []byte {
	const field = "set-cookie:"
	var edited []string
	for _, line := range strings.Split(string(block), "\r\n") {
		if len(line) < len(field) || strings.ToLower(line[:len(field)]) != field {
			edited = append(edited, line)
			continue
		}
		value := strings.Trim(line[len(field):], " \t")
		for _, rewritten := range rewrite(rw, []string{value}, cookieFields) {
			edited = append(edited, "Set-Cookie: "+rewritten)
		}
	}
	return []byte(strings.Join(edited, "\r\n"))
}
