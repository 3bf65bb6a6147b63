"""The sidecar: answers converse requests on localhost."""
