-- One row a customer. What the map of the source makes of it is sent when it changes.
SELECT id, email, name, plan, lifetime_value, churn_risk
FROM customers
ORDER BY id
