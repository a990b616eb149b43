"""Where a result folder has its own MLflow store."""

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
