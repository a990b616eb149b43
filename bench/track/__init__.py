"""Who is told: the person at the terminal, and MLflow."""
