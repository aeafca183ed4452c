// Package main is the shop's services in Go: the first argument says which one.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	_ "net/http/pprof"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var services = map[string]func(context.Context) error{
	"api-gateway":    gateway,
	"auth-service":   auth,
	"user-service":   users,
	"load-generator": customers,
	"nightly-report": nightlyReport,
	"thumbnails":     thumbnails,
}

func main() {
	log.SetFlags(log.LUTC | log.Ldate | log.Ltime | log.Lmicroseconds)
	if len(os.Args) < 2 || services[os.Args[1]] == nil {
		log.Fatalf("usage: services api-gateway|auth-service|user-service|load-generator|nightly-report|thumbnails")
	}
	go serveMetrics()
	if err := services[os.Args[1]](context.Background()); err != nil {
		log.Fatalf("ERROR %s: %v", os.Args[1], err)
	}
}

func serveMetrics() {
	http.Handle("/metrics", promhttp.Handler()) // beside /debug/pprof, which is registered by its import
	log.Fatal(http.ListenAndServe(":9090", nil))
}

func serve(handler http.Handler) error {
	server := &http.Server{Addr: ":8080", Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func problem(w http.ResponseWriter, status int, format string, values ...any) {
	reply(w, status, map[string]string{"error": fmt.Sprintf(format, values...)})
}

func text(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func number(name string, fallback float64) float64 {
	value, err := strconv.ParseFloat(os.Getenv(name), 64)
	if err != nil {
		return fallback
	}
	return value
}

func databasePool(ctx context.Context) (*pgxpool.Pool, error) {
	return pgxpool.New(ctx, databaseURL()+"&pool_max_conns=4")
}

func databaseURL() string {
	return fmt.Sprintf("postgres://%s:%s@%s:5432/%s?application_name=%s", text("DB_USER", "shop"),
		os.Getenv("DB_PASSWORD"), text("DB_HOST", "postgres"), text("DB_NAME", "shop"), os.Args[1])
}
