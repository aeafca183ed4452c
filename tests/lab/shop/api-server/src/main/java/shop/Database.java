package shop;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.ToDoubleFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The connection pool; says who takes a connection, where in the code, and for how long. */
final class Database {
    private static final Logger LOG = LoggerFactory.getLogger("pool");
    private static final AtomicLong NUMBER = new AtomicLong();

    private final HikariDataSource pool;

    Database(Settings settings, MeterRegistry registry) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(settings.databaseUrl());
        config.setUsername(settings.databaseUser());
        config.setPassword(settings.databasePassword());
        config.setMaximumPoolSize(settings.maximumPoolSize());
        config.setMinimumIdle(2);
        config.setConnectionTimeout(3000);
        config.setLeakDetectionThreshold(settings.leakDetectionSeconds() * 1000L);
        config.setInitializationFailTimeout(-1);
        config.setPoolName("orders");
        config.setMetricRegistry(registry);
        pool = new HikariDataSource(config);
        gauge(registry, "db.connections.active", HikariPoolMXBean::getActiveConnections);
        gauge(registry, "db.connections.idle", HikariPoolMXBean::getIdleConnections);
        gauge(registry, "db.connections.pending", HikariPoolMXBean::getThreadsAwaitingConnection);
        gauge(registry, "db.connections.max", bean -> config.getMaximumPoolSize());
    }

    /** A connection that is logged when it is taken and when it is given back. */
    Lease acquire(String request) throws SQLException {
        String place = StackWalker.getInstance().walk(frames -> frames.skip(1).findFirst())
            .map(frame -> frame.getClassName().replaceFirst(".*\\.", "") + "." + frame.getMethodName() + ":"
                + frame.getLineNumber()).orElse("?");
        try {
            return new Lease(pool.getConnection(), "c" + NUMBER.incrementAndGet(), request, place);
        } catch (SQLException error) {
            LOG.error("connection timeout req={} at={} active={} pending={}: {}", request, place,
                pool.getHikariPoolMXBean().getActiveConnections(),
                pool.getHikariPoolMXBean().getThreadsAwaitingConnection(), error.getMessage());
            throw error;
        }
    }

    boolean answers() {
        try (Connection connection = pool.getConnection()) {
            return connection.isValid(2);
        } catch (SQLException error) {
            return false;
        }
    }

    private void gauge(MeterRegistry registry, String name, ToDoubleFunction<HikariPoolMXBean> value) {
        Gauge.builder(name, pool, source -> value.applyAsDouble(source.getHikariPoolMXBean())).register(registry);
    }

    /** One use of a connection. */
    static final class Lease implements AutoCloseable {
        final Connection connection;
        private final String id;
        private final String request;
        private final long since = System.nanoTime();
        private String query = "-";

        private Lease(Connection connection, String id, String request, String place) {
            this.connection = connection;
            this.id = id;
            this.request = request;
            LOG.info("acquire conn={} req={} at={}", id, request, place);
        }

        /** A statement; the first one is what the use is known by. */
        PreparedStatement prepare(String sql) throws SQLException {
            query = "-".equals(query) ? sql : query;
            return connection.prepareStatement(sql);
        }

        @Override
        public void close() throws SQLException {
            connection.close();
            LOG.info("release conn={} req={} held_ms={} query={}", id, request, (System.nanoTime() - since) / 1_000_000, query);
        }
    }
}
