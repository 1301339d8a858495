package landlord

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The longest line of a stream of events.
const maxEvent = 4 << 20

// EventsQuery is which events are wanted.
type EventsQuery struct {
	// Tenant is whose events; empty for those of all tenants.
	Tenant string
	// After is a cursor, or "start" for all events that are kept.
	After string
	// Last begins with the last so many events, at most 10,000. After takes its place.
	Last int
	// Follow goes on with what happens from now on. Without it the stream ends with io.EOF.
	Follow bool
}

// Delivery is what comes next in a stream of events.
type Delivery struct {
	// Cursor is EventsQuery.After for what comes after it.
	Cursor string
	// Event is nil for a gap: events up to the cursor are no longer kept.
	Event *Event
}

// EventStream is what happens, gapless and in order. Use it from one goroutine at a time, and close it.
type EventStream struct {
	ctx    context.Context
	client *Client
	asked  request
	follow bool
	cursor string
	// Nil when it is closed.
	body  io.ReadCloser
	lines *bufio.Scanner
	end   context.CancelFunc
	alive *time.Timer
	// Why the stream is over.
	over error
}

// Events streams what happens until ctx ends. A stream that follows connects again when its connection is lost, and goes on
// after its cursor (Last-Event-ID).
func (c *Client) Events(ctx context.Context, asked EventsQuery) (*EventStream, error) {
	path := "/v1/events"
	if asked.Tenant != "" {
		var err error
		if path, err = named("/v1/tenants/", asked.Tenant, "/events"); err != nil {
			return nil, err
		}
	}
	query := url.Values{"follow": {strconv.FormatBool(asked.Follow)}}
	set(query, "after", asked.After)
	if asked.Last != 0 {
		query.Set("last", strconv.Itoa(asked.Last))
	}
	header := http.Header{"Accept": {"text/event-stream"}}
	stream := &EventStream{
		ctx:    ctx,
		client: c,
		asked:  request{method: http.MethodGet, path: path, query: query, header: header},
		follow: asked.Follow,
		cursor: asked.After,
	}
	if err := stream.connect(); err != nil {
		return nil, err
	}
	return stream, nil
}

// Cursor is where the stream is: EventsQuery.After for all that it has not delivered.
func (s *EventStream) Cursor() string { return s.cursor }

// Close ends the stream.
func (s *EventStream) Close() error {
	if s.body == nil {
		return nil
	}
	s.alive.Stop()
	s.end()
	err := s.body.Close()
	s.body = nil
	return err
}

// Next waits for what comes next. It is io.EOF at the end of a stream that does not follow, and the context's error when
// that ends. After any error the stream is over: another one can go on from Cursor.
func (s *EventStream) Next() (*Delivery, error) {
	for s.over == nil {
		delivery, err := s.next()
		if err == nil {
			return delivery, nil
		}
		s.Close()
		_, again := s.client.again(err)
		if s.follow && again && sleep(s.ctx, s.client.pause) {
			if err = s.client.patiently(s.ctx, s.connect); err == nil {
				continue
			}
		}
		s.over = err
		if s.ctx.Err() != nil {
			s.over = s.ctx.Err()
		}
	}
	return nil, s.over
}

func (s *EventStream) connect() error {
	ctx, end := context.WithCancel(s.ctx)
	response, err := s.client.send(ctx, s.asked)
	if err != nil {
		end()
		return err
	}
	if cursor := response.Header.Get("Landlord-Cursor"); cursor != "" {
		s.begin(cursor)
	}
	s.body, s.end = response.Body, end
	s.alive = time.AfterFunc(s.client.silence, end)
	s.lines = bufio.NewScanner(response.Body)
	s.lines.Buffer(nil, maxEvent)
	return nil
}

// The next connection begins after the cursor, whatever the first one asked for.
func (s *EventStream) begin(cursor string) {
	s.cursor = cursor
	s.asked.header.Set("Last-Event-ID", cursor)
	s.asked.query.Del("after")
	s.asked.query.Del("last")
}

// Reads one message.
func (s *EventStream) next() (*Delivery, error) {
	if s.body == nil {
		return nil, errors.New("landlord: the stream is closed")
	}
	var id, name string
	var data []string
	for s.lines.Scan() {
		s.alive.Reset(s.client.silence)
		line := s.lines.Text()
		if line == "" {
			if len(data) == 0 {
				id, name = "", ""
				continue
			}
			return s.message(id, name, strings.Join(data, "\n"))
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = append(data, value)
		}
	}
	err := s.lines.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("landlord: an event is longer than %d bytes", maxEvent)
	case err == nil && !s.follow:
		return nil, io.EOF
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return nil, &unanswered{err}
}

func (s *EventStream) message(id, name, data string) (*Delivery, error) {
	delivery := &Delivery{Cursor: id}
	switch name {
	case "gap":
	case "problem":
		problem := new(Problem)
		if err := json.Unmarshal([]byte(data), problem); err != nil {
			return nil, fmt.Errorf("landlord: a problem cannot be read: %w", err)
		}
		return nil, problem
	default:
		delivery.Event = new(Event)
		if err := json.Unmarshal([]byte(data), delivery.Event); err != nil {
			return nil, fmt.Errorf("landlord: the event %s cannot be read: %w", id, err)
		}
	}
	s.begin(id)
	return delivery, nil
}

// LogsQuery is which lines are wanted. The zero value is all that there are.
type LogsQuery struct {
	Container string
	// Since is the time of the first line; the zero time for all.
	Since time.Time
	// Follow goes on with what is written from now on.
	Follow bool
	// Previous is only what each container printed before it was last started again, where its provider tells that apart. Not
	// with Follow.
	Previous bool
}

// LogStream is what a tenant's containers print. Use it from one goroutine at a time, and close it.
type LogStream struct {
	body  io.ReadCloser
	lines *json.Decoder
}

// Logs streams what a tenant's containers print until ctx ends.
func (c *Client) Logs(ctx context.Context, tenantID string, asked LogsQuery) (*LogStream, error) {
	path, err := named("/v1/tenants/", tenantID, "/logs")
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	set(query, "container", asked.Container)
	if !asked.Since.IsZero() {
		query.Set("since", asked.Since.UTC().Format(time.RFC3339Nano))
	}
	if asked.Follow {
		query.Set("follow", "true")
	}
	if asked.Previous {
		query.Set("previous", "true")
	}
	response, err := c.send(ctx, request{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return nil, err
	}
	return &LogStream{body: response.Body, lines: json.NewDecoder(response.Body)}, nil
}

// Next waits for the next line. It is io.EOF after the last one, and a *Problem where the platform broke off.
func (s *LogStream) Next() (*LogLine, error) {
	var line struct {
		LogLine
		Problem *Problem `json:"problem"`
	}
	if err := s.lines.Decode(&line); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, &unanswered{err}
	}
	if line.Problem != nil {
		return nil, line.Problem
	}
	return &line.LogLine, nil
}

// Close ends the stream.
func (s *LogStream) Close() error { return s.body.Close() }
