"""Azure Speech on localhost: resources by key, three asynchronous synthesis APIs, result blobs with signed URLs."""
