-- Orders that have slices are neither deleted nor truncated without them: what is left in the queue would go on being placed, for
-- nobody to see, and after RESTART IDENTITY as slices of the next order. Asked at the end of the statement, when whatever it removes
-- beside the orders is gone. The checks read as the owner, so that whoever may delete an order needs no right on its slices.
CREATE FUNCTION orders_leave_no_slices() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $guard$
DECLARE
  example text;
  called bigint;
  counter text := pg_get_serial_sequence('orders', 'number');
BEGIN
  IF TG_OP = 'DELETE' THEN
    SELECT id INTO example FROM gone g
    WHERE EXISTS (SELECT FROM slice_plan WHERE order_number = g.number)
      OR EXISTS (SELECT FROM slice_queue WHERE slice BETWEEN g.number << 20 AND g.number << 20 | 1048575)
      OR EXISTS (SELECT FROM slice_working WHERE slice BETWEEN g.number << 20 AND g.number << 20 | 1048575)
      OR EXISTS (SELECT FROM slice_results WHERE slice BETWEEN g.number << 20 AND g.number << 20 | 1048575)
    LIMIT 1;
    IF example IS NOT NULL THEN
      RAISE EXCEPTION 'order % has slices, which would be placed without it', example
        USING ERRCODE = 'foreign_key_violation', HINT = 'Cancel it with the command order cancel, and remove finished orders with prune.';
    END IF;
    RETURN NULL;
  END IF;
  IF EXISTS (SELECT FROM slice_plan) OR EXISTS (SELECT FROM slice_queue) OR EXISTS (SELECT FROM slice_working)
    OR EXISTS (SELECT FROM slice_results) THEN
    RAISE EXCEPTION 'orders have slices, which would be placed without them'
      USING ERRCODE = 'foreign_key_violation', HINT = 'Remove finished orders with the command prune. To empty everything, stop all '
        'daemons, and name slice_plan, slice_queue, slice_working and slice_results in the same TRUNCATE.';
  END IF;
  -- The audit stays, so its numbers are not given again.
  SELECT max(slice) >> 20 INTO called FROM broker_calls;
  IF called >= nextval(counter) THEN PERFORM setval(counter, called); END IF;
  RETURN NULL;
END
$guard$;

CREATE TRIGGER orders_deleted AFTER DELETE ON orders REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION orders_leave_no_slices();
CREATE TRIGGER orders_truncated AFTER TRUNCATE ON orders
  FOR EACH STATEMENT EXECUTE FUNCTION orders_leave_no_slices();

-- Every slice that is not in exactly one of its three tables, or has no plan or no order. There must be none.
CREATE OR REPLACE VIEW slice_places AS
SELECT coalesce(p.slice, s.slice) AS slice, p.id, s.places, p.slice IS NOT NULL AS is_planned, o.number IS NOT NULL AS has_order
FROM slice_plan p
FULL JOIN (
  SELECT slice, count(*)::integer AS places FROM (
    SELECT slice FROM slice_queue UNION ALL SELECT slice FROM slice_working UNION ALL SELECT slice FROM slice_results
  ) found GROUP BY slice
) s ON s.slice = p.slice
LEFT JOIN orders o ON o.number = coalesce(p.slice, s.slice) >> 20
WHERE p.slice IS NULL OR s.places IS DISTINCT FROM 1 OR o.number IS NULL;

-- The instrument of a slice's facts; NULL for what is no JSON, which another program has written.
CREATE FUNCTION slice_instrument(facts text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $instrument$
BEGIN
  RETURN facts::jsonb->>'instrument';
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END
$instrument$;

-- A claimed slice whose order was on hold: nobody found it when its claim was over. The hold counts again when it is given back.
UPDATE slice_queue SET is_held = false WHERE is_held AND claim <> 0;
