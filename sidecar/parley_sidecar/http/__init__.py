"""An HTTP/1.1 client over httptools and the loop's own transports. `http_client` is its face.

urls         a URL -> where to connect, and what stands in the request            pure
heads        the bytes of a request, the headers of an answer                     pure
retry_after  how long an answer asks to wait                                      pure
connecting   names, addresses, TLS; why somebody cannot be reached
connection   one connection: a request out, its answer in
pool         connections that are kept between requests
websocket    the operator's stream
"""
