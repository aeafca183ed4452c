package main

import (
	"context"
	"net/http"
	"time"
)

// users answers who a customer is.
func users(ctx context.Context) error {
	pool, err := databasePool(ctx)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := pool.Ping(ctx); err != nil {
			problem(w, http.StatusServiceUnavailable, "the database does not answer")
			return
		}
		reply(w, http.StatusOK, map[string]string{"status": "up"})
	})
	mux.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
		var since time.Time
		err := pool.QueryRow(r.Context(), "SELECT created_at FROM users WHERE name = $1", r.PathValue("name")).Scan(&since)
		if err != nil {
			problem(w, http.StatusNotFound, "no such user")
			return
		}
		reply(w, http.StatusOK, map[string]any{"name": r.PathValue("name"), "since": since})
	})
	return serve(mux)
}
