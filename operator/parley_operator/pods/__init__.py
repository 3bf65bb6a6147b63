"""Pods that something is the matter with: the leader finds them, counts them, tells of them, and mends what it may."""
