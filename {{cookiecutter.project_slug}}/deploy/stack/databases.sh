# Run once by PostgreSQL's image, when its volume is new: a database and a user for each of the two.
set -eu
for name in journal mlflow; do
  case $name in
    journal) password=$JOURNAL_PASSWORD ;;
    mlflow) password=$MLFLOW_PASSWORD ;;
  esac
  psql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 --quiet <<SQL
CREATE ROLE $name LOGIN PASSWORD '$password';
CREATE DATABASE $name OWNER $name;
REVOKE CONNECT ON DATABASE $name FROM PUBLIC;
SQL
done
