package landlord

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// SecretSource is where a secret is: one of the two.
type SecretSource struct {
	// File is an absolute path on the server's machine.
	File string `json:"file,omitempty"`
	// Env is a variable of the server's environment.
	Env string `json:"env,omitempty"`
}

// WebhookRequest is a webhook as it is asked for.
type WebhookRequest struct {
	URL    string      `json:"url"`
	Filter EventFilter `json:"filter"`
	// Secret is what deliveries are signed with, by the rule of Standard Webhooks.
	Secret SecretSource `json:"secret"`
	// PreviousSecret signs too, while receivers change to Secret.
	PreviousSecret *SecretSource `json:"previous_secret,omitempty"`
	// After is a cursor, "start" for all events that are kept, or empty for what happens from now on. It counts when the
	// webhook is made.
	After string `json:"after,omitempty"`
}

// Webhook is an address that events are sent to.
type Webhook struct {
	Name           string        `json:"name"`
	URL            string        `json:"url"`
	Filter         EventFilter   `json:"filter"`
	Secret         SecretSource  `json:"secret"`
	PreviousSecret *SecretSource `json:"previous_secret,omitempty"`
	// Delivered is the cursor up to which events were delivered.
	Delivered string `json:"delivered"`
	// Behind is how many events there are after it, whether they pass the filter or not.
	Behind    uint64    `json:"behind"`
	CreatedAt time.Time `json:"created_at"`
	// Trouble is why its last delivery failed; nil where it did not.
	Trouble *DeliveryTrouble `json:"trouble,omitempty"`
}

// DeliveryTrouble is a delivery that fails, and is tried again.
type DeliveryTrouble struct {
	FailingSince time.Time `json:"failing_since"`
	Error        string    `json:"error"`
	NextTry      time.Time `json:"next_try"`
}

type webhooksPage struct {
	Webhooks []Webhook `json:"webhooks"`
	Next     string    `json:"next,omitempty"`
}

// Webhooks lists all webhooks, by name. Like the other methods for webhooks it is for the server's socket: no token allows it.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	var all []Webhook
	query := url.Values{}
	for {
		var page webhooksPage
		if err := c.get(ctx, "/v1/webhooks", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Webhooks...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("after", page.Next)
	}
}

// Webhook shows a webhook.
func (c *Client) Webhook(ctx context.Context, name string) (*Webhook, error) {
	answer := new(Webhook)
	return answer, c.getNamed(ctx, "/v1/webhooks/", name, "", answer)
}

// PutWebhook makes a webhook, or changes one that exists. Where it stands it stays.
func (c *Client) PutWebhook(ctx context.Context, name string, asked WebhookRequest) (*Webhook, error) {
	answer := new(Webhook)
	return answer, c.sendNamed(ctx, http.MethodPut, "/v1/webhooks/", name, "", asked, answer)
}

// DeleteWebhook sends nothing more to an address.
func (c *Client) DeleteWebhook(ctx context.Context, name string) error {
	return c.deleteNamed(ctx, "/v1/webhooks/", name)
}
