"""What people are told when a run has ended, is over its budget or is late, and the ways on which it reaches them."""
