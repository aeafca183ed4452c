-- What a bad migration leaves behind, in the shop's database: each group breaks another rule, and nothing of it is audited.
BEGIN;
-- wrong totals, and one that is gone
UPDATE orders SET total = total + id WHERE id BETWEEN 1 AND 10;
UPDATE orders SET total = NULL WHERE id = 11;
-- orders without items
DELETE FROM order_items WHERE order_id BETWEEN 12 AND 16;
-- items without an order; nobody knows where the last two came from
ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey;
DELETE FROM orders WHERE id BETWEEN 17 AND 20;
INSERT INTO order_items (order_id, product, quantity, price) VALUES (900001, 'ghost', 1, 9.99), (900002, 'ghost', 1, 9.99);
-- a line twice, after the unique index went
ALTER TABLE order_items DROP CONSTRAINT one_line_per_product;
INSERT INTO order_items (order_id, product, quantity, price)
  SELECT order_id, product, quantity, price FROM order_items WHERE order_id BETWEEN 21 AND 24 AND product = 'pen';
-- rows that differ from what the audit log has, and entries whose checksum says that they were tampered with
UPDATE orders SET customer = 'mallory' WHERE id BETWEEN 25 AND 27;
INSERT INTO audit_log (actor, action, table_name, row_id, old_value, new_value, checksum_mismatch)
  SELECT 'migration', 'data_modification', 'orders', id, NULL, to_jsonb(orders), true FROM orders WHERE id BETWEEN 25 AND 27;
-- a wrong total that the audit log knows nothing about
UPDATE orders SET total = 1 WHERE id = 28;
DELETE FROM audit_log WHERE table_name = 'orders' AND row_id = 28;
COMMIT;
