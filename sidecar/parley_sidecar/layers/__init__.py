"""What stands between a request and its provider: one class a file, in the order that `pipeline` lists."""
