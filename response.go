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
//     header block is edited as it passes.
//   - Yaegi shows compiled code nothing but Header, Write, WriteHeader and
//     Hijack, so that the reverse proxy cannot flush: the writer does it.
//
// Header is promoted from the writer that Traefik gave, which costs the
// interpreter nothing.
type responseWriter struct {
	http.ResponseWriter

	rewriter *rewriter
	method   string   // of the request
	cookies  []string // the request's Cookie header fields

	committed bool
	held      []string // Set-Cookie lines of informational responses

	// flusher is nil where nothing is to be flushed. pending is the number of
	// octets of the body that are still to come, negative where it is unknown.
	flusher *http.ResponseController
	pending int64

	flushed bool // the server has the header, or there is none
}

// WriteHeader implements [http.ResponseWriter].
func (w *responseWriter) WriteHeader(status int) {
	if w.committed {
		return
	}
	header := w.Header()
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		if lines := header["Set-Cookie"]; len(lines) > 0 {
			w.held = append(w.held, lines...)
			delete(header, "Set-Cookie")
		}
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.commit()
	w.ResponseWriter.WriteHeader(status)

	// Only successful answers are streams. Flushing an error would tear it out
	// of Traefik's retry middleware, whose writer passes Flush on even while it
	// holds the answer back, and would take the Content-Length from the error
	// pages that Traefik writes itself.
	if status < http.StatusOK || status >= http.StatusMultipleChoices || status == http.StatusNoContent || w.method == http.MethodHead {
		return
	}
	w.pending = -1
	if length := header.Get("Content-Length"); length != "" && !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") {
		if n, err := strconv.ParseInt(length, 10, 64); err == nil {
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

// Write implements [http.ResponseWriter]. It flushes until the body is
// complete, because without a timer nobody else would: what completes it goes
// out when the handler returns.
func (w *responseWriter) Write(b []byte) (int, error) {
	if !w.committed {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	if w.flusher == nil || n == 0 {
		return n, err
	}
	if w.pending > 0 {
		w.pending -= int64(n)
		if w.pending <= 0 {
			w.flusher = nil
			return n, err
		}
	}
	_ = w.flusher.Flush()
	w.flushed = true
	return n, err
}

// Hijack implements [http.Hijacker]. What is written to the returned writer up
// to the end of the first header block has its Set-Cookie lines rewritten; the
// connection itself is handed out as it is.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return conn, rw, err
	}
	w.committed, w.flushed = true, true
	if len(w.held) > 0 {
		header := w.Header()
		header["Set-Cookie"] = append(w.held, header["Set-Cookie"]...)
	}
	editor := &headerBlockWriter{dst: rw.Writer, rewriter: w.rewriter, cookies: w.cookies}
	return conn, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(editor)), nil
}

// finish commits a response for which the handler wrote nothing. The status is
// left to the server, as it is without the plugin. Where trailers came that the
// header did not announce, it flushes, as the reverse proxy wants to: net/http
// sends them only with a body in chunks.
func (w *responseWriter) finish() {
	if !w.committed {
		w.commit()
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

// commit rewrites the Set-Cookie lines that the header map holds.
func (w *responseWriter) commit() {
	w.committed = true
	header := w.Header()
	lines := header["Set-Cookie"]
	if len(w.held) > 0 {
		lines = append(w.held, lines...)
	}
	if len(lines) > 0 {
		header["Set-Cookie"] = w.rewriter.rewrite(lines, w.cookies)
	}
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
		for _, rewritten := range rw.rewrite([]string{value}, cookieFields) {
			edited = append(edited, "Set-Cookie: "+rewritten)
		}
	}
	return []byte(strings.Join(edited, "\r\n"))
}
