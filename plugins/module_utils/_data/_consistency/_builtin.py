# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the shop's data, where no other are given. YAML like everybody's, in a file that every host gets."""

from __future__ import annotations

RULES = r"""
- name: order_total_differs
  kind: derived_total
  severity: critical
  description: The total of an order differs from the sum of its items; a missing total and an order without items count, too
  table: orders
  key: id
  column: total
  of: {table: order_items, column: order_id, expression: quantity * price}
  customer: customer
  time: created_at

- name: order_without_items
  kind: orphans
  severity: high
  description: An order has no item
  table: orders
  key: id
  column: id
  references: {table: order_items, column: order_id}
  customer: customer
  time: created_at
  amount: total
  sample: [total]

- name: order_without_total
  kind: not_null
  severity: high
  description: An order has no total
  table: orders
  key: id
  columns: total
  customer: customer
  time: created_at

- name: item_without_order
  kind: orphans
  severity: high
  description: An item belongs to an order that is not there
  table: order_items
  key: id
  column: order_id
  references: {table: orders, column: id}
  amount: quantity * price
  sample: [product, quantity, price]

- name: item_twice
  kind: duplicates
  severity: high
  description: An order has the same product in more than one line
  table: order_items
  key: id
  columns: [order_id, product]
  amount: quantity * price
  sample: [order_id, product, quantity, price]

- name: cached_order_differs
  kind: cache
  severity: high
  description: What the cache holds of an order is not what its row says, or the row is gone
  keys: "order:{id}"
  table: orders
  key: id
  values: {customer: customer, total: total}

- name: order_differs_from_audit_log
  kind: audit_mismatch
  severity: critical
  description: The total of an order is not what the audit log recorded last, or the order is gone
  table: orders
  key: id
  column: total
  audit: {table: audit_log, row: row_id, order: id, values: new_value, where: table_name = 'orders' AND NOT checksum_mismatch}
  amount: coalesce(found, 0) - coalesce(expected, 0)
  customer: customer
  time: created_at

- name: audit_checksum_mismatch
  kind: audit_mismatch
  severity: critical
  description: The audit log marks an entry whose checksum does not match
  table: audit_log
  key: id
  flag: checksum_mismatch
  time: created_at
  sample: [actor, table_name, row_id]
"""
