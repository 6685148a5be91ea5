"""What lies in an inbox: when it belongs to which run, and how it is to be narrated."""
