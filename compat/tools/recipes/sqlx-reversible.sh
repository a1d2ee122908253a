. recipes/sqlx.sh
