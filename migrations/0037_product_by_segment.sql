-- An order that names no product gets that of its segment: CNC for shares, NRML for contracts. Before, it got CNC everywhere, which no
-- exchange of contracts takes.
CREATE FUNCTION orders_default_product() RETURNS trigger LANGUAGE plpgsql AS $product$
BEGIN
  NEW.product_type := CASE WHEN NEW.instrument ~ '^(NFO|BFO|CDS|BCD|MCX):' THEN 'NRML' ELSE 'CNC' END;
  RETURN NEW;
END
$product$;

ALTER TABLE orders ALTER COLUMN product_type DROP DEFAULT;
CREATE TRIGGER orders_default_product BEFORE INSERT ON orders
  FOR EACH ROW WHEN (NEW.product_type IS NULL) EXECUTE FUNCTION orders_default_product();
