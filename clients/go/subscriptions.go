package landlord

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// EventFilter is which events are wanted. The zero value is all.
type EventFilter struct {
	// Tenant is whose events; empty for those of all tenants.
	Tenant string `json:"tenant,omitempty"`
	// Kinds are those of What.Kind that are wanted; empty for all.
	Kinds []string `json:"kinds,omitempty"`
}

// SubscriptionRequest is a subscription as it is asked for.
type SubscriptionRequest struct {
	Filter EventFilter `json:"filter"`
	// After is a cursor, "start" for all events that are kept, or empty for what happens from now on. It counts when the
	// subscription is made.
	After string `json:"after,omitempty"`
}

// Subscription is a named reader of events, and how far it has read.
type Subscription struct {
	Name   string      `json:"name"`
	Filter EventFilter `json:"filter"`
	// Acknowledged is the cursor that the next event comes after.
	Acknowledged string `json:"acknowledged"`
	// Behind is how many events there are after it, whether they pass the filter or not.
	Behind    uint64    `json:"behind"`
	CreatedAt time.Time `json:"created_at"`
}

// EventBatch is what a subscription has not acknowledged.
type EventBatch struct {
	// Gap is not nil where events before these are no longer kept.
	Gap    *Gap    `json:"gap,omitempty"`
	Events []Event `json:"events"`
	// Cursor is what to acknowledge once the events are dealt with, also where there are none.
	Cursor string `json:"cursor"`
}

// Gap is where events are missing.
type Gap struct {
	// Resume is the cursor of the last event that is missing.
	Resume string `json:"resume"`
}

type acknowledgement struct {
	Cursor string `json:"cursor"`
}

type subscriptionsPage struct {
	Subscriptions []Subscription `json:"subscriptions"`
	Next          string         `json:"next,omitempty"`
}

// Subscriptions lists all subscriptions, by name.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	var all []Subscription
	query := url.Values{}
	for {
		var page subscriptionsPage
		if err := c.get(ctx, "/v1/subscriptions", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Subscriptions...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("after", page.Next)
	}
}

// Subscription shows a subscription.
func (c *Client) Subscription(ctx context.Context, name string) (*Subscription, error) {
	answer := new(Subscription)
	return answer, c.getNamed(ctx, "/v1/subscriptions/", name, "", answer)
}

// PutSubscription makes a named reader of events, or gives one that exists another filter. Where it stands it stays.
func (c *Client) PutSubscription(ctx context.Context, name string, asked SubscriptionRequest) (*Subscription, error) {
	answer := new(Subscription)
	return answer, c.sendNamed(ctx, http.MethodPut, "/v1/subscriptions/", name, "", asked, answer)
}

// DeleteSubscription removes a subscription.
func (c *Client) DeleteSubscription(ctx context.Context, name string) error {
	return c.deleteNamed(ctx, "/v1/subscriptions/", name)
}

// Pull reads what a subscription has not acknowledged, at most limit events. Where there is none, it waits for one as long
// as wait. The same comes again until it is acknowledged, so a receiver tells events apart by Event.ID.
func (c *Client) Pull(ctx context.Context, name string, limit int, wait time.Duration) (*EventBatch, error) {
	path, err := named("/v1/subscriptions/", name, "/events")
	if err != nil {
		return nil, err
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}, "wait": {strconv.FormatInt(wait.Milliseconds(), 10) + "ms"}}
	batch := new(EventBatch)
	return batch, c.get(ctx, path, query, batch)
}

// Acknowledge says that everything up to a cursor is dealt with. An older cursor changes nothing.
func (c *Client) Acknowledge(ctx context.Context, name, cursor string) (*Subscription, error) {
	answer := new(Subscription)
	return answer, c.sendNamed(ctx, http.MethodPost, "/v1/subscriptions/", name, "/ack", acknowledgement{cursor}, answer)
}
