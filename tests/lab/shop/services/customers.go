package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// shopper is a customer's browser: it logs in, looks at orders, and orders.
type shopper struct {
	http     *http.Client
	url      string
	settings *folder
	count    atomic.Int64
	fails    atomic.Int64
	token    atomic.Value
}

// customers makes requests as customers do, at the rates in the mounted ConfigMap load-generator, which README.md lists.
// What is beyond ordinary visits ends at UNTIL (Unix time), so that a forgotten fault does not go on for ever.
func customers(ctx context.Context) error {
	s := &shopper{
		url: text("GATEWAY_URL", "http://api-gateway:8080"),
		// Every visit is another browser with a connection of its own, so that new pods of the gateway get their share.
		http:     &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
		settings: &folder{path: "/etc/load-generator"},
	}
	go s.at(ctx, "REQUESTS_PER_SECOND", normalRate, s.visit)
	go s.at(ctx, "GIFT_NOTES_PER_SECOND", 0, func() {
		s.order(strings.Repeat("for you, with love", int(s.settings.number("GIFT_NOTE_VERSES", 1))))
	})
	go s.at(ctx, "EMPTY_REPORTS_PER_SECOND", 0, func() { s.get("/api/report?day=1999-12-31", "") })
	go s.at(ctx, "SEARCHES_PER_SECOND", 0, func() {
		s.get("/api/search?seconds="+s.settings.get("SEARCH_SECONDS", "0.1"), "")
	})
	go s.at(ctx, "PROFILES_PER_SECOND", 0, s.crawl)
	go s.at(ctx, "LOGINS_PER_SECOND", 0, s.bulkLogin)
	go s.at(ctx, "VALIDATIONS_PER_SECOND", 0, s.validate)
	for range time.Tick(10 * time.Second) {
		log.Printf("INFO customers made %d requests, %d failed", s.count.Load(), s.fails.Load())
	}
	return nil
}

const (
	normalRate = 6
	patience   = 48  // calls under way at most
	crowd      = 600 // the same while CROWD is true: more than the gateway has slots and places in its queue
)

// at calls an action at the rate that the settings say now.
func (s *shopper) at(ctx context.Context, name string, normal float64, action func()) {
	limiter, slots := rate.NewLimiter(0, 1), make(chan struct{}, crowd)
	for {
		wanted := s.setting(name, normal)
		if len(slots) >= patience && !s.settings.on("CROWD") {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if wanted <= 0 {
			time.Sleep(300 * time.Millisecond)
			continue
		}
		limiter.SetLimit(rate.Limit(wanted))
		if limiter.Wait(ctx) != nil {
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			action()
		}()
	}
}

func (s *shopper) setting(name string, normal float64) float64 {
	if until := s.settings.number("UNTIL", 0); until > 0 && float64(time.Now().Unix()) > until {
		return normal
	}
	return s.settings.number(name, normal)
}

func (s *shopper) visit() {
	switch roll := rand.IntN(10); {
	case roll < 2:
		s.login()
	case roll < 5:
		s.order("")
	case roll < 6:
		s.get("/users/alice", "")
	default:
		s.get(fmt.Sprintf("/api/orders/%d", 1+rand.IntN(100)), "")
	}
}

func (s *shopper) login() {
	var answer struct{ Token string }
	if s.post("/auth/login", map[string]string{"user": "alice", "password": "wonderland"}, &answer) == nil && answer.Token != "" {
		s.token.Store(answer.Token)
		s.get("/auth/validate", answer.Token)
	}
}

// validate is an application that has its user's token checked on every screen.
func (s *shopper) validate() {
	if token, logged := s.token.Load().(string); logged {
		s.get("/auth/validate", token)
	}
}

// bulkLogin is a partner's program, which logs in for every call that it makes.
func (s *shopper) bulkLogin() {
	payload := []byte(`{"user": "alice", "password": "wonderland"}`)
	request, _ := http.NewRequest(http.MethodPost, s.url+"/auth/login", bytes.NewReader(payload))
	request.Header.Set("X-Client", "partner-sync")
	_ = s.do(request, nil)
}

// crawl is a program that reads profiles as fast as it may.
func (s *shopper) crawl() {
	request, _ := http.NewRequest(http.MethodGet, s.url+"/users/alice", nil)
	request.Header.Set("X-Client", "profile-crawler")
	_ = s.do(request, nil)
}

func (s *shopper) order(note string) {
	order := map[string]any{"customer": "alice", "items": []map[string]any{
		{"product": "book", "quantity": 1 + rand.IntN(3), "price": 12.5},
		{"product": "pen", "quantity": 1 + rand.IntN(9), "price": 1.2}}}
	if note != "" {
		order["gift_note"] = note
	}
	_ = s.post("/api/orders", order, nil)
}

func (s *shopper) get(path, token string) {
	request, _ := http.NewRequest(http.MethodGet, s.url+path, nil)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	_ = s.do(request, nil)
}

func (s *shopper) post(path string, body, answer any) error {
	payload, _ := json.Marshal(body)
	request, _ := http.NewRequest(http.MethodPost, s.url+path, bytes.NewReader(payload))
	return s.do(request, answer)
}

// do makes a request and, as impatient clients do, makes it again at once when it fails, RETRIES times at most.
func (s *shopper) do(request *http.Request, answer any) error {
	request.Header.Set("X-Request-Id", fmt.Sprintf("%08x", rand.Uint32()))
	if request.Header.Get("X-Client") == "" {
		request.Header.Set("X-Client", "customers")
	}
	retries := int(s.setting("RETRIES", 0))
	for {
		failed, err := s.once(request, answer)
		if !failed || retries == 0 {
			return err
		}
		retries--
		if request.GetBody != nil {
			request.Body, _ = request.GetBody()
		}
	}
}

func (s *shopper) once(request *http.Request, answer any) (failed bool, err error) {
	s.count.Add(1)
	response, err := s.http.Do(request)
	if err != nil {
		s.fails.Add(1)
		return true, err
	}
	defer response.Body.Close()
	if failed = response.StatusCode >= http.StatusInternalServerError; failed {
		s.fails.Add(1)
	}
	if answer != nil {
		return failed, json.NewDecoder(response.Body).Decode(answer)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return failed, err
}
