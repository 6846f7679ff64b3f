package chips

import (
	"regexp"
	"strings"
	"time"
)

// The order in which a rule's attributes are written.
var attributeOrder = []string{"SameSite", "HttpOnly", "Secure", "Path", "Domain", "Max-Age", "Priority", "Partitioned"}

// attribute is one change that a rule makes.
type attribute struct {
	name string // in its canonical spelling
	text string // as it is appended, `SameSite=None`; "" where it is only removed
}

// prefix is a cookie name prefix and what it demands of the cookie
// (RFC 6265bis section 4.1.3; without regard to case, section 5.7).
type prefix struct {
	match    *regexp.Regexp
	httpOnly bool // needs HttpOnly, besides Secure which all of them need
	host     bool // needs Path=/ and no Domain
}

// The longer name comes first: __Host-Http- is a __Host- name as well.
var prefixes = []prefix{
	{match: regexp.MustCompile(`^` + asciiFold("__Host-Http-")), httpOnly: true, host: true},
	{match: regexp.MustCompile(`^` + asciiFold("__Host-")), host: true},
	{match: regexp.MustCompile(`^` + asciiFold("__Http-")), httpOnly: true},
	{match: regexp.MustCompile(`^` + asciiFold("__Secure-"))},
}

// forbids reports whether a change would make browsers refuse the cookie.
func (p *prefix) forbids(a attribute) bool {
	switch a.name {
	case "Secure":
		return a.text == ""
	case "HttpOnly":
		return p.httpOnly && a.text == ""
	case "Path":
		return p.host && a.text != "Path=/"
	case "Domain":
		return p.host && a.text != ""
	}
	return false
}

// prefixOf returns the index in prefixes of the prefix that name has, or -1.
func prefixOf(name string) int {
	if !strings.HasPrefix(name, "__") {
		return -1
	}
	for i := range prefixes {
		if prefixes[i].match.MatchString(name) {
			return i
		}
	}
	return -1
}

// edit is the work of one rule on the attributes of one kind of cookie,
// prepared so that a line costs a handful of compiled calls.
type edit struct {
	governed *regexp.Regexp // the attributes to take out, in doubled text
	suffix   string         // what is appended, `; SameSite=None; Secure`
	skipped  string         // the parts of the rule that the cookie's prefix forbids
}

// newEdit prepares the changes of a rule, which are in canonical order, for
// cookies with the prefix p (nil for none). For a line that deletes the cookie
// Max-Age is left out: it would bring the cookie back.
func newEdit(changes []attribute, p *prefix, deletes bool) *edit {
	e := &edit{}
	var names, skipped []string
	for _, a := range changes {
		if deletes && a.name == "Max-Age" {
			continue
		}
		if p != nil && p.forbids(a) {
			if a.text == "" {
				skipped = append(skipped, "remove "+a.name)
			} else {
				skipped = append(skipped, "set "+a.text)
			}
			continue
		}
		names = append(names, asciiFold(a.name))
		if a.text != "" {
			e.suffix += "; " + a.text
		}
	}
	e.skipped = strings.Join(skipped, ", ")
	if len(names) > 0 {
		e.governed = regexp.MustCompile(`;[ \t]*(?:` + strings.Join(names, "|") + `)[ \t]*(?:=[^;]*)?;`)
	}
	return e
}

// apply edits the attributes of a line, its text from the first semicolon on.
// Every attribute that is not governed keeps its bytes, order and spelling;
// only blank ones at the end go, so that nothing is appended behind them.
func (e *edit) apply(attributes string) string {
	if e.governed == nil {
		return attributes
	}
	kept := e.governed.ReplaceAllString(doubled(attributes), "")
	kept = strings.ReplaceAll(kept, ";;", ";")
	return blankEnd.ReplaceAllString(kept, "") + e.suffix
}

var blankEnd = regexp.MustCompile(`(?:;[ \t]*)+$`)

// doubled gives each attribute a semicolon on both of its sides, so that a
// pattern can match whole attributes that stand next to each other (regexp has
// no lookahead): `;a;b` becomes `;a;;b;`.
func doubled(attributes string) string {
	if attributes == "" {
		return ""
	}
	return ";" + strings.ReplaceAll(attributes[1:], ";", ";;") + ";"
}

// asciiFold returns a pattern that matches s without regard to case in ASCII
// alone, as browsers compare; (?i) would take U+017F for an s.
func asciiFold(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		upper, lower := strings.ToUpper(string(rune(c))), strings.ToLower(string(rune(c)))
		if upper == lower {
			b.WriteByte(c)
		} else {
			b.WriteString("[" + upper + lower + "]")
		}
	}
	return b.String()
}

// controls finds what makes browsers ignore a whole line (RFC 6265bis section
// 5.6). Attributes with one stay as they are: without the one that holds it the
// line would become a cookie.
var controls = regexp.MustCompile(`[\x00-\x08\x0a-\x1f\x7f]`)

// lifetime is what a browser reads from the attributes of a line about where
// a cookie lives and for how long.
type lifetime struct {
	path     string // "" for the default path
	domain   string // "" for the host alone
	deletes  bool   // the line deletes the cookie
	volatile bool   // the line has a date: it differs from one response to the next
}

var lifetimeAttributes = regexp.MustCompile(`;[ \t]*(` + asciiFold("Path") + `|` + asciiFold("Domain") + `|` +
	asciiFold("Max-Age") + `|` + asciiFold("Expires") + `)[ \t]*(?:=([^;]*))?;`)

var maxAgeValue = regexp.MustCompile(`^-?[0-9]+$`)

// readLifetime reads attributes as RFC 6265bis section 5.6 does: the last
// duplicate wins, a Max-Age or Expires that cannot be read and any value over
// 1,024 octets do not count, and Max-Age beats Expires (section 5.7).
func readLifetime(attributes string, now time.Time) lifetime {
	var l lifetime
	var aged, dated, past bool
	for _, m := range lifetimeAttributes.FindAllStringSubmatch(doubled(attributes), -1) {
		value := strings.Trim(m[2], " \t")
		if len(value) > 1024 {
			continue
		}
		switch strings.ToLower(m[1]) {
		case "path":
			l.path = ""
			if strings.HasPrefix(value, "/") {
				l.path = value
			}
		case "domain":
			l.domain = value
		case "max-age":
			if maxAgeValue.MatchString(value) {
				aged = true
				l.deletes = value[0] == '-' || strings.Trim(value, "0") == ""
			}
		case "expires":
			if t, ok := parseCookieDate(value); ok {
				dated = true
				past = !t.After(now)
			}
		}
	}
	l.volatile = dated
	if dated && !aged {
		l.deletes = past
	}
	return l
}

// dateMark stands for a date that cutDate has cut out. No line that is edited
// has a control character.
const dateMark = "\x00"

// cutDate cuts the date out of attributes that have an Expires as most servers
// write it, and says whether it is past or future. Others it leaves alone:
// parseCookieDate reads every date, but costs the interpreter more than all the
// rest of the work on a line.
func cutDate(attributes string, now time.Time) (cut, date, state string) {
	const expires = "; expires="
	at := strings.LastIndex(attributes, expires)
	if at < 0 {
		at = strings.LastIndex(attributes, "; Expires=")
	}
	if at < 0 || strings.Contains(attributes, dateMark) {
		return attributes, "", ""
	}
	at += len(expires)
	date, after, _ := strings.Cut(attributes[at:], ";")
	// The last one decides, in whatever spelling it is.
	if strings.Contains(strings.ToLower(after), "expires") {
		return attributes, "", ""
	}
	t, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", date)
	if err != nil {
		t, err = time.Parse("Mon, 02-Jan-2006 15:04:05 GMT", date)
	}
	if err != nil || t.Year() < 1601 {
		return attributes, "", ""
	}
	state = "past"
	if t.After(now) {
		state = "future"
	}
	return attributes[:at] + dateMark + attributes[at+len(date):], date, state
}

var (
	dateDelimiters = regexp.MustCompile(`[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+`)
	dateTime       = regexp.MustCompile(`^([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[^0-9]|$)`)
	dateDay        = regexp.MustCompile(`^([0-9]{1,2})$`) // the standard would take 31st as well, Chromium and Firefox do not
	dateYear       = regexp.MustCompile(`^([0-9]{2,4})(?:[^0-9]|$)`)
)

// parseCookieDate reads a date as browsers do (RFC 6265bis section 5.1.1):
// dashes, two-digit years and unusual orders are all found in real lines.
func parseCookieDate(s string) (time.Time, bool) {
	var hour, minute, second, day, month, year int
	var hasTime, hasDay, hasMonth, hasYear bool
	for _, token := range dateDelimiters.Split(s, -1) {
		if m := dateTime.FindStringSubmatch(token); !hasTime && m != nil {
			hasTime = true
			hour, minute, second = digits(m[1]), digits(m[2]), digits(m[3])
		} else if m := dateDay.FindStringSubmatch(token); !hasDay && m != nil {
			hasDay = true
			day = digits(m[1])
		} else if n := monthNumber(token); !hasMonth && n > 0 {
			hasMonth = true
			month = n
		} else if m := dateYear.FindStringSubmatch(token); !hasYear && m != nil {
			hasYear = true
			year = digits(m[1])
		}
	}
	if year >= 70 && year <= 99 {
		year += 1900
	} else if year >= 0 && year <= 69 {
		year += 2000
	}
	if !hasTime || !hasDay || !hasMonth || !hasYear || year < 1601 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t, t.Day() == day // not the 31st of a month that has none
}

func monthNumber(token string) int {
	if len(token) < 3 {
		return 0
	}
	at := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(token[:3]))
	if at < 0 || at%3 != 0 {
		return 0
	}
	return at/3 + 1
}

// digits returns the value of a short string of decimal digits.
func digits(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}
