"""What to buy, what it is called and what to do next: pure rules, no Airflow, no SDK, no HTTP."""
