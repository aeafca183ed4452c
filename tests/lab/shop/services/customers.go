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
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// shopper is a customer's browser: it logs in, looks at orders, and orders.
type shopper struct {
	http  *http.Client
	url   string
	count atomic.Int64
	fails atomic.Int64
}

// customers makes requests as customers do, at the rates in the mounted ConfigMap load-generator:
// REQUESTS_PER_SECOND of ordinary visits, GIFT_NOTES_PER_SECOND of orders with a gift note.
func customers(ctx context.Context) error {
	s := &shopper{
		url: text("GATEWAY_URL", "http://api-gateway:8080"),
		http: &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second}},
	}
	settings := &folder{path: "/etc/load-generator"}
	go s.at(ctx, settings, "REQUESTS_PER_SECOND", 6, s.visit)
	go s.at(ctx, settings, "GIFT_NOTES_PER_SECOND", 0, func() { s.order("for you, with love") })
	for range time.Tick(10 * time.Second) {
		log.Printf("INFO customers made %d requests, %d failed", s.count.Load(), s.fails.Load())
	}
	return nil
}

// at calls an action at the rate that the settings say now, with at most 48 calls under way.
func (s *shopper) at(ctx context.Context, settings *folder, name string, fallback float64, action func()) {
	limiter, slots := rate.NewLimiter(0, 1), make(chan struct{}, 48)
	for {
		wanted := settings.number(name, fallback)
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
	if s.post("/auth/login", map[string]string{"user": "alice", "password": "wonderland"}, &answer) == nil {
		s.get("/auth/validate", answer.Token)
	}
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

func (s *shopper) do(request *http.Request, answer any) error {
	request.Header.Set("X-Request-Id", fmt.Sprintf("%08x", rand.Uint32()))
	request.Header.Set("X-Client", "customers")
	s.count.Add(1)
	response, err := s.http.Do(request)
	if err != nil {
		s.fails.Add(1)
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 500 {
		s.fails.Add(1)
	}
	if answer != nil {
		return json.NewDecoder(response.Body).Decode(answer)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
