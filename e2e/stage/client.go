package stage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Channel is that of the chat service.
const Channel = "/service/chatV2/customer-support"

// embeddedJar is a cookie jar as a browser that blocks third-party cookies
// keeps it for requests out of another site's page: it takes a cookie only with
// Partitioned, SameSite=None and Secure. It is a stand-in for the browser's
// decision alone; the storage is that of net/http/cookiejar.
type embeddedJar struct {
	*cookiejar.Jar
}

// SetCookies implements [http.CookieJar].
func (j embeddedJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	var taken []*http.Cookie
	for _, c := range cookies {
		if c.Partitioned && c.Secure && c.SameSite == http.SameSiteNoneMode {
			taken = append(taken, c)
		}
	}
	j.Jar.SetCookies(u, taken)
}

// GMSClient speaks the Chat API version 2 as a widget in a company's page does,
// in a browser that blocks third-party cookies.
type GMSClient struct {
	client    *http.Client
	base      string
	clientID  string
	requests  int
	nodes     []string // which gave the answers, in their order
	cookies   []string // Set-Cookie lines of all answers, in their order
	origin    string
	allowed   string
	secureKey string
}

// NewGMSClient returns a client of the service at base, `https://gms.test`,
// behind that Traefik.
func NewGMSClient(traefik *Traefik, base string) *GMSClient {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // documented for no option
	}
	client := traefik.Client()
	client.Jar = embeddedJar{jar}
	client.Timeout = time.Minute
	return &GMSClient{client: client, base: base, origin: "https://bank.test"}
}

// SetCookies returns the Set-Cookie lines of all answers so far.
func (c *GMSClient) SetCookies() []string { return c.cookies }

// Nodes returns the nodes that gave the answers so far, in their order.
func (c *GMSClient) Nodes() []string { return c.nodes }

// AllowedOrigin returns the Access-Control-Allow-Origin of the last answer.
func (c *GMSClient) AllowedOrigin() string { return c.allowed }

func (c *GMSClient) post(path, contentType string, body []byte, into any) error {
	r, err := http.NewRequest(http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Origin", c.origin)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	c.cookies = append(c.cookies, answer.Header["Set-Cookie"]...)
	c.nodes = append(c.nodes, answer.Header.Get("X-Gms-Node"))
	c.allowed = answer.Header.Get("Access-Control-Allow-Origin")
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, answer.Status, text)
	}
	return json.Unmarshal(text, into)
}

// bayeuxMessage is a message of the Bayeux protocol, as far as it is used here.
type bayeuxMessage struct {
	ID         string `json:"id,omitempty"`
	Channel    string `json:"channel"`
	ClientID   string `json:"clientId,omitempty"`
	Successful *bool  `json:"successful,omitempty"`
	Error      string `json:"error,omitempty"`

	Version                  string   `json:"version,omitempty"`
	ConnectionType           string   `json:"connectionType,omitempty"`
	SupportedConnectionTypes []string `json:"supportedConnectionTypes,omitempty"`
	Advice                   any      `json:"advice,omitempty"`
	Data                     any      `json:"data,omitempty"`
}

// bayeux sends one message by long-polling and returns what came back. It fails
// where the reply to the message does.
func (c *GMSClient) bayeux(m bayeuxMessage) ([]bayeuxMessage, error) {
	c.requests++
	m.ID, m.ClientID = fmt.Sprint(c.requests), c.clientID
	body, err := json.Marshal([]bayeuxMessage{m})
	if err != nil {
		return nil, err
	}
	path := "/genesys/cometd"
	if meta, ok := strings.CutPrefix(m.Channel, "/meta"); ok {
		path += meta // as the genuine client's appendMessageTypeToURL
	}
	var replies []bayeuxMessage
	if err := c.post(path, "application/json", body, &replies); err != nil {
		return nil, err
	}
	for _, reply := range replies {
		if reply.ID == m.ID && reply.Successful != nil {
			if !*reply.Successful {
				return nil, fmt.Errorf("%s: %s", m.Channel, reply.Error)
			}
			return replies, nil
		}
	}
	return nil, fmt.Errorf("%s: no reply in %v", m.Channel, replies)
}

// Handshake opens a CometD session.
func (c *GMSClient) Handshake() error {
	c.clientID = ""
	replies, err := c.bayeux(bayeuxMessage{Channel: "/meta/handshake", Version: "1.0", SupportedConnectionTypes: []string{"long-polling"}})
	if err != nil {
		return err
	}
	c.clientID = replies[0].ClientID
	return nil
}

// Chat opens a chat over CometD, sends that many messages and returns the
// transcript, a line for each message that was delivered. Its error is what
// ends the session: after it the genuine client would start all over.
func (c *GMSClient) Chat(nickname string, messages int) ([]string, error) {
	var transcript []string
	said := func(replies []bayeuxMessage) {
		for _, reply := range replies {
			if reply.Channel != Channel || reply.Data == nil {
				continue
			}
			text, _ := json.Marshal(reply.Data)
			var a chatAnswer
			_ = json.Unmarshal(text, &a)
			if a.SecureKey != "" {
				c.secureKey = a.SecureKey
			}
			transcript = append(transcript, a.lines()...)
		}
	}
	send := func(data map[string]any) error {
		replies, err := c.bayeux(bayeuxMessage{Channel: Channel, Data: data})
		said(replies)
		return err
	}
	connect := func(wanted int) error {
		for end := time.Now().Add(time.Minute); len(transcript) < wanted; {
			if time.Now().After(end) {
				return errors.New("no message was delivered within a minute")
			}
			replies, err := c.bayeux(bayeuxMessage{Channel: "/meta/connect", ConnectionType: "long-polling"})
			said(replies)
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := send(map[string]any{"operation": "requestChat", "nickname": nickname}); err != nil {
		return transcript, err
	}
	if err := connect(1); err != nil {
		return transcript, err
	}
	for i := range messages {
		before := len(transcript)
		if err := send(map[string]any{"operation": "sendMessage", "secureKey": c.secureKey, "message": fmt.Sprintf("message %d", i)}); err != nil {
			return transcript, err
		}
		if err := connect(before + 2); err != nil {
			return transcript, err
		}
	}
	return transcript, nil
}

// chatAnswer is what the chat service answers, as far as it is used here.
type chatAnswer struct {
	StatusCode   int
	ChatID       string
	SecureKey    string
	UserID       string
	Alias        string
	NextPosition int
	Messages     []struct {
		From struct{ Nickname string }
		Text string
		Type string
	}
}

func (a chatAnswer) lines() []string {
	var lines []string
	for _, m := range a.Messages {
		if m.Type == "Message" {
			lines = append(lines, m.From.Nickname+": "+m.Text)
		}
	}
	return lines
}

// RESTChat opens a chat over REST and sends that many messages.
func (c *GMSClient) RESTChat(nickname string, messages int) error {
	const contentType, service = "application/x-www-form-urlencoded", "/genesys/2/chat/customer-support"
	var chat chatAnswer
	if err := c.post(service, contentType, []byte(url.Values{"nickname": {nickname}}.Encode()), &chat); err != nil {
		return err
	}
	for i := range messages {
		form := url.Values{"userId": {chat.UserID}, "secureKey": {chat.SecureKey}, "alias": {chat.Alias}, "message": {fmt.Sprintf("message %d", i)}}
		var answer chatAnswer
		if err := c.post(service+"/"+chat.ChatID+"/send", contentType, []byte(form.Encode()), &answer); err != nil {
			return err
		}
		if answer.StatusCode != 0 || len(answer.lines()) != 2 {
			return fmt.Errorf("message %d: got status %d and %q", i, answer.StatusCode, answer.lines())
		}
	}
	return nil
}
