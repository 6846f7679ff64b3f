package chips

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// policy is a configuration, validated and compiled. It never changes.
type policy struct {
	affinity map[string]*rule // by cookie name
	rules    []*rule

	expireUnpartitioned bool
	embeddedOnly        bool
	httpsOnly           bool
}

// rule is one rule, compiled.
type rule struct {
	option  string // where it stands in the configuration, `cookies[1]`
	pattern string
	matches *regexp.Regexp // the pattern: one compiled call for a name
	changes []attribute    // in canonical order; empty where the rule keeps

	partitions bool // it sets Partitioned
	base       *edit
	prefixed   []*edit // by the index in prefixes; base where the prefix forbids nothing
}

func defaultRules() []CookieRule {
	return []CookieRule{
		{Name: "BAYEUX_BROWSER", Set: []string{"SameSite=None", "HttpOnly", "Secure", "Path=/", "Partitioned"}},
		{Name: "*", Set: []string{"SameSite=None", "Secure", "Partitioned"}},
	}
}

func defaultAffinitySet() []string {
	return []string{"SameSite=None", "HttpOnly", "Secure", "Partitioned"}
}

// faults collects what is wrong with a configuration.
type faults struct {
	found []string
}

// add notes that the value of an option is wrong; reason says what would be
// right.
func (f *faults) add(option, value, reason string) {
	f.found = append(f.found, fmt.Sprintf("%s: %q %s", option, value, reason))
}

// err returns one error for all faults, on one line, as Traefik's log prints
// it; nil where there are none.
func (f *faults) err(name string) error {
	if len(f.found) == 0 {
		return nil
	}
	return errors.New("chips: " + name + ": the configuration is refused: " + strings.Join(f.found, "; "))
}

// compile validates config for the middleware called name.
func compile(config *Config, name string) (*policy, error) {
	var f faults
	p := &policy{
		affinity:            map[string]*rule{},
		expireUnpartitioned: config.ExpireUnpartitioned && !config.EmbeddedOnly,
		embeddedOnly:        config.EmbeddedOnly,
		httpsOnly:           config.HTTPSOnly,
	}
	compileAffinity(p, config.Affinity, name, &f)
	rules := config.Cookies
	if len(rules) == 0 {
		rules = defaultRules()
	}
	for i, r := range rules {
		option := fmt.Sprintf("cookies[%d]", i)
		compiled := compileRule(option, r, &f)
		for _, earlier := range p.rules {
			// A pattern covers another one if it matches it with each * read
			// as a character that no cookie name has.
			if compiled.pattern != "" && earlier.matches.MatchString(strings.ReplaceAll(compiled.pattern, "*", "\x00")) {
				f.add(option+".name", compiled.pattern, "never applies, because "+earlier.option+" comes first and matches the same cookies")
				break
			}
		}
		p.rules = append(p.rules, compiled)
	}
	return p, f.err(name)
}

func compileAffinity(p *policy, config Affinity, middlewareName string, f *faults) {
	set := config.Set
	if len(set) == 0 {
		set = defaultAffinitySet()
	} else if len(config.Cookies) == 0 && len(config.Services) == 0 {
		f.add("affinity.set", strings.Join(set, ", "), "has no effect without affinity.cookies or affinity.services")
	}
	r := newRule("affinity", "", compileAttributes("affinity", set, nil, f))
	for i, cookie := range config.Cookies {
		cookie = strings.TrimSpace(cookie)
		option := fmt.Sprintf("affinity.cookies[%d]", i)
		checkName(option, cookie, f)
		if strings.Contains(cookie, "*") {
			f.add(option, cookie, "is one name, in which * stands for nothing else")
		}
		p.affinity[cookie] = r
	}
	for i, service := range config.Services {
		service = strings.TrimSpace(service)
		if service == "" || strings.HasPrefix(service, "@") || strings.HasSuffix(service, "@") {
			f.add(fmt.Sprintf("affinity.services[%d]", i), service, "is no name of a service")
		}
		p.affinity[stickyCookieName(service, middlewareName)] = r
	}
}

func compileRule(option string, config CookieRule, f *faults) *rule {
	name := strings.TrimSpace(config.Name)
	checkName(option+".name", name, f)
	edits := len(config.Set) > 0 || len(config.Remove) > 0
	if config.Keep && edits {
		f.add(option+".keep", "true", "excludes set and remove")
	}
	if !config.Keep && !edits {
		f.add(option, name, "does nothing: one of set, remove and keep is needed")
	}
	return newRule(option, name, compileAttributes(option, config.Set, config.Remove, f))
}

func newRule(option, pattern string, changes []attribute) *rule {
	r := &rule{option: option, pattern: pattern, matches: matcher(pattern), changes: changes, base: newEdit(changes, nil, false)}
	r.partitions = r.change("Partitioned").text != ""
	for i := range prefixes {
		e := r.base
		for _, a := range changes {
			if prefixes[i].forbids(a) {
				e = newEdit(changes, &prefixes[i], false)
				break
			}
		}
		r.prefixed = append(r.prefixed, e)
	}
	return r
}

// edit returns what the rule does to the cookies of that name.
func (r *rule) edit(name string, deletes bool) *edit {
	i := prefixOf(name)
	if deletes && r.change("Max-Age").name != "" {
		var p *prefix
		if i >= 0 {
			p = &prefixes[i]
		}
		return newEdit(r.changes, p, true)
	}
	if i >= 0 {
		return r.prefixed[i]
	}
	return r.base
}

// change returns what the rule does to an attribute; nothing where the name of
// the change is empty.
func (r *rule) change(name string) attribute {
	for _, a := range r.changes {
		if a.name == name {
			return a
		}
	}
	return attribute{}
}

// Cookie names are tokens (RFC 6265 section 4.1.1); * is one of their
// characters.
var cookieName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func checkName(option, name string, f *faults) {
	if !cookieName.MatchString(name) {
		f.add(option, name, "is no cookie name")
	}
}

// compileAttributes reads the lists of one rule into canonical order.
func compileAttributes(option string, set, remove []string, f *faults) []attribute {
	texts := map[string]string{}
	for _, element := range set {
		element = strings.TrimSpace(element)
		name, text, reason := parseAttribute(element)
		if _, twice := texts[name]; reason == "" && twice {
			reason = "sets " + name + " a second time"
		}
		if reason != "" {
			f.add(option+".set", element, reason)
		}
		if name != "" {
			texts[name] = text
		}
	}
	_, secure := texts["Secure"]
	if _, partitioned := texts["Partitioned"]; partitioned && !secure {
		f.add(option+".set", "Partitioned", "needs Secure in the same set: browsers refuse the cookie without it")
	}
	if texts["SameSite"] == "SameSite=None" && !secure {
		f.add(option+".set", "SameSite=None", "needs Secure in the same set: browsers refuse the cookie without it")
	}
	removed := map[string]bool{}
	for _, element := range remove {
		element = strings.TrimSpace(element)
		name := canonical(element, attributeOrder)
		if name == "" {
			f.add(option+".remove", element, "is no attribute; known are "+strings.Join(attributeOrder, ", "))
			continue
		}
		if removed[name] {
			f.add(option+".remove", element, "removes "+name+" a second time")
		}
		removed[name] = true
		if _, both := texts[name]; both {
			f.add(option+".remove", element, "is set by the same rule")
		}
	}
	var changes []attribute
	for _, name := range attributeOrder {
		// Not `text, ok := texts[name]`: where the name is missing, Yaegi leaves
		// in text what it held before.
		if _, isSet := texts[name]; isSet || removed[name] {
			changes = append(changes, attribute{name: name, text: texts[name]})
		}
	}
	return changes
}

// canonical returns the spelling that text has among choices, without regard to
// case, or "" where it is none of them. Letters outside of ASCII, some of which
// EqualFold takes for ASCII ones, find nothing.
func canonical(text string, choices []string) string {
	if !printable.MatchString(text) {
		return ""
	}
	for _, choice := range choices {
		if strings.EqualFold(text, choice) {
			return choice
		}
	}
	return ""
}

var (
	printable   = regexp.MustCompile(`^[\x20-\x3a\x3c-\x7e]*$`) // ASCII without controls and ;
	domainValue = regexp.MustCompile(`^\.?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)
	maxAgeRule  = regexp.MustCompile(`^[1-9][0-9]*$`)
)

// parseAttribute reads one element of a set list. It returns the canonical
// name and text of the attribute, or the reason why it is refused.
func parseAttribute(element string) (name, text, reason string) {
	if !printable.MatchString(element) {
		return "", "", "has a character that no attribute may have: a semicolon, a control character or one outside ASCII"
	}
	name, value, hasValue := strings.Cut(element, "=")
	name, value = canonical(strings.TrimSpace(name), attributeOrder), strings.TrimSpace(value)
	switch name {
	case "":
		return "", "", "is no attribute; known are " + strings.Join(attributeOrder, ", ")
	case "Secure", "HttpOnly", "Partitioned":
		if hasValue {
			return name, name, "has a value, but " + name + " takes none"
		}
		return name, name, ""
	case "SameSite":
		value, reason = oneOf(value, []string{"None", "Lax", "Strict"})
	case "Priority":
		value, reason = oneOf(value, []string{"Low", "Medium", "High"})
	case "Path":
		if !strings.HasPrefix(value, "/") {
			reason = "needs a value that starts with /"
		} else if len(value) > 1024 {
			reason = "is longer than the 1024 octets that browsers read"
		}
	case "Domain":
		if !domainValue.MatchString(value) {
			reason = "needs the name of a host as its value"
		}
	case "Max-Age":
		if !maxAgeRule.MatchString(value) {
			reason = "needs whole seconds, 1 or more, as its value"
		}
	}
	return name, name + "=" + value, reason
}

// oneOf returns the canonical spelling of value among choices, or the reason
// why it is none of them.
func oneOf(value string, choices []string) (spelling, reason string) {
	if spelling = canonical(value, choices); spelling == "" {
		reason = "needs one of " + strings.Join(choices, ", ") + " as its value"
	}
	return spelling, reason
}

// matcher returns a pattern of names, in which * stands for any run of
// characters, as a regular expression. One that is refused may not be UTF-8.
func matcher(pattern string) *regexp.Regexp {
	literal := regexp.QuoteMeta(strings.ToValidUTF8(pattern, "?"))
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(literal, `\*`, `.*`) + `$`)
}

// ruleFor returns the rule that decides about the cookies of that name, or nil.
func (p *policy) ruleFor(name string) *rule {
	if r := p.affinity[name]; r != nil {
		return r
	}
	for _, r := range p.rules {
		if r.matches.MatchString(name) {
			return r
		}
	}
	return nil
}

// String returns the compiled rules on one line, for the log.
func (p *policy) String() string {
	var parts []string
	names := make([]string, 0, len(p.affinity))
	for name := range p.affinity {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		parts = append(parts, "affinity "+name+": "+p.affinity[name].String())
	}
	for _, r := range p.rules {
		parts = append(parts, r.option+" "+r.pattern+": "+r.String())
	}
	return fmt.Sprintf("%s; expireUnpartitioned: %t, embeddedOnly: %t, httpsOnly: %t",
		strings.Join(parts, "; "), p.expireUnpartitioned, p.embeddedOnly, p.httpsOnly)
}

// String returns what the rule does, in the words of the configuration.
func (r *rule) String() string {
	if len(r.changes) == 0 {
		return "keep"
	}
	var set, removed []string
	for _, a := range r.changes {
		if a.text != "" {
			set = append(set, a.text)
		} else {
			removed = append(removed, a.name)
		}
	}
	text := ""
	if len(set) > 0 {
		text = "set " + strings.Join(set, ", ")
	}
	if len(removed) > 0 {
		if text != "" {
			text += ", "
		}
		text += "remove " + strings.Join(removed, ", ")
	}
	return text
}
