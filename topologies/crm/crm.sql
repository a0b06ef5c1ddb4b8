-- What is in crm.duckdb. To change it: python -c "import duckdb; duckdb.connect('topologies/crm/crm.duckdb').execute(\"UPDATE customers SET plan = 'pro' WHERE id = 2\")"
CREATE TABLE customers (id INTEGER, email VARCHAR, name VARCHAR, plan VARCHAR, lifetime_value DECIMAL(10, 2), churn_risk DOUBLE, updated_at TIMESTAMP);
INSERT INTO customers VALUES
  (1, 'ada@example.com', 'Ada', 'pro', 1240.50, 0.05, '2026-11-02 09:15:00'),
  (2, 'ben@example.com', 'Ben', 'free', 0, 0.62, '2026-11-03 17:40:00'),
  (3, 'cleo@example.com', 'Cleo', 'team', 310.00, 0.21, '2026-11-05 08:00:00'),
  (4, NULL, 'Dan', 'free', 12.90, 0.40, '2026-11-06 12:30:00');
CREATE TABLE tickets (id INTEGER, customer_id INTEGER, status VARCHAR, opened_at TIMESTAMP);
INSERT INTO tickets VALUES
  (71, 2, 'open', '2026-11-03 18:00:00'), (72, 1, 'closed', '2026-11-04 10:20:00');
