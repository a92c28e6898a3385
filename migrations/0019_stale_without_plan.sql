-- What is late is spread anew along its order's plan. Orders that were split before plans were kept have none: their slices are
-- sent, late as they are.
UPDATE order_slices s SET stale_at = NULL
WHERE stale_at IS NOT NULL AND stage IN ('SCHEDULED', 'IN_PROGRESS')
  AND NOT EXISTS (SELECT FROM order_plans WHERE order_id = s.order_id);
