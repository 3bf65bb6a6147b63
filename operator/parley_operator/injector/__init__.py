"""The injector: adds the sidecar to pods that ask for it. It has no API rights, calls no API, imports no client of one.

A pod's way: app -> review (bytes <-> pod) -> options -> eligibility (why not) -> inject (the patch). All but
app, webhook and certificate is pure.
"""
