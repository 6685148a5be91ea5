"""Amazon Polly, API version 2016-06-10: synthesis tasks, voices, lexicons, synchronous speech."""
