package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"
	"golang.org/x/crypto/bcrypt"
)

var (
	logins = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "auth_login_attempts_total", Help: "Logins by result."}, []string{"result"})
	validations = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name: "auth_jwt_validation_seconds", Help: "Validations by result.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}}, []string{"result"})
	rateLimited = promauto.NewCounter(prometheus.CounterOpts{
		Name: "auth_rate_limit_hits_total", Help: "Logins turned away by the rate limit."})
)

// authService logs users in and validates their tokens.
type authService struct {
	database  *pgxpool.Pool
	redis     *redis.Client
	emergency *folder
	key       []byte
	pepper    string
	limit     int64
}

func auth(ctx context.Context) error {
	pool, err := databasePool(ctx)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(text("JWT_KEY_FILE", "/etc/auth/signing-key"))
	if err != nil {
		return err
	}
	s := &authService{
		database: pool, emergency: &folder{path: "/etc/auth-emergency"}, key: key, limit: int64(number("RATE_LIMIT", 600)),
		pepper: text("PASSWORD_PEPPER", ""),
		redis: redis.NewClient(&redis.Options{Addr: text("REDIS_HOST", "redis") + ":6379", DialTimeout: time.Second,
			ReadTimeout: time.Second, MaxRetries: 1}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /validate", s.validate)
	mux.HandleFunc("GET /health", s.health)
	return serve(mux)
}

func (s *authService) login(w http.ResponseWriter, r *http.Request) {
	var credentials struct{ User, Password string }
	if json.NewDecoder(r.Body).Decode(&credentials) != nil {
		s.refuse(w, http.StatusBadRequest, "bad_request", "bad request")
		return
	}
	if err := s.checkRate(r.Context(), client(r)); err != nil {
		if !s.emergency.on("EMERGENCY_MODE") {
			s.refuse(w, http.StatusTooManyRequests, "rate_limited", err.Error())
			return
		}
	}
	var hash string
	err := s.database.QueryRow(r.Context(), "SELECT password_hash FROM users WHERE name = $1", credentials.User).Scan(&hash)
	if r.Context().Err() != nil {
		s.refuse(w, http.StatusServiceUnavailable, "timeout", "the caller has gone")
		return
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		log.Printf("ERROR login user=%s: %v", credentials.User, err)
		s.refuse(w, http.StatusServiceUnavailable, "error", "the user database does not answer")
		return
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(credentials.Password+s.pepper)) != nil {
		s.refuse(w, http.StatusUnauthorized, "wrong_password", "wrong user or password")
		return
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": credentials.User, "exp": time.Now().Add(time.Hour).Unix()}).SignedString(s.key)
	if err != nil {
		s.refuse(w, http.StatusInternalServerError, "error", err.Error())
		return
	}
	logins.WithLabelValues("ok").Inc()
	reply(w, http.StatusOK, map[string]string{"token": token})
}

func (s *authService) validate(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	time.Sleep(time.Duration(number("VALIDATION_DELAY_MS", 0)) * time.Millisecond)
	raw := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	token, err := jwt.Parse(raw, func(*jwt.Token) (any, error) { return s.key, nil },
		jwt.WithValidMethods([]string{"HS256"}))
	if err != nil || !token.Valid {
		validations.WithLabelValues("rejected").Observe(time.Since(started).Seconds())
		problem(w, http.StatusUnauthorized, "token rejected")
		return
	}
	// Whoever has lost the account since keeps a good token until it ends.
	subject, _ := token.Claims.GetSubject()
	var known bool
	err = s.database.QueryRow(r.Context(), "SELECT EXISTS (SELECT FROM users WHERE name = $1)", subject).Scan(&known)
	result, status := "ok", http.StatusOK
	switch {
	case err != nil:
		result, status = "error", http.StatusServiceUnavailable
	case !known:
		result, status = "rejected", http.StatusUnauthorized
	}
	validations.WithLabelValues(result).Observe(time.Since(started).Seconds())
	reply(w, status, map[string]string{"user": subject, "result": result})
}

func (s *authService) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	database, cache := s.database.Ping(ctx) == nil, s.redis.Ping(ctx).Err() == nil
	status := http.StatusOK
	if !database || !cache {
		status = http.StatusServiceUnavailable
	}
	reply(w, status, map[string]bool{"database": database, "redis": cache, "emergency": s.emergency.on("EMERGENCY_MODE")})
}

// checkRate counts a client's logins in this minute; without Redis nobody gets in, as nobody can be counted.
func (s *authService) checkRate(ctx context.Context, name string) error {
	key := fmt.Sprintf("logins:%s:%d", name, time.Now().Unix()/60)
	count, err := s.redis.Incr(ctx, key).Result()
	if err != nil {
		log.Printf("ERROR rate limit cannot be checked client=%s: %v", name, err)
		return fmt.Errorf("rate limit cannot be checked")
	}
	s.redis.Expire(ctx, key, 2*time.Minute)
	if count > s.limit {
		rateLimited.Inc()
		log.Printf("WARN rate limit exceeded client=%s count=%d limit=%d", name, count, s.limit)
		return fmt.Errorf("rate limit exceeded")
	}
	return nil
}

func (s *authService) refuse(w http.ResponseWriter, status int, result, message string) {
	logins.WithLabelValues(result).Inc()
	problem(w, status, "%s", message)
}
