package landlord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// The longest problem document that is read.
	maxProblem = 4 << 20
	// The pause before a request that had no answer is sent again.
	defaultPause = time.Second
	// How long requests are sent again that have no answer.
	defaultPatience = 30 * time.Second
	// A stream of events shows every 15 s that it is alive. Without a sign for this long its connection is lost.
	defaultSilence = 45 * time.Second
	// Connections to one server that are kept for the next requests.
	idleConnections = 64
)

// Client asks a server of landlord-compute. Its methods send each request once, but for Settled and Events.
//
// What the server did not do is a *Problem.
type Client struct {
	base     url.URL
	http     *http.Client
	pause    time.Duration
	patience time.Duration
	silence  time.Duration
	// What proves each request, where the server asks for that.
	token Secret
}

// New is a client of the server at an address like "https://compute.example.com". A nil httpClient is
// http.DefaultClient. WithToken gives it a token. Traces are for the Transport of httpClient; its Timeout would end streams and
// waits.
func New(address string, httpClient *http.Client) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("landlord: the server's address: %w", err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, errors.New("landlord: the server's address begins with http:// or https:// and has a host; for a socket use NewUnix")
	}
	if httpClient == nil {
		httpClient = http.DefaultClient
	}
	base.Path, base.RawPath, base.RawQuery, base.Fragment = strings.TrimRight(base.Path, "/"), "", "", ""
	return client(*base, httpClient), nil
}

// NewUnix is a client of the server that listens on a unix socket, as `landlord-compute serve` does beside its store.
func NewUnix(path string) *Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialUnix(ctx, path)
		},
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     90 * time.Second,
	}
	return client(url.URL{Scheme: "http", Host: "localhost"}, &http.Client{Transport: transport})
}

// The address of a socket has room for 107 bytes. A longer path is reached through a descriptor of its directory.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	var dialer net.Dialer
	if len(path) <= 107 {
		return dialer.DialContext(ctx, "unix", path)
	}
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer directory.Close()
	short := fmt.Sprintf("/proc/self/fd/%d/%s", directory.Fd(), filepath.Base(path))
	return dialer.DialContext(ctx, "unix", short)
}

func client(base url.URL, httpClient *http.Client) *Client {
	return &Client{
		base:     base,
		http:     httpClient,
		pause:    defaultPause,
		patience: defaultPatience,
		silence:  defaultSilence,
	}
}

// CloseIdleConnections closes connections that nothing uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Ready is nil when the server's engine takes commands and its store can be read.
func (c *Client) Ready(ctx context.Context) error {
	response, err := c.send(ctx, request{method: http.MethodGet, path: "/readyz"})
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// A request that is ready to be sent, more than once if need be.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	// JSON, or nil.
	body []byte
}

// A request whose answer never came, or not as a whole. The server may have done it.
type unanswered struct{ cause error }

func (u *unanswered) Error() string { return "landlord: the server did not answer: " + u.cause.Error() }
func (u *unanswered) Unwrap() error { return u.cause }

// Sends a request. The caller closes the body of the response, whose status is 2xx.
func (c *Client) send(ctx context.Context, asked request) (*http.Response, error) {
	address := c.base
	address.Path += asked.path
	address.RawQuery = asked.query.Encode()
	var body io.Reader
	if asked.body != nil {
		body = bytes.NewReader(asked.body)
	}
	out, err := http.NewRequestWithContext(ctx, asked.method, address.String(), body)
	if err != nil {
		return nil, fmt.Errorf("landlord: %w", err)
	}
	for name, values := range asked.header {
		out.Header[name] = values
	}
	if asked.body != nil {
		out.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		out.Header.Set("Authorization", "Bearer "+string(c.token))
	}
	response, err := c.http.Do(out)
	if err != nil {
		return nil, &unanswered{err}
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, refused(response)
}

// Why a request was not done.
func refused(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return &unanswered{err}
	}
	problem := new(Problem)
	if json.Unmarshal(text, problem) != nil || problem.Code == "" {
		// What a proxy says may be a page for people.
		problem = &Problem{
			Title:  http.StatusText(response.StatusCode),
			Detail: "the answer is " + response.Status + ", and not from landlord-compute; is there a proxy?",
		}
	}
	problem.Status = response.StatusCode
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); err == nil {
		problem.RetryAfter = time.Duration(seconds) * time.Second
	}
	return problem
}

// Sends a request, and reads the JSON of its answer.
func (c *Client) ask(ctx context.Context, asked request, answer interface{}) error {
	response, err := c.send(ctx, asked)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return &unanswered{err}
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("landlord: the answer to %s %s cannot be read: %w", asked.method, asked.path, err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, path string, query url.Values, answer interface{}) error {
	return c.ask(ctx, request{method: http.MethodGet, path: path, query: query}, answer)
}

// Does something that may be done twice until it is answered, the context is over or the patience.
func (c *Client) patiently(ctx context.Context, do func() error) error {
	until := time.Now().Add(c.patience)
	for {
		err := do()
		pause, again := c.again(err)
		if !again || ctx.Err() != nil || time.Now().Add(pause).After(until) {
			return err
		}
		if !sleep(ctx, pause) {
			return err
		}
	}
}

// Whether a request may be sent again, and after which pause.
func (c *Client) again(err error) (time.Duration, bool) {
	var problem *Problem
	if errors.As(err, &problem) && problem.Temporary() {
		if problem.RetryAfter > 0 {
			return problem.RetryAfter, true
		}
		return c.pause, true
	}
	return c.pause, errors.As(err, new(*unanswered))
}

// Returns false when the context ended first.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var names = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// The path of something that has a name. Another name would change the path, and the server has nothing under it.
func named(before, name, after string) (string, error) {
	if !names.MatchString(name) {
		detail := fmt.Sprintf("%q is not a valid name: use 1 to 63 of a-z, 0-9 and '-'", name)
		return "", &Problem{Code: CodeInvalidRequest, Title: "the request cannot be read", Status: http.StatusBadRequest, Detail: detail}
	}
	return before + name + after, nil
}

// JSON with < and > as they are.
func plainJSON(document interface{}) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		return nil, err
	}
	return bytes.TrimRight(text.Bytes(), "\n"), nil
}

// The JSON of a spec.
func specJSON(spec *TenantComputeSpec) ([]byte, error) {
	if spec == nil {
		return nil, invalid("", "there is no spec")
	}
	if len(spec.ProviderConfig) > 0 && !json.Valid(spec.ProviderConfig) {
		return nil, invalid("provider_config", "is not JSON")
	}
	return plainJSON(spec)
}

// A spec that the server need not be asked about.
func invalid(path, message string) error {
	detail := message
	if path != "" {
		detail = path + ": " + message
	}
	return &Problem{
		Code:     CodeInvalidSpec,
		Title:    "the spec is not valid",
		Status:   http.StatusUnprocessableEntity,
		Detail:   detail,
		Problems: []ProblemAt{{Path: path, Message: message}},
	}
}
