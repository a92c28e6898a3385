#!/bin/bash
# Run once by the postgres image, when its volume is made: the service's role is no superuser, and owns its database.
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --set=password="$PULSE_PASSWORD" <<'SQL'
CREATE ROLE pulse LOGIN PASSWORD :'password';
SELECT current_database() AS database \gset
ALTER DATABASE :"database" OWNER TO pulse;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
