package shop;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.binder.jvm.ClassLoaderMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Duration;
import java.time.LocalDate;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import redis.clients.jedis.JedisPooled;
import redis.clients.jedis.exceptions.JedisException;

/** Takes orders over HTTP on 8080; health and readiness there too, Prometheus text on 9090. */
public final class Main {
    private static final Logger LOG = LoggerFactory.getLogger("api");
    private static final int CACHE_SECONDS = 30;

    private final Settings settings = Settings.fromEnvironment();
    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Database database = new Database(settings, registry);
    private final Orders orders = new Orders(database);
    private final JedisPooled redis = new JedisPooled(settings.redisHost(), 6379);

    public static void main(String[] arguments) throws IOException {
        new Main().serve();
    }

    private void serve() throws IOException {
        new JvmMemoryMetrics().bindTo(registry);
        new JvmGcMetrics().bindTo(registry);
        new JvmThreadMetrics().bindTo(registry);
        new ClassLoaderMetrics().bindTo(registry);
        new UptimeMetrics().bindTo(registry);
        HttpServer metrics = HttpServer.create(new InetSocketAddress(9090), 16);
        metrics.createContext("/metrics", exchange -> send(exchange, 200, "text/plain; version=0.0.4", registry.scrape()));
        metrics.start();
        HttpServer server = HttpServer.create(new InetSocketAddress(8080), 128);
        server.setExecutor(Executors.newFixedThreadPool(48));
        server.createContext("/", this::handle);
        server.start();
        Hoard.begin(settings.hoard(), settings.hoardMegabytesPerSecond());
        LOG.info("api-server listens on 8080, pool {} connections, read-only {}", settings.maximumPoolSize(),
            settings.readOnly());
    }

    private void handle(HttpExchange exchange) throws IOException {
        String request = Optional.ofNullable(exchange.getRequestHeaders().getFirst("X-Request-Id"))
            .orElseGet(() -> UUID.randomUUID().toString().substring(0, 8));
        long started = System.nanoTime();
        String route = route(exchange);
        Reply reply = answer(exchange, route, request);
        send(exchange, reply.status, "application/json", reply.body.toString());
        Timer.builder("http.server.requests").tag("route", route).tag("method", exchange.getRequestMethod())
            .tag("status", Integer.toString(reply.status)).publishPercentileHistogram()
            .minimumExpectedValue(Duration.ofMillis(2)).maximumExpectedValue(Duration.ofSeconds(10))
            .register(registry).record(Duration.ofNanos(System.nanoTime() - started));
    }

    private Reply answer(HttpExchange exchange, String route, String request) {
        try {
            return switch (exchange.getRequestMethod() + " " + route) {
                case "GET /health" -> health();
                case "GET /ready" -> new Reply(200, message("status", "ready"));
                case "POST /orders" -> create(exchange, request);
                case "GET /orders" -> list(request);
                case "GET /orders/{id}" -> find(request, Long.parseLong(lastSegment(exchange)));
                case "GET /report" -> new Reply(200,
                    orders.report(request, query(exchange).getOrDefault("day", LocalDate.now().toString())));
                case "GET /search" -> new Reply(200,
                    orders.slowSearch(request, Double.parseDouble(query(exchange).getOrDefault("seconds", "0"))));
                default -> new Reply(404, message("error", "no such route"));
            };
        } catch (SQLException error) {
            LOG.error("database error req={} route={}: {}", request, route, error.getMessage());
            return new Reply(500, message("error", "database error"));
        } catch (RuntimeException error) {
            LOG.error("bad request req={} route={}: {}", request, route, error.toString());
            return new Reply(400, message("error", "bad request"));
        } catch (IOException error) {
            return new Reply(400, message("error", "bad request"));
        }
    }

    private Reply create(HttpExchange exchange, String request) throws IOException, SQLException {
        if (settings.readOnly()) {
            return new Reply(503, message("error", "read-only mode: orders are not taken at the moment"));
        }
        JsonObject body = JsonParser.parseString(
            new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8)).getAsJsonObject();
        long id = orders.create(request, body.get("customer").getAsString(), body.getAsJsonArray("items"));
        if (body.has("gift_note")) {
            GiftNoteCache.remember(id, body.get("gift_note").getAsString());
        }
        LOG.info("order created req={} order={}", request, id);
        JsonObject reply = new JsonObject();
        reply.addProperty("id", id);
        return new Reply(201, reply);
    }

    private Reply list(String request) throws SQLException {
        JsonArray latest = orders.latest(request, 20);
        JsonObject reply = new JsonObject();
        reply.add("orders", latest);
        return new Reply(200, reply);
    }

    private Reply find(String request, long id) throws SQLException {
        String key = "order:" + id;
        String cached = cached(key);
        if (cached != null) {
            return new Reply(200, JsonParser.parseString(cached).getAsJsonObject());
        }
        Optional<JsonObject> order = orders.find(request, id);
        order.ifPresent(found -> cache(key, found.toString()));
        return order.map(found -> new Reply(200, found)).orElse(new Reply(404, message("error", "no such order")));
    }

    private Reply health() {
        boolean up = database.answers();
        JsonObject reply = message("database", up ? "up" : "down");
        reply.addProperty("redis", cached("health") != null || redisAnswers() ? "up" : "down");
        reply.addProperty("read_only", settings.readOnly());
        return new Reply(up ? 200 : 503, reply);
    }

    private boolean redisAnswers() {
        try {
            return "PONG".equals(redis.ping());
        } catch (JedisException error) {
            return false;
        }
    }

    /** The cache helps; without it the database answers. */
    private String cached(String key) {
        try {
            return redis.get(key);
        } catch (JedisException error) {
            LOG.warn("cache unavailable: {}", error.getMessage());
            return null;
        }
    }

    private void cache(String key, String value) {
        try {
            redis.setex(key, CACHE_SECONDS, value);
        } catch (JedisException error) {
            LOG.warn("cache unavailable: {}", error.getMessage());
        }
    }

    private static String route(HttpExchange exchange) {
        return exchange.getRequestURI().getPath().replaceFirst("^/api", "").replaceFirst("/\\d+$", "/{id}");
    }

    private static String lastSegment(HttpExchange exchange) {
        return exchange.getRequestURI().getPath().replaceFirst(".*/", "");
    }

    private static Map<String, String> query(HttpExchange exchange) {
        String query = Optional.ofNullable(exchange.getRequestURI().getQuery()).orElse("");
        return Stream.of(query.split("&")).map(pair -> pair.split("=", 2)).filter(pair -> pair.length == 2)
            .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
    }

    private static JsonObject message(String key, String text) {
        JsonObject message = new JsonObject();
        message.addProperty(key, text);
        return message;
    }

    private static void send(HttpExchange exchange, int status, String type, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private record Reply(int status, JsonObject body) {
    }
}
