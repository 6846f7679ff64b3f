package stage

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

// EmbeddedJar is a cookie jar as a browser that blocks third-party cookies
// keeps it for requests out of another site's page: it takes a cookie only with
// Partitioned, SameSite=None and Secure. It is a stand-in for the browser's
// decision alone; the storage is that of net/http/cookiejar.
type EmbeddedJar struct {
	jar *cookiejar.Jar
}

// NewEmbeddedJar returns an empty jar.
func NewEmbeddedJar() *EmbeddedJar {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // cookiejar.New fails for no options that it documents
	}
	return &EmbeddedJar{jar: jar}
}

// SetCookies implements [http.CookieJar].
func (j *EmbeddedJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	var taken []*http.Cookie
	for _, c := range cookies {
		if c.Partitioned && c.Secure && c.SameSite == http.SameSiteNoneMode {
			taken = append(taken, c)
		}
	}
	j.jar.SetCookies(u, taken)
}

// Cookies implements [http.CookieJar].
func (j *EmbeddedJar) Cookies(u *url.URL) []*http.Cookie { return j.jar.Cookies(u) }
