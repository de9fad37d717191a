-- Every row returned is a fault. What constraints cannot say, because it holds between tables.

-- an order has been filled as often as the venue says
SELECT orders.id AS order_id, orders.filled_quantity, coalesce(sum(order_fills.quantity), 0) AS executed
FROM orders
LEFT JOIN order_fills ON order_fills.order_id = orders.id
GROUP BY orders.id
HAVING orders.filled_quantity <> coalesce(sum(order_fills.quantity), 0)
LIMIT 20;

-- a position is what the fills have made of it
SELECT account_id, instrument_id, positions.quantity AS held, coalesce(traded.quantity, 0) AS traded
FROM positions
FULL JOIN (
    SELECT orders.account_id, orders.instrument_id,
           sum(CASE orders.side WHEN 'buy' THEN order_fills.quantity ELSE -order_fills.quantity END) AS quantity
    FROM order_fills
    JOIN orders ON orders.id = order_fills.order_id
    GROUP BY orders.account_id, orders.instrument_id
) AS traded USING (account_id, instrument_id)
WHERE coalesce(positions.quantity, 0) <> coalesce(traded.quantity, 0)
LIMIT 20;
