"""Runs of an estimator, from input to results: on the host, and on devices.

`HostRunner` and `TpuRunner` have the same three methods, which take the same requests.
"""
