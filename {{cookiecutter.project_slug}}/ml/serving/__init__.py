"""Answers over HTTP from a verified bundle, and remembers what it answered. No pandas, scikit-learn, MLflow."""
