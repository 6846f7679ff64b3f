package chips

import (
	"crypto/sha1"
	"fmt"
	"strings"
)

// stickyCookieName returns the name that Traefik derives for the sticky cookie
// of a service which was given none: `_943b9` for `gms@file`
// (pkg/server/cookie in Traefik). A service without a provider is taken from
// that of the middleware, as Traefik does with references.
func stickyCookieName(service, middlewareName string) string {
	if !strings.Contains(service, "@") {
		if at := strings.LastIndexByte(middlewareName, '@'); at >= 0 {
			service += middlewareName[at:]
		}
	}
	return fmt.Sprintf("_%x", sha1.Sum([]byte("_TRAEFIK_BACKEND_"+service)))[:6]
}

// unpartitionedTwin returns the line that expires the unpartitioned cookie
// which a browser may hold beside the partitioned one of that name: same
// Domain and Path as the node's own line, since they are part of a cookie's
// identity. It carries SameSite=None and Secure, because a cross-site response
// may not touch a cookie without them, and HttpOnly where the name's prefix
// wants it.
func unpartitionedTwin(name string, l lifetime) string {
	twin := name + "=; SameSite=None"
	if i := prefixOf(name); i >= 0 && prefixes[i].httpOnly {
		twin += "; HttpOnly"
	}
	twin += "; Secure"
	if l.path != "" {
		twin += "; Path=" + l.path
	}
	if l.domain != "" {
		twin += "; Domain=" + l.domain
	}
	return twin + "; Max-Age=0"
}

// carries reports whether a cookie of that name is among the Cookie header
// fields of a request, as browsers write them: pairs behind a semicolon and a
// space (RFC 6265bis section 5.8.3). A few compiled calls search a field of any
// length; a loop over its pairs would run in the interpreter.
func carries(cookieFields []string, name string) bool {
	pair := name + "="
	for _, field := range cookieFields {
		if strings.HasPrefix(field, pair) || strings.Contains(field, "; "+pair) || strings.Contains(field, ";"+pair) {
			return true
		}
	}
	return false
}
