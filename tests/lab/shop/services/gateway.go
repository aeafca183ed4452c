package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"
)

var (
	gatewayRequests = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gateway_request_seconds", Help: "Requests by route and status.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route", "status"})
	gatewayQueue   = promauto.NewGauge(prometheus.GaugeOpts{Name: "gateway_queue_length", Help: "Requests that wait."})
	gatewayRefused = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_refused_total", Help: "Requests that the gateway turned away, by route and reason."},
		[]string{"route", "reason"})
	gatewayBreaker = promauto.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gateway_circuit_open", Help: "1 while the circuit breaker of an upstream is open."}, []string{"upstream"})
)

// proxy is the reverse proxy; ConfigMap api-gateway-config drives it.
type proxy struct {
	config    *folder
	shedding  *folder
	limiter   *rate.Limiter
	slots     chan struct{}
	waiting   atomic.Int64
	upstreams []*upstream
}

type upstream struct {
	name    string
	prefix  string
	proxy   *httputil.ReverseProxy
	breaker breaker
}

// visit is one request on its way through the gateway, as the access log tells it.
type visit struct {
	http.ResponseWriter
	route      string
	status     int
	upstream   string
	upstreamMs string
	refused    string
}

func (v *visit) WriteHeader(status int) {
	v.status = status
	v.ResponseWriter.WriteHeader(status)
}

// refuse turns a request away on purpose; the reason is shed, rate_limit, queue or circuit.
func (v *visit) refuse(reason string, status int, format string, values ...any) {
	v.refused = reason
	gatewayRefused.WithLabelValues(v.route, reason).Inc()
	problem(v, status, format, values...)
}

func gateway(context.Context) error {
	p := &proxy{
		config: &folder{path: "/etc/gateway"}, shedding: &folder{path: "/etc/traffic-shedding"},
		limiter: rate.NewLimiter(rate.Inf, 1), slots: make(chan struct{}, int(number("GATEWAY_CONCURRENCY", 64))),
	}
	for prefix, name := range map[string]string{"/api/": "api-server", "/auth/": "auth-service", "/users/": "user-service"} {
		p.upstreams = append(p.upstreams, newUpstream(name, prefix))
	}
	return serve(p)
}

func newUpstream(name, prefix string) *upstream {
	u := &upstream{name: name, prefix: prefix}
	target := &url.URL{Scheme: "http", Host: name + ":8080"}
	u.proxy = &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(target)
			request.Out.URL.Path = "/" + strings.TrimPrefix(request.In.URL.Path, prefix)
			request.SetXForwarded()
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
			MaxIdleConnsPerHost: 64, ResponseHeaderTimeout: 5 * time.Second,
			// A connection that is kept leads to one pod for ever, and what ails only some pods would show by chance.
			DisableKeepAlives: name != "user-service",
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			problem(w, http.StatusBadGateway, "%s does not answer: %v", name, err)
		},
	}
	return u
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		reply(w, http.StatusOK, map[string]any{"status": "up", "queue": p.waiting.Load()})
		return
	}
	started := time.Now()
	v := &visit{ResponseWriter: w, route: routeOf(r.URL.Path), status: http.StatusOK, upstream: "-", upstreamMs: "-", refused: "-"}
	p.forward(v, r)
	gatewayRequests.WithLabelValues(v.route, strconv.Itoa(v.status)).Observe(time.Since(started).Seconds())
	log.Printf("INFO access client=%s route=%s req=%s status=%d ms=%d upstream=%s upstream_ms=%s refused=%s", client(r), v.route,
		r.Header.Get("X-Request-Id"), v.status, time.Since(started).Milliseconds(), v.upstream, v.upstreamMs, v.refused)
}

func (p *proxy) forward(v *visit, r *http.Request) {
	if p.shed(r) {
		v.refuse("shed", http.StatusServiceUnavailable, "this traffic is shed at the moment")
		return
	}
	if !p.allowed() {
		v.refuse("rate_limit", http.StatusTooManyRequests, "rate limit")
		return
	}
	if err := p.enter(r.Context()); err != nil {
		v.refuse("queue", http.StatusServiceUnavailable, "%v", err)
		return
	}
	defer func() { <-p.slots }()
	for _, u := range p.upstreams {
		if strings.HasPrefix(r.URL.Path, u.prefix) {
			u.serve(v, r, p.config.on("CIRCUIT_BREAKER_ENABLED"))
			return
		}
	}
	problem(v, http.StatusNotFound, "no such route")
}

// shed says whether the traffic-shedding policy turns a request away: a comma-separated list of routes.
func (p *proxy) shed(r *http.Request) bool {
	for _, route := range strings.Split(p.shedding.get("shed-routes", ""), ",") {
		if route = strings.TrimSpace(route); route != "" && strings.HasPrefix(r.URL.Path, route) {
			return true
		}
	}
	return false
}

func (p *proxy) allowed() bool {
	if !p.config.on("RATE_LIMIT_ENABLED") {
		return true
	}
	limit := rate.Limit(p.config.number("RATE_LIMIT_RPS", 1000))
	if p.limiter.Limit() != limit {
		p.limiter.SetLimit(limit)
		p.limiter.SetBurst(int(limit))
	}
	return p.limiter.Allow()
}

// enter waits for a free slot in a bounded queue.
func (p *proxy) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	if p.waiting.Add(1) > int64(p.config.number("QUEUE_SIZE", 128)) {
		p.waiting.Add(-1)
		return errors.New("the request queue is full")
	}
	gatewayQueue.Inc()
	defer func() { p.waiting.Add(-1); gatewayQueue.Dec() }()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("waited too long in the request queue")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (u *upstream) serve(v *visit, r *http.Request, guarded bool) {
	admitted, probe := true, false
	if guarded {
		admitted, probe = u.breaker.admits()
	}
	if !admitted {
		v.refuse("circuit", http.StatusServiceUnavailable, "the circuit of %s is open", u.name)
		return
	}
	started := time.Now()
	u.proxy.ServeHTTP(v, r)
	v.upstream, v.upstreamMs = u.name, strconv.FormatInt(time.Since(started).Milliseconds(), 10)
	open := guarded && u.breaker.saw(v.status < http.StatusInternalServerError, probe)
	gatewayBreaker.WithLabelValues(u.name).Set(map[bool]float64{true: 1}[open])
}

func routeOf(path string) string {
	parts := strings.SplitN(strings.Trim(path, "/"), "/", 3)
	if len(parts) < 2 {
		return path
	}
	return "/" + parts[0] + "/" + parts[1]
}

func client(r *http.Request) string {
	if name := r.Header.Get("X-Client"); name != "" {
		return name
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}
