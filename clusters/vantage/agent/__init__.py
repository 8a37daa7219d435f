"""The program that does the time-critical work of a vantage, in a process of its own.

It uses the standard library only, runs on Python 3.8 or later, and its modules import each other
relatively, because it is sent over a pipe to wherever it runs (this machine, a network namespace, later
another host or a pod) and is loaded there under another name. `clusters.vantage.launch` sends it.
"""
