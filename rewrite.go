package chips

import (
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxNames is the number of cookie names whose change is logged.
	maxNames = 64

	// maxRemembered is the number of results that are kept. Nodes send a few
	// kinds of lines that differ in the cookie's value alone.
	maxRemembered = 128

	// maxPair is the length in octets of the longest name and value that
	// browsers take (RFC 6265bis section 5.6), and of the = between them.
	maxPair = 4096 + 1

	// maxKey is the length in octets over which a line is not remembered.
	maxKey = 512
)

// rewriter applies a policy to the Set-Cookie lines of one router's responses.
// It is safe for concurrent use.
type rewriter struct {
	policy *policy
	name   string // the middleware's, for the log

	// What the policy makes of a line depends on its kind: the cookie's name, an
	// equals sign and the attributes from the first semicolon on, without the
	// value. What was found is remembered in two maps, which are replaced and never
	// changed: known, a map[string]string of the new attributes, has the kinds
	// that need nothing else unless the request carried the cookie; results, a
	// map[string]result, has all.
	known, results atomic.Value

	mu      sync.Mutex      // guards the two sets and the replacement of results
	changed map[string]bool // names whose change is in the log
	warned  map[string]bool // names whose warning is in the log
}

// result is what becomes of a line.
type result struct {
	attributes string // the text that replaces the node's, from the first semicolon on
	twin       string // the line that expires the unpartitioned twin, or ""
	always     bool   // the twin is expired whether the request carried it or not
	lasting    bool   // worth remembering: it took work, and the kind comes again
}

func newRewriter(p *policy, name string) *rewriter {
	rw := &rewriter{policy: p, name: name, changed: map[string]bool{}, warned: map[string]bool{}}
	rw.known.Store(map[string]string{})
	rw.results.Store(map[string]result{})
	return rw
}

// rewrite returns the Set-Cookie lines of a response to a request with those
// Cookie header fields. It keeps the order of the lines and never edits the
// slice that it is given.
func rewrite(rw *rewriter, lines, cookieFields []string) []string {
	rewritten := make([]string, 0, len(lines)+2)
	results := rw.results.Load().(map[string]result)
	var found map[string]result // of this response, to be remembered at once
	for _, line := range lines {
		pair, attributes := line, ""
		if i := strings.IndexByte(line, ';'); i >= 0 {
			pair, attributes = line[:i], line[i:]
		}
		name := ""
		if i := strings.IndexByte(pair, '='); i >= 0 {
			name = strings.Trim(pair[:i], " \t")
		}
		if name == "" && (pair == "" || strings.Trim(strings.Replace(pair, "=", "", 1), " \t") == "") {
			// Neither a name nor a value: no cookie (RFC 6265bis section 5.6).
			rewritten = append(rewritten, line)
			continue
		}
		kind, date := name+"="+attributes, ""
		r, ok := results[kind]
		if !ok && strings.Contains(attributes, "xpires") {
			// The same kind comes with another date each time.
			var state string
			attributes, date, state = cutDate(attributes, time.Now())
			kind = name + "=" + attributes + state
			r, ok = results[kind]
		}
		if !ok {
			r = rw.resolve(name, attributes, date)
			if r.lasting && len(kind) <= maxKey && len(found) < maxRemembered {
				if found == nil {
					found = map[string]result{}
				}
				found[kind] = r
			}
		}
		// A line that browsers refuse sets nothing: what they hold is still good.
		if r.twin != "" && (r.always || carries(cookieFields, name)) && len(pair) <= maxPair && !controls.MatchString(pair) {
			rewritten = append(rewritten, r.twin)
		}
		if date != "" {
			rewritten = append(rewritten, pair+strings.Replace(r.attributes, dateMark, date, 1))
			continue
		}
		rewritten = append(rewritten, pair+r.attributes)
	}
	if found != nil {
		rw.remember(found)
	}
	return rewritten
}

// resolve works out the result for a kind that is not remembered, and tells the
// log. Where date is not empty, it was cut out of the attributes.
func (rw *rewriter) resolve(name, attributes, date string) result {
	rule := rw.policy.ruleFor(name)
	whole := attributes
	if date != "" {
		whole = strings.Replace(attributes, dateMark, date, 1)
	}
	if rule == nil || len(rule.changes) == 0 || controls.MatchString(whole) {
		return result{attributes: attributes}
	}
	l := readLifetime(whole, time.Now())
	e := rule.edit(name, l.deletes)
	r := result{attributes: e.apply(attributes)}
	if name != "" && rw.policy.expireUnpartitioned && rule.partitions {
		r.twin = unpartitionedTwin(name, l)
		r.always = l.deletes
	}
	if r.attributes != attributes && rw.first(rw.changed, name) {
		fmt.Printf("chips: %s: cookie %.64q: attributes %.256q became %.256q (%s)\n", rw.name, name, whole, strings.Replace(r.attributes, dateMark, date, 1), rule.option)
	}
	if e.skipped != "" && rw.first(rw.warned, name) {
		log.New(log.Writer(), "", 0).Printf("chips: %s: cookie %.64q: skipped %s (%s): the prefix of the name forbids it", rw.name, name, e.skipped, rule.option)
	}
	r.lasting = !l.volatile || date != ""
	return r
}

// first reports whether name is new to a set of names that are in the log, and
// adds it. A full set takes no more: a log never grows with traffic.
func (rw *rewriter) first(logged map[string]bool, name string) bool {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	if logged[name] || len(logged) >= maxNames || len(name) > maxKey {
		return false
	}
	logged[name] = true
	return true
}

// remember keeps results. Where there is no room left it starts anew, so that a
// burst of odd lines does not keep the usual ones out for ever.
func (rw *rewriter) remember(found map[string]result) {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	results := map[string]result{}
	for k, v := range found {
		results[k] = v
	}
	old := rw.results.Load().(map[string]result)
	if len(old)+len(found) <= maxRemembered {
		for k, v := range old {
			results[k] = v
		}
	}
	known := make(map[string]string, len(results))
	for k, v := range results {
		if !v.always && k[0] != '=' { // without a name it may be no cookie at all
			known[k] = v.attributes
		}
	}
	rw.known.Store(known)
	rw.results.Store(results)
}
