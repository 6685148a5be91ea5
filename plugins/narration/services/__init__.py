"""One thin adapter per speech service: what the reconciler asks, in the words of that service's API."""
