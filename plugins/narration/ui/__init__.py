"""What Narration adds to Airflow's UI: pages of paragraphs, served by the API server."""
