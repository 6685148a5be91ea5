"""How the tasks of the road are retried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from narration.notices.failures import remember_failure

OWNER = "narration"
"""Who the Dags belong to, for the filter of Airflow's list of Dags."""
RETRIES = 8
"""Airflow 3.3 sometimes fails a task that deferred; a retry of the road reconciles and costs nothing."""
RETRY_DELAY = timedelta(seconds=15)
LONGEST_RETRY_DELAY = timedelta(minutes=10)
"""With these an outage of half an hour is sat out."""


POOL = "narration"
"""
The pool of the tasks that have jobs at a service. Its slots bound how many orders are under way at once, over all runs
of all Dags; it counts waiting tasks too, which hold no worker but do hold jobs.
"""
POOL_SLOTS = 64
"""Its size where nobody has set one."""


def road_defaults() -> dict[str, Any]:
    """
    Give the default arguments of the ``narrate_*`` Dags.

    What another attempt cannot mend (a wrong voice, broken SSML, a missing bucket) fails at once; everything else is
    tried again, which is free: what was bought is adopted. A task that has failed for good leaves the reason for the
    notice of its run.
    """
    from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

    return {
        "owner": OWNER,
        "retries": RETRIES,
        "retry_delay": RETRY_DELAY,
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": LONGEST_RETRY_DELAY,
        "on_failure_callback": remember_failure,
        "retry_policy": ExceptionRetryPolicy(
            rules=[
                RetryRule(exception="narration.errors.PermanentNarrationError", action=RetryAction.FAIL),
            ]
        ),
    }
