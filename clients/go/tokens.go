package landlord

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Roles of tokens.
const (
	// RoleViewer may look at tenants.
	RoleViewer = "viewer"
	// RoleOperator may command them too.
	RoleOperator = "operator"
)

// Secret is what proves a token. Package fmt does not print it; JSON has it.
type Secret string

// Format prints that there is one, whatever the verb.
func (s Secret) Format(to fmt.State, _ rune) { fmt.Fprint(to, hidden) }

// NewToken is a token that is to be made.
type NewToken struct {
	// Name is what it is listed and revoked by.
	Name string `json:"name"`
	// Role is RoleViewer or RoleOperator.
	Role string `json:"role"`
	// Tenants are ids, beginnings such as "acme-*", or "*" for all.
	Tenants []string `json:"tenants"`
}

// Token is a token, without what proves it.
type Token struct {
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	Tenants   []string  `json:"tenants"`
	CreatedAt time.Time `json:"created_at"`
}

// Access is who asks, and what that may do.
type Access struct {
	// Token is empty where none is asked for, as over the server's socket.
	Token string `json:"token,omitempty"`
	// Role is "viewer" or "operator".
	Role    string   `json:"role"`
	Tenants []string `json:"tenants"`
}

// MadeToken is a token that was made just now.
type MadeToken struct {
	Token Token `json:"token"`
	// Secret is shown this once, and kept nowhere.
	Secret Secret `json:"secret"`
}

type tokensDocument struct {
	Tokens []Token `json:"tokens"`
}

// WithToken is a client that proves with each request that it has this token. It refuses an address without TLS, but on the
// loopback of this machine: the token would go over it in the clear.
func (c *Client) WithToken(token Secret) (*Client, error) {
	if c.base.Scheme != "https" && !isLoopback(c.base.Hostname()) {
		return nil, errors.New("landlord: a token goes over https:// alone, but on the loopback of this machine")
	}
	with := *c
	with.token = token
	return &with, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Access shows who this client is to the server, and what it may do.
func (c *Client) Access(ctx context.Context) (*Access, error) {
	access := new(Access)
	return access, c.get(ctx, "/v1/access", nil, access)
}

// Tokens lists the tokens. Like the other methods for tokens it is for the server's socket: no token allows it.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var document tokensDocument
	err := c.get(ctx, "/v1/tokens", nil, &document)
	return document.Tokens, err
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, token NewToken) (*MadeToken, error) {
	body, err := plainJSON(token)
	if err != nil {
		return nil, err
	}
	made := new(MadeToken)
	return made, c.ask(ctx, request{method: http.MethodPost, path: "/v1/tokens", body: body}, made)
}

// RevokeToken makes a token worth nothing, at once.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	return c.deleteNamed(ctx, "/v1/tokens/", name)
}
