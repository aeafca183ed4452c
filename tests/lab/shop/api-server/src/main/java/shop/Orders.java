package shop;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.math.BigDecimal;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Orders in PostgreSQL, each with its items and an entry in the audit log. */
final class Orders {
    private static final Logger LOG = LoggerFactory.getLogger("orders");

    private final Database database;

    Orders(Database database) {
        this.database = database;
    }

    long create(String request, String customer, JsonArray items) throws SQLException {
        try (Database.Lease lease = database.acquire(request)) {
            lease.connection.setAutoCommit(false);
            try {
                long order = insertOrder(lease, customer, items);
                insertItems(lease, order, items);
                audit(lease, order, customer);
                lease.connection.commit();
                return order;
            } catch (SQLException | RuntimeException error) {
                lease.connection.rollback();
                throw error;
            }
        }
    }

    Optional<JsonObject> find(String request, long id) throws SQLException {
        try (Database.Lease lease = database.acquire(request);
             PreparedStatement query = lease.prepare(
                 "SELECT id, customer, total, created_at FROM orders WHERE id = ?")) {
            query.setLong(1, id);
            ResultSet rows = query.executeQuery();
            if (!rows.next()) {
                return Optional.empty();
            }
            JsonObject order = row(rows);
            validate(lease, order);
            return Optional.of(order);
        }
    }

    JsonArray latest(String request, int limit) throws SQLException {
        try (Database.Lease lease = database.acquire(request);
             PreparedStatement query = lease.prepare(
                 "SELECT id, customer, total, created_at FROM orders ORDER BY id DESC LIMIT ?")) {
            query.setInt(1, limit);
            ResultSet rows = query.executeQuery();
            JsonArray orders = new JsonArray();
            while (rows.next()) {
                orders.add(row(rows));
            }
            return orders;
        }
    }

    /** Sums up the day's orders. Returns early for an empty day, and then never gives the connection back. */
    JsonObject report(String request, String day) throws SQLException {
        Database.Lease lease = database.acquire(request);
        PreparedStatement query = lease.prepare(
            "SELECT count(*), sum(total) FROM orders WHERE created_at::date = ?::date");
        query.setString(1, day);
        ResultSet rows = query.executeQuery();
        JsonObject report = new JsonObject();
        rows.next();
        report.addProperty("orders", rows.getLong(1));
        if (rows.getLong(1) == 0) {
            return report;
        }
        report.addProperty("total", rows.getBigDecimal(2));
        report.addProperty("best_seller", bestSeller(request, day));
        lease.close();
        return report;
    }

    /** Takes a connection of its own, although its caller has one: two for one request. */
    private String bestSeller(String request, String day) throws SQLException {
        try (Database.Lease lease = database.acquire(request);
             PreparedStatement query = lease.prepare(
                 "SELECT product FROM order_items JOIN orders ON orders.id = order_id WHERE created_at::date = ?::date"
                 + " GROUP BY product ORDER BY sum(quantity) DESC LIMIT 1")) {
            query.setString(1, day);
            ResultSet rows = query.executeQuery();
            return rows.next() ? rows.getString(1) : "";
        }
    }

    /** Searches without an index; takes as long as the database is asked to think. */
    JsonObject slowSearch(String request, double seconds) throws SQLException {
        try (Database.Lease lease = database.acquire(request);
             PreparedStatement query = lease.prepare(
                 "SELECT count(*), pg_sleep(?) FROM order_items WHERE product LIKE '%x%'")) {
            query.setDouble(1, seconds);
            ResultSet rows = query.executeQuery();
            rows.next();
            JsonObject found = new JsonObject();
            found.addProperty("found", rows.getLong(1));
            return found;
        }
    }

    private static long insertOrder(Database.Lease lease, String customer, JsonArray items) throws SQLException {
        BigDecimal total = BigDecimal.ZERO;
        for (JsonElement element : items) {
            JsonObject item = element.getAsJsonObject();
            total = total.add(item.get("price").getAsBigDecimal().multiply(item.get("quantity").getAsBigDecimal()));
        }
        try (PreparedStatement insert = lease.prepare(
            "INSERT INTO orders (customer, total) VALUES (?, ?) RETURNING id")) {
            insert.setString(1, customer);
            insert.setBigDecimal(2, total);
            ResultSet rows = insert.executeQuery();
            rows.next();
            return rows.getLong(1);
        }
    }

    private static void insertItems(Database.Lease lease, long order, JsonArray items) throws SQLException {
        try (PreparedStatement insert = lease.prepare(
            "INSERT INTO order_items (order_id, product, quantity, price) VALUES (?, ?, ?, ?)")) {
            for (JsonElement element : items) {
                JsonObject item = element.getAsJsonObject();
                insert.setLong(1, order);
                insert.setString(2, item.get("product").getAsString());
                insert.setInt(3, item.get("quantity").getAsInt());
                insert.setBigDecimal(4, item.get("price").getAsBigDecimal());
                insert.addBatch();
            }
            insert.executeBatch();
        }
    }

    /** The rows as they were written: what a repair can put back. */
    private static void audit(Database.Lease lease, long order, String customer) throws SQLException {
        try (PreparedStatement insert = lease.prepare(
            "INSERT INTO audit_log (actor, action, table_name, row_id, new_value)"
            + " SELECT ?, 'order_created', 'orders', id, to_jsonb(orders) FROM orders WHERE id = ?"
            + " UNION ALL SELECT ?, 'item_added', 'order_items', id, to_jsonb(order_items) FROM order_items WHERE order_id = ?")) {
            insert.setString(1, customer);
            insert.setLong(2, order);
            insert.setString(3, customer);
            insert.setLong(4, order);
            insert.executeUpdate();
        }
    }

    /** Says so when an order that was read does not add up. */
    private static void validate(Database.Lease lease, JsonObject order) throws SQLException {
        try (PreparedStatement query = lease.prepare(
            "SELECT sum(quantity * price) FROM order_items WHERE order_id = ?")) {
            query.setLong(1, order.get("id").getAsLong());
            ResultSet rows = query.executeQuery();
            rows.next();
            BigDecimal sum = rows.getBigDecimal(1);
            JsonElement total = order.get("total");
            if (sum == null || total.isJsonNull() || sum.compareTo(total.getAsBigDecimal()) != 0) {
                LOG.error("validation error: order={} total={} items={}", order.get("id"), total, sum);
            }
        }
    }

    private static JsonObject row(ResultSet rows) throws SQLException {
        JsonObject order = new JsonObject();
        order.addProperty("id", rows.getLong(1));
        order.addProperty("customer", rows.getString(2));
        order.addProperty("total", rows.getBigDecimal(3));
        order.addProperty("created_at", rows.getString(4));
        return order;
    }
}
